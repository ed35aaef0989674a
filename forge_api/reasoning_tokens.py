"""Counts the tokens of one choice that are thoughts, the tags among them.

By the bytes of each token, so the count is exact however a tag is cut into tokens and tokens into
outputs. A token that ends the block and begins the content counts as a thought. Knows nothing of
the text that is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from forge_api.reasoning import CLOSE, OPEN, ReasoningStart
from forge_api.stop_strings import StopString
from forge_common.tokenizer import Tokenizer

OPEN_BYTES: Final = OPEN.encode()


class ReasoningTokens:
    def __init__(self, start: ReasoningStart, tokenizer: Tokenizer) -> None:
        self.num_tokens = 0
        self._place = start
        self._tokenizer = tokenizer
        self._num_undecided = 0  # tokens of what may become the opening tag
        self._begun = b""
        self._closing = StopString(CLOSE)

    def push(self, token_ids: Iterable[int]) -> None:
        for token_id in token_ids:
            if self._place is ReasoningStart.AFTER:
                return
            piece = self._tokenizer.token_bytes(token_id)
            if self._place is ReasoningStart.BEFORE:
                self._take_before(piece)
            else:
                self.num_tokens += 1
                self._take_inside(piece)

    def _take_before(self, piece: bytes) -> None:
        self._num_undecided += 1
        self._begun = (self._begun + piece).lstrip()
        if self._begun.startswith(OPEN_BYTES):
            self._place = ReasoningStart.INSIDE
            self.num_tokens = self._num_undecided
            self._take_inside(self._begun.removeprefix(OPEN_BYTES))
        elif not OPEN_BYTES.startswith(self._begun):
            self._place = ReasoningStart.AFTER

    def _take_inside(self, piece: bytes) -> None:
        for character in piece.decode("latin-1"):  # a byte each
            if self._closing.advance(character):
                self._place = ReasoningStart.AFTER
                return
