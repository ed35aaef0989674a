"""DeviceTables: all that a step needs to know of a sequence, one row each, in device memory.

    token_ids     int32 [rows, max_model_len + 1]    prompt and outputs
    block_tables  int32 [rows, max_blocks]
    params        int32 [rows, PARAM_WORDS]          see ParamWord
    rules         int32 [rows, RULE_WORDS]           see RuleWord: bias, early ends, bad words
    masks         int32 [rows + drafts, ceil(vocab / 32)]  bit t % 32 of word t // 32: token t is
                                                     allowed; behind those of sequences stand those
                                                     of a step's drafts
    seen          uint16 [rows, vocab, rounded up]   see kernels/step.cu
    staging       int32 [STAGING_WORDS]              what is being uploaded

Rows are those of the SequenceMirror. All lie in one piece of memory the caller gives, so that a
change is a place among its words. Knows nothing of how rows are filled.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from forge_common.errors import ConfigError
from forge_worker.cuda.device import Device
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array
from forge_worker.sequence_mirror import Limits

WORD_BYTES = 4
STAGING_WORDS = 2**18  # 1 MiB a flush: eight prompts of 32k tokens
PARAM_WORDS = 32  # some to spare
MAX_WORDS = 2**31 - 1  # kernels count words of the tables in an int

MAX_BIASES = 1024  # forge_common.sampling bounds these four
MAX_EARLY_ENDS = 2048  # stop tokens and end-of-sequence tokens
MAX_BAD_WORDS = 128
MAX_BAD_WORD_TOKENS = 128 * 64

_ROW_WORDS = 4  # rows of 16 bytes, or a multiple
_TABLE_WORDS = 64  # tables begin at addresses divisible by 256
_SEEN_PER_WORD = 2
_BITS_PER_WORD = 32


class ParamWord(IntEnum):
    """Words of a row of `params`. Floats are float32 bits; two words are 64 bits, low one first."""

    TOP_P = 0  # float64, of two words
    SEED = 2  # of two words
    CHOICE_INDEX = 4
    TEMPERATURE = 5  # 0 is greedy
    TOP_K = 6
    LOG_MIN_P = 7
    HAS_RULES = 8  # whether any of what follows is asked for
    HAS_PENALTIES = 9
    HAS_MASK = 10
    NUM_PROMPT_TOKENS = 11
    REPETITION_PENALTY = 12
    FREQUENCY_PENALTY = 13
    PRESENCE_PENALTY = 14
    MIN_TOKENS = 15
    NUM_BIASES = 16
    NUM_EARLY_ENDS = 17
    NUM_BAD_WORDS = 18


class RuleWord(IntEnum):
    """Where the lists in a row of `rules` begin."""

    BIAS_TOKENS = 0
    BIASES = BIAS_TOKENS + MAX_BIASES  # float32 bits
    EARLY_ENDS = BIASES + MAX_BIASES
    # Word i of the bad words is BAD_WORD_TOKENS[start of i : start of i + 1], its last token last.
    BAD_WORD_STARTS = EARLY_ENDS + MAX_EARLY_ENDS
    BAD_WORD_TOKENS = BAD_WORD_STARTS + MAX_BAD_WORDS + _ROW_WORDS


RULE_WORDS = RuleWord.BAD_WORD_TOKENS + MAX_BAD_WORD_TOKENS

KERNEL_CONSTANTS: tuple[tuple[str, int], ...] = (
    ("PARAM_WORDS", PARAM_WORDS),
    ("RULE_WORDS", int(RULE_WORDS)),
    *((f"PARAM_{word.name}", int(word)) for word in ParamWord),
    *((f"RULE_{word.name}", int(word)) for word in RuleWord),
)


class Table(NamedTuple):
    """Where a table stands among the words of the memory."""

    first_word: int
    num_rows: int
    row_words: int

    @property
    def end_word(self) -> int:
        return self.first_word + self.num_rows * self.row_words

    def word(self, row: int, start: int = 0) -> int:
        return self.first_word + row * self.row_words + start


class TablePlaces(NamedTuple):
    token_ids: Table
    block_tables: Table
    params: Table
    rules: Table
    masks: Table
    seen: Table
    staging: Table


def table_places(limits: Limits) -> TablePlaces:
    rows, vocab_size = limits.max_batch_size, limits.vocab_size
    shapes = (
        (rows, limits.max_model_len + 1),
        (rows, limits.max_blocks_per_sequence),
        (rows, PARAM_WORDS),
        (rows, int(RULE_WORDS)),
        (rows + limits.max_drafts, mask_words(vocab_size)),
        (rows, _rounded(-(-vocab_size // _SEEN_PER_WORD), _ROW_WORDS)),
        (1, STAGING_WORDS),
    )
    tables: list[Table] = []
    first_word = 0
    for num_rows, row_words in shapes:
        tables.append(Table(first_word, num_rows, row_words))
        first_word = _rounded(tables[-1].end_word, _TABLE_WORDS)
    return TablePlaces(*tables)


def table_bytes(limits: Limits) -> int:
    """Of the memory that DeviceTables wants. ConfigError where kernels cannot count so much."""
    num_words = table_places(limits).staging.end_word
    if num_words > MAX_WORDS:
        raise ConfigError(
            f"{limits.max_batch_size} sequences of up to {limits.max_model_len} tokens are too many"
            " at once for the device's tables"
        )
    return WORD_BYTES * num_words


def mask_words(vocab_size: int) -> int:
    return -(-vocab_size // _BITS_PER_WORD)


class DeviceTables:
    """`memory` is uint8 [table_bytes(limits)], at an address divisible by 256."""

    def __init__(self, device: Device, memory: Array, limits: Limits) -> None:
        require("memory", memory, (table_bytes(limits),), np.uint8)
        self.limits = limits
        self.places = places = table_places(limits)
        self.words: Array = memory.view(np.int32)
        self.token_ids = self._view(places.token_ids)
        self.block_tables = self._view(places.block_tables)
        self.params = self._view(places.params)
        self.rules = self._view(places.rules)
        self.masks = self._view(places.masks)
        self.seen = self._view(places.seen).view(np.uint16)
        self.staging = self._view(places.staging)[0]
        device.fill_zero(memory)

    def _view(self, table: Table) -> Array:
        words = self.words[table.first_word : table.end_word]
        return words.reshape(table.num_rows, table.row_words)


def _rounded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple
