"""What a step needs of a GPU's memory beside weights and KV blocks, part by part, to the byte.

The worker carves its arena by these numbers and the plan adds them up, so that they agree. Buffers
whose contents never live at the same time share one place: those of attention and of the
feed-forward part. Knows sizes, not addresses.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.checkpoint import ModelConfig

ALIGNMENT = 256
FLOAT_BYTES = 4
GEMM_WORKSPACE_BYTES = 32 * 2**20  # what NVIDIA advises for Hopper


class StepLimits(NamedTuple):
    max_tokens: int  # of one step
    max_sequences: int
    max_model_len: int


class Activations(NamedTuple):
    """Bytes of what flows between the operations of a step."""

    residual: int  # float32 [T, hidden]
    normed: int  # [T, hidden]
    hidden: int  # [T + S, hidden]: final states; of every token where prompts are scored
    layer: int  # joined q|k|v and attention's output, then gate|up and its product
    logits: int  # float32 [S, vocab], raw
    processed: int  # float32 [S, vocab], after the rules of those that have some


def activations(config: ModelConfig, limits: StepLimits, element_bytes: int) -> Activations:
    num_tokens, num_rows = limits.max_tokens, limits.max_sequences
    heads = 2 * config.num_heads + 2 * config.num_kv_heads  # q|k|v, and what attention makes of q
    widest = max(heads * config.head_dim, 3 * config.intermediate_size)
    logits = aligned(FLOAT_BYTES * num_rows * config.vocab_size)
    return Activations(
        residual=aligned(FLOAT_BYTES * num_tokens * config.hidden_size),
        normed=aligned(element_bytes * num_tokens * config.hidden_size),
        hidden=aligned(element_bytes * (num_tokens + num_rows) * config.hidden_size),
        layer=aligned(element_bytes * num_tokens * widest),
        logits=logits,
        processed=logits,
    )


def rotation_table_bytes(config: ModelConfig, limits: StepLimits) -> int:
    """Cosine and sine of every position and dimension pair, float32."""
    return aligned(FLOAT_BYTES * limits.max_model_len * config.head_dim)


def workspace_bytes(config: ModelConfig, limits: StepLimits, element_bytes: int) -> int:
    parts = activations(config, limits, element_bytes)
    return sum(parts) + rotation_table_bytes(config, limits) + GEMM_WORKSPACE_BYTES


def aligned(num_bytes: int) -> int:
    """As much as an array of `num_bytes` takes where each begins at a multiple of ALIGNMENT."""
    return -(-num_bytes // ALIGNMENT) * ALIGNMENT
