"""Log-probabilities of tokens → the three shapes clients know.

Chat completions have one, text completions an older one, and `prompt_logprobs` vLLM's. Knows the
tokenizer, for the text of a token; knows nothing of requests.
"""

from __future__ import annotations

from collections.abc import Sequence

from forge_api.reply_types import (
    ChatLogprobs,
    PromptLogprobs,
    RankedLogprob,
    TextLogprobs,
    TokenLogprobs,
    TokenProbability,
)
from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_common.tokenizer import Tokenizer

LEAST_LOGPROB = -9999.0  # OpenAI's; JSON has no −∞


def chat_logprobs(positions: Sequence[PositionLogprobs], tokenizer: Tokenizer) -> ChatLogprobs:
    return ChatLogprobs([_token_logprobs(position, tokenizer) for position in positions])


def prompt_logprobs(
    positions: Sequence[PositionLogprobs | None], tokenizer: Tokenizer
) -> PromptLogprobs:
    return [None if position is None else _ranked(position, tokenizer) for position in positions]


class TextLogprobsBuilder:
    """Text completions count where in the text each token begins, over all pieces of a stream."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._offset = 0

    def prompt(
        self, token_ids: Sequence[int], positions: Sequence[PositionLogprobs | None]
    ) -> TextLogprobs:
        return self._build(token_ids, positions)

    def output(self, positions: Sequence[PositionLogprobs]) -> TextLogprobs:
        return self._build([position.chosen.token_id for position in positions], positions)

    def _build(
        self, token_ids: Sequence[int], positions: Sequence[PositionLogprobs | None]
    ) -> TextLogprobs:
        tokens = [token_text(token_id, self._tokenizer) for token_id in token_ids]
        offsets = []
        for token in tokens:
            offsets.append(self._offset)
            self._offset += len(token)
        return TextLogprobs(
            tokens,
            [None if position is None else finite(position.chosen) for position in positions],
            [None if position is None else self._by_text(position) for position in positions],
            offsets,
        )

    def _by_text(self, position: PositionLogprobs) -> dict[str, float]:
        by_text: dict[str, float] = {}
        for token in (*position.top, position.chosen):
            by_text.setdefault(token_text(token.token_id, self._tokenizer), finite(token))
        return by_text


def joined(pieces: Sequence[TextLogprobs]) -> TextLogprobs | None:
    if not pieces:
        return None
    return TextLogprobs(
        [token for piece in pieces for token in piece.tokens],
        [logprob for piece in pieces for logprob in piece.token_logprobs],
        [top for piece in pieces for top in piece.top_logprobs],
        [offset for piece in pieces for offset in piece.text_offset],
    )


def token_text(token_id: int, tokenizer: Tokenizer) -> str:
    return tokenizer.token_bytes(token_id).decode("utf-8", "replace")


def finite(token: TokenLogprob) -> float:
    return max(token.logprob, LEAST_LOGPROB)


def _token_logprobs(position: PositionLogprobs, tokenizer: Tokenizer) -> TokenLogprobs:
    chosen = _probability(position.chosen, tokenizer)
    return TokenLogprobs(
        chosen.token,
        chosen.logprob,
        chosen.bytes,
        [_probability(token, tokenizer) for token in position.top],
    )


def _probability(token: TokenLogprob, tokenizer: Tokenizer) -> TokenProbability:
    data = tokenizer.token_bytes(token.token_id)
    return TokenProbability(data.decode("utf-8", "replace"), finite(token), list(data))


def _ranked(position: PositionLogprobs, tokenizer: Tokenizer) -> dict[str, RankedLogprob]:
    ranked = {
        str(token.token_id): RankedLogprob(
            finite(token), rank, token_text(token.token_id, tokenizer)
        )
        for rank, token in enumerate(position.top, start=1)
    }
    chosen = position.chosen
    if str(chosen.token_id) not in ranked:
        ranked[str(chosen.token_id)] = RankedLogprob(
            finite(chosen), None, token_text(chosen.token_id, tokenizer)
        )
    return ranked
