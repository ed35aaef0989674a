"""Shapes of models people run, as far as kernels are compiled for them."""

from __future__ import annotations

from typing import NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.sequence_mirror import Limits


class ModelShape(NamedTuple):
    hidden_size: int
    intermediate_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int


LLAMA_8B = ModelShape(4096, 14336, 32, 8, 128)
LLAMA_1B = ModelShape(2048, 8192, 32, 8, 64)
LLAMA_2_7B = ModelShape(4096, 11008, 32, 32, 128)  # a KV head a query head
QWEN_HALF_B = ModelShape(896, 4864, 14, 2, 64)  # seven query heads a KV head
WITH_80 = ModelShape(2560, 10240, 32, 32, 80)
WITH_96 = ModelShape(3072, 8192, 32, 8, 96)
WITH_256 = ModelShape(2048, 16384, 8, 1, 256)
GROUPS_OF_16 = ModelShape(4096, 13696, 32, 2, 128)


def sizes_of(
    shape: ModelShape, precision: Precision, *, block_size: int = 16, is_deterministic: bool = False
) -> EngineSizes:
    config = ModelConfig(
        architecture="LlamaForCausalLM",
        vocab_size=32000,
        **shape._asdict(),
        num_layers=1,
        rms_norm_eps=1e-5,
        ropes=(Rope(10000.0, None, shape.head_dim),),
        sliding_windows=(None,),
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        has_qkv_bias=False,
        has_attention_output_bias=False,
        has_mlp_bias=False,
        dtype=None,
        eos_token_ids=(),
    )
    limits = Limits(
        max_batch_size=256,
        max_model_len=4096,
        block_size=block_size,
        num_blocks=1024,
        vocab_size=config.vocab_size,
    )
    return EngineSizes(config, precision, limits, 4096, is_deterministic)
