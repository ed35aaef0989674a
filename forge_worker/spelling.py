"""Spelling: a text that must come, as the tokens that a model is likely to choose for it.

    before  …{"na    forced  me":"    as the tokenizer has it   {"|name|":"
                                      what begins in `before`      |me  |":"

A model has learnt the tokens of its tokenizer, so those are guessed; where they begin in what was
put out already, the longest tokens lead to where the next one begins. A guess: whoever takes it has
to see whether it is right. Knows no grammars and no sequences.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from forge_common.errors import RequestError
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT

if TYPE_CHECKING:  # it is imported when the first grammar comes
    from forge_common.grammar.vocabulary import Vocabulary

MAX_REMEMBERED = 1024  # texts: requests with one schema ask for the same ones
CONTINUATION_BYTES = bytes(range(0x80, 0xC0))

TokenIds = tuple[int, ...]


class _Encoded(NamedTuple):
    forced: bytes  # as far as its characters are whole
    token_ids: list[int]  # of what stands before, too


class Spelling:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._remembered = lru_cache(MAX_REMEMBERED)(self._spell)

    def spell(self, before: bytes, forced: bytes) -> TokenIds:
        """Tokens of `forced`, which follows `before`; all but bytes of a character cut in two."""
        return self._remembered(before.lstrip(CONTINUATION_BYTES), forced)

    def longest_tokens(self, text: bytes) -> list[int]:
        """Of `text` alone, up to a byte that no token begins with."""
        found: list[int] = []
        while text:
            token_id = self._longest_token(text)
            if token_id == NO_TOKEN:
                break
            found.append(token_id)
            text = text[len(self.vocabulary.token_bytes(token_id)) :]
        return found

    def _spell(self, before: bytes, forced: bytes) -> TokenIds:
        forced, canonical = self._encode(before, forced)
        token_ids: list[int] = []
        num_left = len(forced)
        for token_id in reversed(canonical):
            piece = self.vocabulary.token_bytes(token_id)
            if not piece or not forced[:num_left].endswith(piece):
                break
            token_ids.append(token_id)
            num_left -= len(piece)
        head = self.longest_tokens(forced[:num_left])
        is_whole = sum(len(self.vocabulary.token_bytes(one)) for one in head) == num_left
        return (*head, *reversed(token_ids)) if is_whole else tuple(head)

    def _encode(self, before: bytes, forced: bytes) -> _Encoded:
        """As the tokenizer does; without tokens where it cannot."""
        if self.vocabulary.encode is None:
            return _Encoded(forced, [])
        try:
            text = getincrementaldecoder("utf-8")().decode(before + forced)
            num_whole = max(0, len(text.encode()) - len(before))
            return _Encoded(forced[:num_whole], self.vocabulary.encode(text))
        except (UnicodeDecodeError, RequestError):
            return _Encoded(forced, [])

    def _longest_token(self, text: bytes) -> int:
        trie, node, longest = self.vocabulary.trie, ROOT, NO_TOKEN
        for byte in text:
            node = trie.child(node, byte)
            if node == ROOT:
                break
            if trie.token_list[node] != NO_TOKEN:
                longest = trie.token_list[node]
        return longest
