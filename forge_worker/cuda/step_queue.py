"""StepQueue: puts everything that one step needs on the device's stream, in order.

    changes of tables ─▶ header ─▶ expand ─▶ model ─▶ logits ─▶ sample ─▶ append ─▶ downloads

A step that only decodes goes as one graph where there is one, and so does one that also verifies
drafts. Any other runs kernel by kernel: its launches are hidden behind its own work. Knows no
sockets and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from forge_common.errors import WorkerError
from forge_worker.cuda.attention_plan import AttentionPlanner, AttentionWork
from forge_worker.cuda.device import Device, Event
from forge_worker.cuda.device_step import StepShape
from forge_worker.cuda.device_tables import DeviceTables
from forge_worker.cuda.finite import FiniteCheck
from forge_worker.cuda.graphs import StepGraphs, buckets, draft_buckets
from forge_worker.cuda.logprobs import CudaLogprobs
from forge_worker.cuda.pending_step import PendingStep
from forge_worker.cuda.sampler import CudaSampler, Drawing
from forge_worker.cuda.sampling_table import CudaSamplingTable
from forge_worker.cuda.step_kernels import StepKernels
from forge_worker.cuda.step_layout import header_of, padded_work, shape_of
from forge_worker.cuda.step_memory import StepMemory
from forge_worker.cuda.step_results import Results, StepResults
from forge_worker.cuda.upload import UploadRing
from forge_worker.kv_cache import KVCache
from forge_worker.models.registry import Model
from forge_worker.ops.protocol import Array
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.scheduled_rows import ScheduledRows


class LogitBuffers(NamedTuple):
    """float32 [max_rows, vocab_size]."""

    raw: Array
    processed: Array


class TableFeed(NamedTuple):
    """What the host changed of the tables, and the kernels that take it in."""

    tables: DeviceTables
    ring: UploadRing
    sampling: CudaSamplingTable
    kernels: StepKernels

    def write_drafts(self, scheduled: ScheduledRows) -> None:
        """Behind the known tokens of their sequences, so that they are run like those."""
        places, rows = scheduled.num_known_tokens, scheduled.rows
        for owner in np.flatnonzero(scheduled.num_draft_tokens).tolist():
            word = self.tables.places.token_ids.word(int(rows[owner]), int(places[owner]))
            self.ring.write(word, scheduled.drafts_of(owner))

    def flush(self) -> None:
        self.ring.flush()
        self.sampling.flush_counts()


class Drawer(NamedTuple):
    """From logits to tokens and logprobs."""

    buffers: LogitBuffers
    sampler: CudaSampler
    finite_check: FiniteCheck
    scorer: CudaLogprobs


class StepQueue:
    def __init__(
        self,
        device: Device,
        model: Model,
        kv_cache: KVCache,
        memory: StepMemory,
        feed: TableFeed,
        drawer: Drawer,
        results: StepResults,
        planner: AttentionPlanner,
    ) -> None:
        self.results = results
        self._planner = planner
        self._device = device
        self._model = model
        self._kv_cache = kv_cache
        self._memory = memory
        self._feed = feed
        self._drawer = drawer
        limits = feed.tables.limits
        self._max_sequences = limits.max_batch_size
        self._decodes = StepGraphs(device, buckets(limits.max_batch_size), self._decode)
        self._verifies = StepGraphs(device, draft_buckets(limits.max_sampled_rows), self._verify)

    def run(self, pending: PendingStep, host: Results) -> Event:
        """Queue a step whose results will stand in `host` once the event has passed.

        WorkerError for more tokens than a step may have.
        """
        if pending.num_tokens > self._memory.max_tokens:
            raise WorkerError(
                f"a step of {pending.num_tokens} tokens is over the {self._memory.max_tokens}"
                " that --max-prefill-tokens allows"
            )
        self._feed.write_drafts(pending.scheduled)
        self._feed.flush()
        if pending.num_tokens:
            self._run(pending, self._attention_work(pending))
            self._download(pending, host)
        return self._device.record()

    def upload_masks(self, words: Mapping[int, MaskWords]) -> None:
        """What grammars allow, by row of the tables, from the next step on."""
        for row, mask in words.items():
            self._feed.ring.write(self._feed.tables.places.masks.word(row), mask)

    def record_graph(self) -> None:
        if not self._decodes.record_one():
            self._verifies.record_one()

    def _run(self, pending: PendingStep, work: AttentionWork) -> None:
        if pending.only_decodes:
            self._memory.header.upload(header_of(pending, work))
            self._decodes.run(self._decodes.bucket_of(pending.num_sampled))
        elif pending.only_samples:
            width = self._verifies.bucket_of(pending.num_sampled)
            padded = padded_work(work, self._verify_shape(width), len(pending.sequence_ids))
            self._memory.header.upload(header_of(pending, padded))
            self._verifies.run(width)
        else:
            self._memory.header.upload(header_of(pending, work))
            self._run_mixed(pending, shape_of(pending, work))

    def _decode(self, width: int) -> None:
        """Every kernel of a step of `width` sequences, of which fewer may be live."""
        singles, tiles = (width, 0) if self._planner.has_singles else (0, width)
        self._run_sampling(StepShape(width, width, width, singles, tiles))

    def _verify(self, width: int) -> None:
        """Every kernel of a step of `width` tokens, each of them sampled behind."""
        self._run_sampling(self._verify_shape(width))

    def _verify_shape(self, width: int) -> StepShape:
        """Who has no drafts may be a single; each that has some has a tile for a few tokens."""
        sequences = min(width, self._max_sequences)
        singles = sequences if self._planner.has_singles else 0
        return StepShape(width, sequences, width, singles, width)

    def _run_sampling(self, shape: StepShape) -> None:
        step = self._memory.step(shape, self._feed.tables.block_tables)
        self._feed.kernels.expand(step)
        self._draw(self._model.hidden(step, self._kv_cache), shape.num_logits)

    def _attention_work(self, pending: PendingStep) -> AttentionWork:
        scheduled = pending.scheduled
        return self._planner.plan(scheduled.num_scheduled_tokens, scheduled.context_lens)

    def _run_mixed(self, pending: PendingStep, shape: StepShape) -> None:
        step = self._memory.step(shape, self._feed.tables.block_tables)
        self._feed.kernels.expand(step)
        hidden = self._model.hidden(step, self._kv_cache)
        num_sampled, num_chunks = pending.num_sampled, len(pending.unfinished)
        num_last = num_sampled + num_chunks
        if num_chunks:
            statuses = self.results.on_device.chunk_statuses[:num_chunks]
            self._drawer.finite_check(hidden[num_sampled:num_last], statuses)
        self._score_prompts(hidden[num_last:])
        if num_sampled:
            self._draw(hidden, num_sampled)

    def _draw(self, hidden: Array, num_rows: int) -> None:
        """Tokens for the first `num_rows` states, or for as many as are live."""
        logits = self._model.logits(hidden[:num_rows])
        on_device = self.results.on_device
        drawing = Drawing(
            counts=self._memory.arrays.counts,
            rows=self._memory.sampled_rows(num_rows),
            logits=logits,
            processed=self._drawer.buffers.processed[:num_rows],
            tokens=on_device.tokens[:num_rows],
            statuses=on_device.statuses[:num_rows],
        )
        self._drawer.sampler.sample(drawing)
        self._feed.kernels.append(drawing.counts, drawing.rows, drawing.tokens, drawing.statuses)

    def _score_prompts(self, hidden: Array) -> None:
        """Logprobs of prompt tokens, as many at a time as logits have room for."""
        size, arrays = len(self._drawer.buffers.raw), self._memory.arrays
        for start in range(0, len(hidden), size):
            part = slice(start, min(start + size, len(hidden)))
            chosen, num_entries = arrays.scored_tokens[part], arrays.scored_entries[part]
            into = self.results.on_device.scored.scores.of(part)
            self._drawer.scorer.score(self._model.logits(hidden[part]), chosen, num_entries, into)

    def _download(self, pending: PendingStep, host: Results) -> None:
        on_device, num_sampled = self.results.on_device, pending.num_sampled
        if pending.num_sampled_entries.any():
            part = slice(0, num_sampled)
            num_entries = self._memory.arrays.sample_entries[part]
            raw, into = self._drawer.buffers.raw[part], on_device.sampled.scores.of(part)
            self._drawer.scorer.score(raw, on_device.tokens[part], num_entries, into)
            self.results.download_scores(host.sampled, on_device.sampled)
        if len(pending.scored.owners):
            self.results.download_scores(host.scored, on_device.scored)
        self.results.download(host, num_sampled, len(pending.unfinished))
