"""StepResults: what a step leaves for the host, on the device and in pinned memory.

The device has one set, which each step overwrites in the stream's order; the host has several, one
a step in flight. Only what is asked for is brought down. Knows arrays, not answers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.cuda.arena import Arena
from forge_worker.cuda.device import Device
from forge_worker.cuda.logprobs import Scores, scores_bytes, scores_in
from forge_worker.ops.protocol import Array


class ResultLimits(NamedTuple):
    max_rows: int
    max_tokens: int


class ScoreMemory(NamedTuple):
    """Logprobs of some rows, and the bytes they lie in."""

    memory: Array  # uint8
    scores: Scores


class Results(NamedTuple):
    tokens: Array  # int32 [max_rows], sampled
    statuses: Array  # int32 [max_rows], RowStatus of each that samples
    chunk_statuses: Array  # int32 [max_rows], of the last state of each that does not
    sampled: ScoreMemory  # of tokens that were sampled
    scored: ScoreMemory  # of prompt tokens


class StepResults:
    def __init__(self, device: Device, arena: Arena, limits: ResultLimits) -> None:
        self._device = device
        self._limits = limits
        parts = [arena.take((num_bytes,), np.uint8) for num_bytes in result_bytes(limits)]
        self.on_device = _results(parts, limits)

    def allocate_host(self) -> Results:
        """A set in pinned memory."""
        sizes = result_bytes(self._limits)
        return _results([self._device.allocate_pinned(size) for size in sizes], self._limits)

    def download(self, host: Results, num_sampled: int, num_chunks: int) -> None:
        """Queue what every step leaves."""
        self._download(host.tokens, self.on_device.tokens, num_sampled)
        self._download(host.statuses, self.on_device.statuses, num_sampled)
        self._download(host.chunk_statuses, self.on_device.chunk_statuses, num_chunks)

    def download_scores(self, host: ScoreMemory, source: ScoreMemory) -> None:
        self._device.download(host.memory, source.memory)

    def _download(self, pinned: Array, source: Array, num_rows: int) -> None:
        if num_rows:
            self._device.download(pinned[:num_rows], source[:num_rows])


def result_bytes(limits: ResultLimits) -> list[int]:
    """Of each field of Results."""
    counted = np.dtype(np.int32).itemsize * limits.max_rows
    return [*[counted] * 3, scores_bytes(limits.max_rows), scores_bytes(limits.max_tokens)]


def _results(parts: list[Array], limits: ResultLimits) -> Results:
    tokens, statuses, chunk_statuses, sampled, scored = parts
    return Results(
        tokens=tokens.view(np.int32),
        statuses=statuses.view(np.int32),
        chunk_statuses=chunk_statuses.view(np.int32),
        sampled=ScoreMemory(sampled, scores_in(sampled, limits.max_rows)),
        scored=ScoreMemory(scored, scores_in(scored, limits.max_tokens)),
    )
