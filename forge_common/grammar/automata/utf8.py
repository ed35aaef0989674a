"""UTF-8, exactly: no overlong forms, no surrogates, nothing beyond U+10FFFF (Unicode, table 3-7).

Knows nothing of JSON.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.spelling import Branch, Leaf, SpellingNode, SpellingTree

CONTINUATION = 0x80
BLOCK = 64  # code points told apart by one continuation byte


class Seconds(NamedTuple):
    """A run of bytes in second place or further behind."""

    first: int
    last: int


ALL_SECONDS = Seconds(CONTINUATION, CONTINUATION + BLOCK - 1)


class LeadBytes(NamedTuple):
    first: int
    last: int
    first_code_point: int  # that would follow `first` with continuation bytes of 0x80
    first_second: int  # the second byte
    last_second: int
    num_further: int  # bytes after the second


WELL_FORMED = (
    LeadBytes(0xC2, 0xDF, 0x0080, 0x80, 0xBF, 0),
    LeadBytes(0xE0, 0xE0, 0x0000, 0xA0, 0xBF, 1),
    LeadBytes(0xE1, 0xEC, 0x1000, 0x80, 0xBF, 1),
    LeadBytes(0xED, 0xED, 0xD000, 0x80, 0x9F, 1),
    LeadBytes(0xEE, 0xEF, 0xE000, 0x80, 0xBF, 1),
    LeadBytes(0xF0, 0xF0, 0x00000, 0x90, 0xBF, 2),
    LeadBytes(0xF1, 0xF3, 0x40000, 0x80, 0xBF, 2),
    LeadBytes(0xF4, 0xF4, 0x100000, 0x80, 0x8F, 2),
)


def spell_utf8(alphabet: Alphabet, tree: SpellingTree) -> SpellingNode:
    return tree.root(utf8_branches(alphabet, tree))


def utf8_branches(alphabet: Alphabet, tree: SpellingTree) -> dict[int, Branch]:
    """By the first byte of a character."""
    blocks = _Blocks(alphabet, tree)
    branches: dict[int, Branch] = {}
    for span in alphabet.spans:
        for code_point in range(span.first, min(span.last, 0x7F) + 1):
            branches[code_point] = Leaf(span.symbol)
    for leads in WELL_FORMED:
        for lead in range(leads.first, leads.last + 1):
            size = BLOCK ** (leads.num_further + 1)
            first = leads.first_code_point + (lead - leads.first) * size
            branches[lead] = blocks.after_lead(first, leads)
    return branches


class _Blocks:
    """Trees over aligned runs of code points; those of one symbol are made once."""

    def __init__(self, alphabet: Alphabet, tree: SpellingTree) -> None:
        self._alphabet = alphabet
        self._tree = tree

    def after_lead(self, first: int, leads: LeadBytes) -> Branch:
        size = BLOCK**leads.num_further
        seconds = Seconds(leads.first_second, leads.last_second)
        start = first + (seconds.first - CONTINUATION) * size
        end = first + (seconds.last + 1 - CONTINUATION) * size
        symbol = self._alphabet.common_symbol(start, end - 1)
        if symbol is not None:
            return self._uniform_block(symbol, leads.num_further, seconds)
        return self._split_block(first, leads.num_further, seconds)

    def _block(self, first: int, num_bytes: int) -> Branch:
        """The code points from `first` that `num_bytes` continuation bytes tell apart."""
        symbol = self._alphabet.common_symbol(first, first + BLOCK**num_bytes - 1)
        if symbol is None:
            return self._split_block(first, num_bytes - 1, ALL_SECONDS)
        if num_bytes == 0:
            return Leaf(symbol)
        return self._uniform_block(symbol, num_bytes - 1, ALL_SECONDS)

    def _split_block(self, first: int, num_further: int, seconds: Seconds) -> Branch:
        size = BLOCK**num_further
        return self._tree.add(
            {
                byte: self._block(first + (byte - CONTINUATION) * size, num_further)
                for byte in range(seconds.first, seconds.last + 1)
            }
        )

    def _uniform_block(self, symbol: int, num_further: int, seconds: Seconds) -> Branch:
        key = (_Blocks, symbol, num_further, seconds)
        found = self._tree.known.get(key)
        if found is None:
            child: Branch = Leaf(symbol)
            if num_further:
                child = self._uniform_block(symbol, num_further - 1, ALL_SECONDS)
            bytes_ = range(seconds.first, seconds.last + 1)
            found = self._tree.known[key] = self._tree.add(dict.fromkeys(bytes_, child))
        return found
