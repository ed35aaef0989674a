"""The tensors each checkpoint must have: HuggingFace's names, and the shapes its config implies.

Knows names and shapes, not files and not what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator

from forge_common.checkpoint import Experts, ModelConfig

Shape = tuple[int, ...]

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
LM_HEAD = "lm_head.weight"


def layer_prefix(layer: int) -> str:
    return f"model.layers.{layer}."


def expected_tensors(config: ModelConfig) -> dict[str, Shape]:
    """Every tensor that the model needs."""
    expected: dict[str, Shape] = {
        EMBEDDING: (config.vocab_size, config.hidden_size),
        FINAL_NORM: (config.hidden_size,),
    }
    if not config.tie_word_embeddings:
        expected[LM_HEAD] = (config.vocab_size, config.hidden_size)
    for layer in range(config.num_layers):
        prefix = layer_prefix(layer)
        expected.update({prefix + name: shape for name, shape in _layer_tensors(config, layer)})
    return expected


def is_harmless(name: str, config: ModelConfig) -> bool:
    """Surplus tensors that say nothing new: old writers' frequency buffers, and the output
    projection written out although it is tied to the embedding."""
    return name.endswith(".rotary_emb.inv_freq") or (name == LM_HEAD and config.tie_word_embeddings)


def _layer_tensors(config: ModelConfig, layer: int) -> Iterator[tuple[str, Shape]]:
    for name in config.norms.names:
        yield f"{name}.weight", (config.hidden_size,)
    yield from _attention_tensors(config)
    experts = config.experts_of(layer)
    yield from _mlp_tensors(config) if experts is None else _expert_tensors(config, experts)


def _attention_tensors(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    hidden, head_dim = config.hidden_size, config.head_dim
    q_size, kv_size = config.num_heads * head_dim, config.num_kv_heads * head_dim
    if config.has_fused_projections:
        yield "self_attn.qkv_proj.weight", (q_size + 2 * kv_size, hidden)
    else:
        for name, size in (("q", q_size), ("k", kv_size), ("v", kv_size)):
            yield from _linear(f"self_attn.{name}_proj", (size, hidden), config.has_qkv_bias)
    yield from _linear("self_attn.o_proj", (hidden, q_size), config.has_attention_output_bias)
    if config.qk_norm is not None:
        is_whole = config.qk_norm == "all"
        yield "self_attn.q_norm.weight", (q_size if is_whole else head_dim,)
        yield "self_attn.k_norm.weight", (kv_size if is_whole else head_dim,)


def _mlp_tensors(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    hidden, inner = config.hidden_size, config.intermediate_size
    if config.has_fused_projections:
        yield "mlp.gate_up_proj.weight", (2 * inner, hidden)
    else:
        yield from _linear("mlp.gate_proj", (inner, hidden), config.has_mlp_bias)
        yield from _linear("mlp.up_proj", (inner, hidden), config.has_mlp_bias)
    yield from _linear("mlp.down_proj", (hidden, inner), config.has_mlp_bias)


def _expert_tensors(config: ModelConfig, experts: Experts) -> Iterator[tuple[str, Shape]]:
    hidden, inner, names = config.hidden_size, experts.intermediate_size, experts.names
    yield f"{names.prefix}.{names.router}.weight", (experts.num_experts, hidden)
    for expert in range(experts.num_experts):
        prefix = f"{names.prefix}.experts.{expert}."
        yield f"{prefix}{names.gate}.weight", (inner, hidden)
        yield f"{prefix}{names.up}.weight", (inner, hidden)
        yield f"{prefix}{names.down}.weight", (hidden, inner)


def _linear(name: str, shape: Shape, has_bias: bool) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    if has_bias:
        yield f"{name}.bias", shape[:1]
