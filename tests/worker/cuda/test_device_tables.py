"""Where the tables of sequences stand in the memory they are given."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from forge_common.errors import ConfigError
from forge_worker.cuda.device_tables import (
    MAX_BAD_WORD_TOKENS,
    RULE_WORDS,
    DeviceTables,
    ParamWord,
    RuleWord,
    table_bytes,
    table_places,
)
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.both_samplers import limits_of

LIMITS = limits_of(num_rows=3, vocab_size=101, max_model_len=10)


def tables_on(device) -> DeviceTables:
    return DeviceTables(device, device.allocate(table_bytes(LIMITS)), LIMITS)


def test_shapes_follow_from_the_limits(device) -> None:
    tables = tables_on(device)
    assert tables.token_ids.shape == (3, 11)
    assert tables.block_tables.shape == (3, 3)
    assert tables.masks.shape == (3, 4)
    assert tables.seen.shape == (3, 104)
    assert tables.seen.dtype == np.uint16


def test_tables_begin_zeroed(device) -> None:
    tables = tables_on(device)
    assert not to_host(device, tables.words).any()


def test_no_table_stands_in_another() -> None:
    places = table_places(LIMITS)
    for before, after in pairwise(places):
        assert before.end_word <= after.first_word
        assert after.first_word % 64 == 0


def test_a_place_among_the_words_is_that_of_the_table(device) -> None:
    tables = tables_on(device)
    words = np.arange(len(tables.words), dtype=np.int32)
    tables = DeviceTables(device, on_device(device, words).view(np.uint8), LIMITS)
    pinned = device.allocate_pinned(4)
    pinned.view(np.int32)[:] = 77
    word = tables.places.block_tables.word(2, 1)
    device.upload(tables.words[word : word + 1], pinned)
    assert to_host(device, tables.block_tables)[2].tolist() == [0, 77, 0]


def test_names_of_words_do_not_overlap() -> None:
    assert {ParamWord.TOP_P + 1, ParamWord.SEED + 1}.isdisjoint(map(int, ParamWord))
    ends = [*[int(word) for word in RuleWord][1:], RULE_WORDS]
    assert all(start < end for start, end in zip(RuleWord, ends, strict=True))
    assert RULE_WORDS - RuleWord.BAD_WORD_TOKENS == MAX_BAD_WORD_TOKENS


def test_memory_of_another_size_is_refused(device) -> None:
    memory = device.allocate(table_bytes(LIMITS) + 4)
    with pytest.raises(ValueError, match="memory is uint8"):
        DeviceTables(device, memory, LIMITS)


def test_tables_too_large_for_the_kernels_are_refused() -> None:
    large = limits_of(num_rows=2**14, vocab_size=2**18, max_model_len=2**17)
    with pytest.raises(ConfigError, match="16384 sequences of up to 131072 tokens"):
        table_bytes(large)
