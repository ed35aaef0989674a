"""The three shapes of log-probabilities."""

from __future__ import annotations

from forge_api.logprobs import TextLogprobsBuilder, chat_logprobs, joined, prompt_logprobs
from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from tests.api.fakes import TOKENIZER

E_ACUTE = [byte_id for char in "é" for byte_id in TOKENIZER.encode(char)]


def position(chosen: int, *top: int) -> PositionLogprobs:
    return PositionLogprobs(TokenLogprob(chosen, -1.0), [TokenLogprob(id_, -2.0) for id_ in top])


def test_chat_tokens_carry_their_bytes() -> None:
    [token] = chat_logprobs([position(70, 71)], TOKENIZER).content
    assert bytes(token.bytes) == TOKENIZER.token_bytes(70)
    assert [top.token for top in token.top_logprobs] == [TOKENIZER.token_bytes(71).decode()]


def test_minus_infinity_is_a_number_in_json() -> None:
    never = PositionLogprobs(TokenLogprob(70, float("-inf")), [])
    assert chat_logprobs([never], TOKENIZER).content[0].logprob == -9999.0


def test_offsets_go_on_from_piece_to_piece() -> None:
    builder = TextLogprobsBuilder(TOKENIZER)
    ids = TOKENIZER.encode("hello world")
    pieces = [builder.output([position(id_)]) for id_ in ids]
    whole = joined(pieces)
    assert whole is not None
    text = "".join(whole.tokens)
    starts = [
        text[offset:].startswith(token)
        for offset, token in zip(whole.text_offset, whole.tokens, strict=True)
    ]
    assert text == "hello world"
    assert all(starts)


def test_the_first_token_of_a_prompt_has_no_score() -> None:
    scored = TextLogprobsBuilder(TOKENIZER).prompt([70, 71], [None, position(71)])
    assert scored.token_logprobs == [None, -1.0]
    assert scored.top_logprobs[0] is None


def test_the_chosen_token_is_among_the_alternatives() -> None:
    scored = TextLogprobsBuilder(TOKENIZER).output([position(70, 71)])
    assert scored.top_logprobs == [
        {TOKENIZER.token_bytes(71).decode(): -2.0, TOKENIZER.token_bytes(70).decode(): -1.0}
    ]


def test_a_chosen_token_outside_the_likeliest_has_no_rank() -> None:
    [ranked] = prompt_logprobs([position(70, 71)], TOKENIZER)
    assert ranked is not None
    assert (ranked["71"].rank, ranked["70"].rank) == (1, None)
