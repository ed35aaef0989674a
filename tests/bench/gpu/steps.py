"""Rounds of steps of one kind, run by an engine: their times, and how long the device was idle.

Contexts are of real tokens, computed by the engine before, each sequence in blocks of its own.
Knows no goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from tests.bench.gpu.engine import Engine, StepRecord
from tests.bench.gpu.nano_vllm import Request

SETTLING_STEPS = 4  # at whose beginning the batch was another one


class DecodeTimes(NamedTuple):
    """Of steps in which the same sequences decode: from one's end to the next one's."""

    step_s: float
    idle_share: float
    mean_keys: float  # of all sequences together


class ServingTimes(NamedTuple):
    seconds: float  # from the first request to the last token, by the host's clock
    num_output_tokens: int
    num_steps: int
    idle_share: float


def decode_times(
    engine: Engine, num_sequences: int, context: int, num_steps: int, seed: int = 0
) -> DecodeTimes:
    """`num_steps` and some more, in the middle of which contexts are `context` long."""
    num_prefills = -(-num_sequences * context // engine.settings.max_prefill_tokens)
    prompt_len = max(1, context - SETTLING_STEPS - (num_prefills + num_steps) // 2)
    for prompt in prompts(engine, num_sequences, prompt_len, seed):
        engine.submit(prompt, num_prefills + SETTLING_STEPS + num_steps)
    records = [
        record
        for record in engine.run()
        if record.only_decodes and record.num_sequences == num_sequences
    ][SETTLING_STEPS:]
    if len(records) < 2:
        raise RuntimeError(f"{num_sequences} sequences of {context} tokens never ran together")
    return DecodeTimes(
        median(later.ended.seconds_since(earlier.ended) for earlier, later in pairwise(records)),
        idle_share(records),
        fmean(record.num_keys for record in records[1:]),
    )


def prefill_s(engine: Engine, num_tokens: int, seed: int = 0) -> float:
    """Of one step that computes a whole prompt, and draws its first token."""
    (prompt,) = prompts(engine, 1, num_tokens, seed)
    engine.submit(prompt, 1)
    (record,) = engine.run()
    return record.seconds


def serving_times(engine: Engine, requests: Sequence[Request]) -> ServingTimes:
    """All requests at once."""
    num_before, started_s = engine.num_output_tokens, perf_counter()
    for prompt_token_ids, num_output_tokens in requests:
        engine.submit(prompt_token_ids, num_output_tokens)
    records = engine.run()
    seconds = perf_counter() - started_s
    num_output_tokens = engine.num_output_tokens - num_before
    return ServingTimes(seconds, num_output_tokens, len(records), idle_share(records))


def idle_share(records: Sequence[StepRecord]) -> float:
    """Of the time from the first step's end to the last one's, that between steps."""
    gaps_s = sum(later.begun.seconds_since(earlier.ended) for earlier, later in pairwise(records))
    whole_s = records[-1].ended.seconds_since(records[0].ended)
    return gaps_s / whole_s if whole_s > 0 else 0.0


def prompts(engine: Engine, count: int, length: int, seed: int) -> list[list[int]]:
    random = np.random.default_rng(seed)
    tokens: list[list[int]] = random.integers(0, engine.limits.vocab_size, (count, length)).tolist()
    return tokens
