"""What is asked for stays; what is not goes; the bytes are counted."""

from __future__ import annotations

import pytest

from forge_common.grammar.engine.memory import ENTRY_BYTES, Memory, Steps, Table
from forge_common.grammar.errors import GrammarTooLarge

VALUE_BYTES = 800


def memory_for(num_entries: int) -> tuple[Memory, Table[int, str]]:
    memory = Memory(num_entries * (VALUE_BYTES + ENTRY_BYTES))
    table: Table[int, str] = memory.table(lambda _: VALUE_BYTES)
    return memory, table


def test_what_is_not_asked_for_is_forgotten() -> None:
    memory, table = memory_for(10)
    for key in range(100):
        table.keep(key, str(key))
        assert memory.num_bytes <= memory.max_bytes + VALUE_BYTES + ENTRY_BYTES
    assert table.find(0) is None
    assert table.find(99) == "99"
    assert memory.num_agings > 10


def test_what_is_asked_for_stays() -> None:
    _, table = memory_for(10)
    table.keep(-1, "asked for")
    for key in range(100):
        table.keep(key, str(key))
        assert table.find(-1) == "asked for"


def test_tables_share_one_budget() -> None:
    memory, first = memory_for(10)
    second: Table[int, str] = memory.table(lambda _: VALUE_BYTES)
    first.keep(0, "a")
    for key in range(20):
        second.keep(key, str(key))
    assert first.find(0) is None


def test_charges_of_what_grows_age_the_tables() -> None:
    memory, table = memory_for(10)
    table.keep(0, "a")
    memory.charge(memory.max_bytes)
    memory.charge(memory.max_bytes)
    assert table.find(0) is None


def test_steps_begin_anew_with_each_question() -> None:
    steps = Steps(max_steps=10)
    for _ in range(3):
        steps.begin()
        steps.spend(10)
    with pytest.raises(GrammarTooLarge):
        steps.spend()
