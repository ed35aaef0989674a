"""The device's sampler and the CPU worker's, told the same and asked the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.sampling import SamplingParams
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import SampledRows
from forge_worker.cuda.device_tables import DeviceTables, table_bytes
from forge_worker.cuda.sampler import ERRORS, CudaSampler, Drawing, RowStatus, sampler_bytes
from forge_worker.cuda.sampling_table import CudaSamplingTable
from forge_worker.cuda.step_kernels import StepKernels
from forge_worker.cuda.upload import UploadRing
from forge_worker.forward_inputs import IntArray
from forge_worker.sampler.sampler import Sampler, Wanted
from forge_worker.sampler.table import History, SamplingTable
from forge_worker.sequence_mirror import Limits
from tests.worker.cuda.arrays import empty_on, on_device, to_host


def limits_of(num_rows: int, vocab_size: int, max_model_len: int = 96) -> Limits:
    return Limits(num_rows, max_model_len, block_size=4, num_blocks=64, vocab_size=vocab_size)


class OnDevice:
    """The tables of a device, and all that reads and writes them."""

    def __init__(self, device: Device, limits: Limits) -> None:
        self.device = device
        self.limits = limits
        memory = device.allocate(table_bytes(limits))
        self.tables = DeviceTables(device, memory, limits)
        self.kernels = StepKernels(device, self.tables)
        self.ring = UploadRing(device, self.tables, self.kernels)
        self.sampling = CudaSamplingTable(self.tables, self.ring, self.kernels)
        num_bytes = sampler_bytes(limits.max_sampled_rows, limits.vocab_size)
        workspace = device.allocate(num_bytes)
        self.sampler = CudaSampler(device, self.tables, workspace, limits.max_sampled_rows)

    def set(self, row: int, params: SamplingParams, choice_index: int, history: History) -> None:
        token_ids = history.prompt_token_ids + history.output_token_ids
        self.ring.write(self.tables.places.token_ids.word(row), np.array(token_ids, np.int32))
        self.sampling.set(row, params, choice_index, history)

    def flush(self) -> None:
        self.ring.flush()
        self.sampling.flush_counts()

    def drawing(self, logits: np.ndarray, wanted: Wanted, num_live: int | None = None) -> Drawing:
        num_rows = len(wanted.rows)
        live = num_rows if num_live is None else num_live
        return Drawing(
            counts=on_device(self.device, np.array([0, 0, live, 0], np.int32)),
            rows=rows_on(self.device, wanted.rows, wanted.positions),
            logits=on_device(self.device, logits),
            processed=empty_on(self.device, logits.shape, np.float32),
            tokens=empty_on(self.device, (num_rows,), np.int32),
            statuses=empty_on(self.device, (num_rows,), np.int32),
        )


def rows_on(
    device: Device,
    rows: IntArray,
    context_lens: IntArray,
    assumed: IntArray | None = None,
    mask_rows: IntArray | None = None,
) -> SampledRows:
    """By default with no drafts before them, and each with the mask of its own row."""
    assumed = np.zeros_like(rows) if assumed is None else assumed
    mask_rows = rows if mask_rows is None else mask_rows
    values = (rows, context_lens, assumed, mask_rows)
    return SampledRows(*(on_device(device, value.astype(np.int32)) for value in values))


class Asked(NamedTuple):
    """What one row asks for."""

    params: SamplingParams
    prompt: list[int]
    output: list[int]
    choice_index: int = 0

    @property
    def history(self) -> History:
        return History(self.prompt, self.output)

    @property
    def num_tokens(self) -> int:
        return len(self.prompt) + len(self.output)


class Drawn(NamedTuple):
    token_ids: list[int]
    errors: dict[int, str]


def draw_on_cpu(logits: np.ndarray, asked: list[Asked]) -> Drawn:
    table = SamplingTable(len(asked), logits.shape[1])
    for row, one in enumerate(asked):
        table.set(row, one.params, one.choice_index, one.history)
    with np.errstate(all="ignore"):
        drawn = Sampler(table).sample(logits, wanted_of(asked))
    return Drawn(drawn.token_ids.tolist(), drawn.errors)


def draw_on_device(device: Device, logits: np.ndarray, asked: list[Asked]) -> Drawn:
    held = OnDevice(device, limits_of(len(asked), logits.shape[1]))
    for row, one in enumerate(asked):
        held.set(row, one.params, one.choice_index, one.history)
    held.flush()
    drawing = held.drawing(logits, wanted_of(asked))
    held.sampler.sample(drawing)
    return drawn_of(device, drawing)


def drawn_of(device: Device, drawing: Drawing) -> Drawn:
    statuses = [RowStatus(status) for status in to_host(device, drawing.statuses).tolist()]
    errors = {i: ERRORS[status] for i, status in enumerate(statuses) if status in ERRORS}
    return Drawn(to_host(device, drawing.tokens).tolist(), errors)


def wanted_of(asked: list[Asked]) -> Wanted:
    rows = np.arange(len(asked), dtype=np.int32)
    return Wanted(rows, np.array([one.num_tokens for one in asked], np.int32))
