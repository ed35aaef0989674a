"""Which class computes which architecture. A family that is Llama but for the facts its ModelConfig
states (biases, head norms, windows) is one line here; one that computes otherwise is a file beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from forge_common.checkpoint import ModelConfig
from forge_worker.kv_cache import KVCache
from forge_worker.models.cohere2 import Cohere2ForCausalLM
from forge_worker.models.llama import LlamaForCausalLM
from forge_worker.ops.protocol import Array, Ops, Step
from forge_worker.weights.loader import WeightLoader


class Model(Protocol):
    @property
    def config(self) -> ModelConfig: ...

    @property
    def ops(self) -> Ops: ...

    def hidden(self, step: Step, kv_cache: KVCache) -> Array:
        """Final states of the rows whose logits are wanted, sliceable by row.

        `step` is what `ops.begin_step` made. Writes K and V of every token of the step into
        `kv_cache` before it attends.
        """

    def logits(self, hidden: Array) -> Array:
        """Of some rows of `hidden`, since those of a whole prompt may not fit: float32
        [num_rows, vocab_size], good until the next call."""


class ModelClass(Protocol):
    def __call__(self, config: ModelConfig, loader: WeightLoader, ops: Ops) -> Model: ...


MODEL_CLASSES: Mapping[str, ModelClass] = MappingProxyType(
    {
        "LlamaForCausalLM": LlamaForCausalLM,  # Llama 2 and 3.x, TinyLlama
        "MistralForCausalLM": LlamaForCausalLM,  # sliding window
        "Qwen2ForCausalLM": LlamaForCausalLM,  # bias on Q, K and V
        "Qwen3ForCausalLM": LlamaForCausalLM,  # RMS norm on the heads of Q and K
        "Gemma2ForCausalLM": LlamaForCausalLM,  # norms on both sides, soft caps, every other window
        "Gemma3ForCausalLM": LlamaForCausalLM,  # likewise, head norms, two ropes, no caps
        "Phi3ForCausalLM": LlamaForCausalLM,  # joined tensors, LongRoPE, heads turned in part
        "Olmo2ForCausalLM": LlamaForCausalLM,  # norms behind the parts, and over all of Q and of K
        "GraniteForCausalLM": LlamaForCausalLM,  # multipliers
        "SmolLM3ForCausalLM": LlamaForCausalLM,  # layers that turn nothing
        "Cohere2ForCausalLM": Cohere2ForCausalLM,  # parts side by side, layer norms
        "MixtralForCausalLM": LlamaForCausalLM,  # experts
        "Qwen3MoeForCausalLM": LlamaForCausalLM,  # experts, head norms
    }
)
