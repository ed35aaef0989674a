"""GGUF's tensors stand under HuggingFace's names, and what is in no table keeps its own."""

from __future__ import annotations

from pathlib import Path

from forge_common.checkpoint import ModelConfig, TensorInfo
from forge_common.checkpoint.gguf.architectures import ARCHITECTURES, Variant
from forge_common.checkpoint.gguf.tensors import model_tensors
from tests.common.checkpoint.gguf.test_config import config


def info(name: str) -> TensorInfo:
    return TensorInfo(name, "F32", (4,), Path("m.gguf"), 0, 16)


def renamed(name: str, architecture: str, shape: ModelConfig) -> list[TensorInfo]:
    found = model_tensors({name: info(name)}, ARCHITECTURES[Variant(architecture, False)], shape)
    assert list(found) == [tensor.name for tensor in found.values()]
    return list(found.values())


def test_names_are_huggingfaces(tmp_path: Path) -> None:
    shape = config(tmp_path)
    expected = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
        "output.weight": "lm_head.weight",
        "blk.0.attn_norm.weight": "model.layers.0.input_layernorm.weight",
        "blk.11.attn_v.bias": "model.layers.11.self_attn.v_proj.bias",
        "blk.2.ffn_down.weight": "model.layers.2.mlp.down_proj.weight",
        "blk.2.attn_q_norm.weight": "model.layers.2.self_attn.q_norm.weight",
    }
    for name, theirs in expected.items():
        assert [tensor.name for tensor in renamed(name, "qwen3", shape)] == [theirs]


def test_rows_lie_in_pairs_only_where_the_converter_put_them(tmp_path: Path) -> None:
    shape = config(tmp_path)
    for part, heads in (("attn_q", 2), ("attn_k", 1), ("attn_v", None)):
        for kind in ("weight", "bias"):
            name = f"blk.0.{part}.{kind}"
            assert renamed(name, "llama", shape)[0].num_paired_heads == heads
            assert renamed(name, "qwen2", shape)[0].num_paired_heads is None


def test_what_is_in_no_table_keeps_its_name(tmp_path: Path) -> None:
    shape = config(tmp_path)
    for name in ("blk.0.odd.weight", "blk.x.attn_q.weight", "blk.0.attn_q.scale", "v.patch"):
        assert [tensor.name for tensor in renamed(name, "llama", shape)] == [name]


def test_what_the_config_has_taken_is_left_out(tmp_path: Path) -> None:
    assert renamed("rope_freqs.weight", "llama", config(tmp_path)) == []
