"""Sections of a step's header arrive at addresses that do not move."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.step_header import HeaderArrays, HeaderLimits, StepHeader, header_bytes
from tests.cuda_emulator import EmulatedDevice
from tests.cuda_emulator.delayed import DelayedDevice

LIMITS = HeaderLimits(max_sequences=4, max_tokens=16, max_tiles=5, max_sampled=6)


def sections(**changed: list[int]) -> HeaderArrays:
    empty = {name: [] for name in HeaderArrays._fields}
    return HeaderArrays(*(np.array(values, np.int32) for values in {**empty, **changed}.values()))


def header_on(device: EmulatedDevice) -> StepHeader:
    return StepHeader(device, device.allocate(header_bytes(LIMITS)), LIMITS)


def test_each_section_is_where_it_was_and_is_aligned() -> None:
    header = header_on(EmulatedDevice())
    before = [array.ctypes.data for array in header.arrays]
    header.upload(sections(counts=[7, 2, 2, 0], context_lens=[5, 6], tiles=[0, 0, 1, 8]))
    assert header.arrays.counts.tolist() == [7, 2, 2, 0]
    assert header.arrays.context_lens[:2].tolist() == [5, 6]
    assert header.arrays.tiles[:4].tolist() == [0, 0, 1, 8]
    assert [array.ctypes.data for array in header.arrays] == before
    assert all(address % 256 == 0 for address in before)


def test_padding_that_no_step_has_sent_yet_is_of_row_0() -> None:
    """A graph is wider than its live rows: an index of -1 there would be a fault of the device."""
    header = header_on(EmulatedDevice())
    header.upload(sections(counts=[3, 3, 3, 0], logit_rows=[0, 1, 2], tiles=[0, 0, 1, 0, 2, 0]))
    assert not header.arrays.logit_rows[3:].any()
    assert not header.arrays.tiles[6:].any()


def test_step_without_chunks_sends_the_front_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    device = EmulatedDevice()
    header = header_on(device)
    sent: list[int] = []
    monkeypatch.setattr(device, "upload", lambda target, pinned: sent.append(target.nbytes))
    header.upload(sections(counts=[1, 1, 1, 0], logit_rows=[0]))
    header.upload(sections(counts=[1, 1, 1, 0], logit_rows=[0], tiles=[0, 0]))
    assert sent[0] < sent[1] <= header_bytes(LIMITS)


def test_header_of_a_step_in_flight_is_not_overwritten() -> None:
    device = DelayedDevice()
    header = header_on(device)
    seen: list[int] = []
    for step in range(9):
        header.upload(sections(counts=[step, 0, 0, 0]))
        device.queue(lambda: seen.append(int(header.arrays.counts[0])))
    device.synchronize()
    assert seen == list(range(9))


def test_section_beyond_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="could not broadcast"):
        header_on(EmulatedDevice()).upload(sections(singles=[0, 1, 2, 3, 4]))
