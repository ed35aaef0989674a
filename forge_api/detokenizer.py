"""Token ids to text as they come, never showing half a character.

The pieces it returns, joined, are the tokenizer's `decode` of all ids, however the ids were
grouped. Knows nothing of stop strings, requests, or which ids end a sequence.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from forge_common.tokenizer import Tokenizer
from forge_common.tokenizer.tokenizer import TextStart


class Detokenizer:
    """The text of one sequence.

    `is_continuation` says that the ids go on from a text that is shown too (a completion after
    its prompt): then the space before a first SentencePiece token is part of the output.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        skip_special_tokens: bool,
        *,
        kept_special_ids: frozenset[int] = frozenset(),
        is_continuation: bool = False,
    ) -> None:
        self._pieces = tokenizer.pieces(
            skip_special_tokens=skip_special_tokens, kept_ids=kept_special_ids
        )
        self._unfinished = b""  # the first bytes of a character
        start = TextStart(tokenizer, self._pieces)
        self._start = None if is_continuation or start.is_over else start

    def push(self, token_ids: Iterable[int]) -> str:
        """The text these ids complete; bytes of an unfinished character wait for the next."""
        if self._start is not None:
            data = self._push_start(self._start, token_ids)
        else:
            data = b"".join(map(self._pieces.__getitem__, token_ids))
        return self._decode(self._unfinished + data, is_final=False)

    def flush(self) -> str:
        """What is left at the end: U+FFFD for a character that was never finished, or nothing."""
        return self._decode(self._unfinished, is_final=True)

    def _decode(self, data: bytes, *, is_final: bool) -> str:
        text, num_decoded = codecs.utf_8_decode(data, "replace", is_final)
        self._unfinished = data[num_decoded:]
        return text

    def _push_start(self, start: TextStart, token_ids: Iterable[int]) -> bytes:
        data = start.push(token_ids)
        if start.is_over:
            self._start = None
        return data
