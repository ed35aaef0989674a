"""Vocabulary: the tokens of a model as bytes, in a trie, and sets of them as bits.

A special token is its text between two bytes 0xFF, which no other token may hold: so it is allowed
where a rule names it, or where a model writes freely, and never within a text. Tokens without bytes
and those longer than MAX_TOKEN_BYTES are never allowed; a text can do without them as long as there
is a token for every byte. Tokens with equal bytes are all allowed or none. End tokens are no part
of a text: they are allowed where it may end. Knows no grammars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.program import SPECIAL, special_token
from forge_common.grammar.vocabulary_trie import VocabularyTrie
from forge_common.tokenizer import Tokenizer

MAX_TOKEN_BYTES = 256
BITS = 32

Words = NDArray[np.uint32]  # bit t % 32 of word t // 32 is token t
TokenIds = NDArray[np.int32]
Encode = Callable[[str], list[int]]


class Vocabulary:
    def __init__(
        self,
        tokens: Sequence[bytes],
        end_ids: Iterable[int] = (),
        encode: Encode | None = None,
    ) -> None:
        """`tokens` by id; b"" for those that are never allowed within a text.

        `encode` gives the tokens of a text as the model has learnt them, where that is known.
        """
        self.end_ids = frozenset(end_ids)
        self.encode = encode
        self.num_tokens = len(tokens)
        self.num_words = -(-len(tokens) // BITS)
        self.tokens = [
            b"" if len(token) > MAX_TOKEN_BYTES or token_id in self.end_ids else token
            for token_id, token in enumerate(tokens)
        ]
        self.trie = VocabularyTrie(self.tokens)
        self.longest_token = max(map(len, self.tokens), default=0)
        self._end_words = self.bits(np.array(sorted(self.end_ids), np.int64))

    @classmethod
    def of_tokenizer(
        cls, tokenizer: Tokenizer, end_ids: Iterable[int], num_tokens: int | None = None
    ) -> Vocabulary:
        """`num_tokens` where the model has more logits than the tokenizer has tokens."""
        size = tokenizer.vocab_size if num_tokens is None else num_tokens
        special_ids = tokenizer.special_token_ids
        texts = ((token_id, tokenizer.token_bytes(token_id)) for token_id in range(size))
        tokens = [
            special_token(text) if token_id in special_ids else b"" if SPECIAL in text else text
            for token_id, text in texts
        ]
        return cls(tokens, end_ids, tokenizer.encode)

    def token_bytes(self, token_id: int) -> bytes:
        """b"" for what is never part of a text."""
        return self.tokens[token_id] if 0 <= token_id < self.num_tokens else b""

    def words(self, ids: TokenIds) -> Words:
        """As bits, together with all tokens of the same bytes."""
        is_in = np.zeros(self.num_words * BITS, bool)
        is_in[ids] = True
        twins = self.trie.twins
        if len(twins.ids):
            is_in[twins.ids] |= is_in[twins.first_ids]
        return np.packbits(is_in, bitorder="little").view(np.uint32)

    def with_ends(self, words: Words) -> Words:
        return words | self._end_words

    def without_ends(self, words: Words) -> Words:
        return words & ~self._end_words

    def allows(self, words: Words, token_id: int) -> bool:
        return bool(words[token_id // BITS] >> np.uint32(token_id % BITS) & np.uint32(1))

    def bits(self, ids: NDArray[np.int64]) -> Words:
        """These alone, without others of the same bytes."""
        is_in = np.zeros(self.num_words * BITS, bool)
        is_in[ids[ids < self.num_tokens]] = True
        return np.packbits(is_in, bitorder="little").view(np.uint32)
