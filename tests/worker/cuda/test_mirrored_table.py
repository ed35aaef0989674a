"""Rows that the host sets or extends stand on the device after a flush; appended ones it knows."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.mirrored_table import MirroredTable
from tests.worker.cuda.arrays import to_host
from tests.worker.cuda.both_samplers import OnDevice, limits_of


def test_rows_reach_the_device_as_they_are_set_and_extended(device) -> None:
    held = OnDevice(device, limits_of(num_rows=3, vocab_size=10, max_model_len=30))
    table = MirroredTable(held.tables.places.block_tables, held.ring)
    table.set(1, [4, 5])
    table.extend(1, [6])
    table.extend(2, np.array([9], np.int32))
    held.flush()
    found = to_host(device, held.tables.block_tables)
    assert found.tolist() == [[0] * 8, [4, 5, 6, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0, 0]]
    assert table.row(1).tolist() == [4, 5, 6]


def test_what_is_appended_is_the_device_s_own(device) -> None:
    held = OnDevice(device, limits_of(num_rows=3, vocab_size=10, max_model_len=30))
    table = MirroredTable(held.tables.places.token_ids, held.ring)
    table.set(0, [3])
    table.append(np.array([0], np.int32), np.array([8], np.int32))
    held.flush()
    assert to_host(device, held.tables.token_ids)[0, :3].tolist() == [3, 0, 0]
    assert table.row(0).tolist() == [3, 8]


def test_emptied_row_is_not_uploaded(device, monkeypatch) -> None:
    held = OnDevice(device, limits_of(num_rows=3, vocab_size=10))
    monkeypatch.setattr(held.ring, "write", None)
    MirroredTable(held.tables.places.token_ids, held.ring).set(1, [])
