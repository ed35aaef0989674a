"""How fast a Llama could at best be on a card: bytes and operations counted, over its ceilings.

Every weight that a step needs is read once, and so are every cached key and value; activations are
not counted. The embedding table is not read by a step, but for a few rows, unless it is the output
projection too. Products take the longer of reading their weights and of multiplying; attention of
single tokens is all reading, that of a prompt all multiplying. Knows no device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_common.checkpoint import ModelConfig

ELEMENT_BYTES = 2  # bfloat16
OPERATIONS = 2  # a multiplication and an addition


class Ceilings(NamedTuple):
    """Of one card, measured in the same run."""

    bytes_per_s: float  # of a large copy: read and written
    flops_per_s: float  # of a large bfloat16 product of random numbers


class Counts(NamedTuple):
    """What a model has, in numbers."""

    layer_weights: int  # of all layers together; norms are too small to count
    head_weights: int
    kv_bytes_per_token: int
    attention_flops_per_pair: int  # of a query and a key, over all layers


def counts_of(config: ModelConfig) -> Counts:
    hidden, inner = config.hidden_size, config.intermediate_size
    q_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    layer = hidden * (q_width + 2 * kv_width) + q_width * hidden + 3 * hidden * inner
    return Counts(
        layer_weights=config.num_layers * layer,
        head_weights=config.vocab_size * hidden,
        kv_bytes_per_token=config.num_layers * 2 * kv_width * ELEMENT_BYTES,
        attention_flops_per_pair=config.num_layers * 2 * OPERATIONS * q_width,
    )


def decode_s(counts: Counts, ceilings: Ceilings, num_sequences: int, num_keys: float) -> float:
    """One token for each sequence; `num_keys` that they attend to together."""
    num_weights = counts.layer_weights + counts.head_weights
    reading_s = num_weights * ELEMENT_BYTES / ceilings.bytes_per_s
    multiplying_s = OPERATIONS * num_weights * num_sequences / ceilings.flops_per_s
    attention_s = num_keys * counts.kv_bytes_per_token / ceilings.bytes_per_s
    return max(reading_s, multiplying_s) + attention_s


def prefill_s(counts: Counts, ceilings: Ceilings, num_tokens: int) -> float:
    """A prompt of nobody's beginning. Its one row of logits is not counted."""
    num_pairs = num_tokens * num_tokens / 2
    num_flops = OPERATIONS * counts.layer_weights * num_tokens
    return (num_flops + counts.attention_flops_per_pair * num_pairs) / ceilings.flops_per_s


class Lengths(NamedTuple):
    """Of one request, in tokens."""

    prompt: int
    output: int


def serving_s(counts: Counts, ceilings: Ceilings, requests: Sequence[Lengths]) -> float:
    """All requests at once: their prompts one behind the other, then one token each a step."""
    total_s = sum(prefill_s(counts, ceilings, request.prompt) for request in requests)
    for step in range(1, max(request.output for request in requests)):
        live = [request for request in requests if request.output > step]
        num_keys = sum(request.prompt for request in live) + step * len(live)
        total_s += decode_s(counts, ceilings, len(live), num_keys)
    return total_s
