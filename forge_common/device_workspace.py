"""What a step needs of a GPU's memory beside weights and KV blocks.

Activations are to the byte: the worker cuts its arena by these numbers. Buffers whose contents
never live at the same time share one place: those of attention and of the feed-forward part. The
rest is near enough for a plan that is made before a GPU is opened; the worker plans again, exactly.
Knows sizes, not addresses.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_common.expert_workspace import NUMBER_BYTES, expert_room

ALIGNMENT = 256
FLOAT_BYTES = 4
ATTENTION_BYTES = 16 * 2**20  # partial results of contexts that are cut, by a middling GPU
RULE_BYTES = 50 * 2**10  # of a sequence: bias, bad words, early ends
BITS_PER_TOKEN = (
    17  # of a sequence, for each token of the vocabulary: a count, and if it is allowed
)
GEMM_WORKSPACE_BYTES = 32 * 2**20  # what NVIDIA advises for Hopper


class StepLimits(NamedTuple):
    max_tokens: int  # of one step
    max_sequences: int
    max_model_len: int
    max_sampled_rows: int


class Activations(NamedTuple):
    """Bytes of what flows between the operations of a step."""

    residual: int  # float32 [T, hidden]
    normed: int  # [T, hidden]
    hidden: int  # [T + S, hidden]: final states; of every token where prompts are scored
    layer: int  # joined q|k|v and attention's output, then gate|up and its product
    partial: int  # float32 [T, hidden]: what is normed or scaled before it meets the residual
    experts: int  # what is chosen, and what comes of each choice
    logits: int  # float32 [sampled rows, vocab], raw
    processed: int  # float32 [sampled rows, vocab], after the rules of those that have some


def activations(config: ModelConfig, limits: StepLimits, element_bytes: int) -> Activations:
    num_tokens, num_rows = limits.max_tokens, limits.max_sequences
    logits = aligned(FLOAT_BYTES * limits.max_sampled_rows * config.vocab_size)
    return Activations(
        residual=aligned(FLOAT_BYTES * num_tokens * config.hidden_size),
        normed=aligned(element_bytes * num_tokens * config.hidden_size),
        hidden=aligned(element_bytes * (num_tokens + num_rows) * config.hidden_size),
        layer=aligned(element_bytes * layer_elements(config, num_tokens)),
        partial=aligned(FLOAT_BYTES * num_partial_rows(config, num_tokens) * config.hidden_size),
        experts=expert_bytes(config, num_tokens),
        logits=logits,
        processed=logits,
    )


def layer_elements(config: ModelConfig, num_tokens: int) -> int:
    attended = num_tokens * config.num_heads * config.head_dim
    return max(attended_start(config, num_tokens) + attended, gated_elements(config, num_tokens))


def attended_start(config: ModelConfig, num_tokens: int) -> int:
    """Where in the layer buffer attention's output lies: behind what still lives beside it."""
    projected = num_tokens * (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    if not config.norms.is_shared:
        return projected
    return aligned(max(projected, gated_elements(config, num_tokens)))


def gated_elements(config: ModelConfig, num_tokens: int) -> int:
    dense = 3 * num_dense_rows(config, num_tokens) * config.intermediate_size
    room = expert_room(config, num_tokens)
    chosen = 0 if room is None else room.num_choices * room.experts.intermediate_size
    return max(dense, chosen)


def num_dense_rows(config: ModelConfig, num_tokens: int) -> int:
    """Of gate|up. None where every layer has experts."""
    is_dense = any(config.experts_of(layer) is None for layer in range(config.num_layers))
    return num_tokens if is_dense else 0


def num_partial_rows(config: ModelConfig, num_tokens: int) -> int:
    """None where every product can be added to the residual as it is."""
    norms = config.norms
    is_joined = norms.after_attention or norms.after_mlp or config.residual_scale != 1.0
    return num_tokens if is_joined or expert_room(config, num_tokens) else 0


def expert_bytes(config: ModelConfig, num_tokens: int) -> int:
    room = expert_room(config, num_tokens)
    shapes = () if room is None else room.shapes.values()
    return sum(aligned(NUMBER_BYTES * math.prod(shape)) for shape in shapes)


def rotation_table_bytes(config: ModelConfig, limits: StepLimits) -> int:
    """Cosine and sine of every position and dimension pair, float32, for each rope."""
    table_bytes = aligned(FLOAT_BYTES * limits.max_model_len * config.head_dim)
    return len(config.distinct_ropes) * table_bytes


def table_bytes(config: ModelConfig, limits: StepLimits) -> int:
    """Nearly what is known of each sequence: its tokens, how it samples, what it said so far."""
    vocabulary = config.vocab_size * BITS_PER_TOKEN // 8
    return limits.max_sequences * (4 * limits.max_model_len + RULE_BYTES + vocabulary)


def workspace_bytes(config: ModelConfig, limits: StepLimits, element_bytes: int) -> int:
    parts = activations(config, limits, element_bytes)
    known = rotation_table_bytes(config, limits) + GEMM_WORKSPACE_BYTES
    return sum(parts) + known + table_bytes(config, limits) + ATTENTION_BYTES


def aligned(num_bytes: int) -> int:
    """As much as an array of `num_bytes` takes where each begins at a multiple of ALIGNMENT."""
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
