"""Sets of tokens: a few as ids, many as bits. Knows no grammars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from forge_common.grammar.vocabulary import TokenIds, Vocabulary, Words

IDS_A_WORD = 1  # more ids than the bits have words take more room than the bits


class TokenSet(NamedTuple):
    """All of both; ids may repeat. Tokens of equal bytes are in `bits`, but not in `ids`."""

    ids: TokenIds
    bits: Words | None

    @property
    def num_bytes(self) -> int:
        return self.ids.nbytes + (0 if self.bits is None else self.bits.nbytes)

    def words(self, vocabulary: Vocabulary) -> Words:
        words = vocabulary.words(self.ids)
        return words if self.bits is None else words | self.bits


NO_IDS = np.empty(0, np.int32)
NO_IDS.flags.writeable = False
NO_TOKENS = TokenSet(NO_IDS, None)


def token_set(ids: TokenIds, vocabulary: Vocabulary) -> TokenSet:
    if len(ids) <= vocabulary.num_words * IDS_A_WORD:
        return TokenSet(ids, None)
    return TokenSet(NO_IDS, vocabulary.words(ids))


def without(tokens: TokenSet, lost: TokenSet, vocabulary: Vocabulary) -> TokenSet:
    if lost.bits is None and not len(lost.ids):
        return tokens
    if tokens.bits is None and lost.bits is None:
        return TokenSet(np.setdiff1d(tokens.ids, lost.ids), None)
    kept, dropped = tokens.words(vocabulary), lost.words(vocabulary)
    return TokenSet(NO_IDS, kept & ~dropped)


class TokenUnion:
    """Collects tokens from all sides."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._arrays: list[TokenIds] = []
        self._bits: list[Words] = []

    def add_ids(self, ids: Iterable[int]) -> None:
        self._ids.extend(ids)

    def add(self, tokens: TokenSet) -> None:
        if len(tokens.ids):
            self._arrays.append(tokens.ids)
        if tokens.bits is not None:
            self._bits.append(tokens.bits)

    def tokens(self, vocabulary: Vocabulary) -> TokenSet:
        if not self._bits:
            return token_set(self._all_ids(), vocabulary)
        if len(self._bits) == 1 and not self._ids and not self._arrays:
            return TokenSet(NO_IDS, self._bits[0])
        return TokenSet(NO_IDS, self.words(vocabulary))

    def words(self, vocabulary: Vocabulary) -> Words:
        words = vocabulary.words(self._all_ids())
        for bits in self._bits:
            words |= bits
        return words

    def _all_ids(self) -> TokenIds:
        if self._ids:
            self._arrays.append(np.array(self._ids, np.int32))
            self._ids = []
        if not self._arrays:
            return NO_IDS
        return self._arrays[0] if len(self._arrays) == 1 else np.concatenate(self._arrays)
