"""How many tokens were thoughts, whatever the tokens are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.reasoning import ReasoningStart
from forge_api.reasoning_tokens import ReasoningTokens
from tests.api.fakes import TOKENIZER
from tests.api.tools.replies import cut, cuts
from tests.small_tokenizers import make_tokenizer, sentencepiece_encoder


def counted(start: ReasoningStart, *texts: str) -> int:
    tokens = ReasoningTokens(start, TOKENIZER)
    for text in texts:
        tokens.push(TOKENIZER.encode(text))
    return tokens.num_tokens


def num_tokens(text: str) -> int:
    return len(TOKENIZER.encode(text))


@pytest.mark.parametrize(
    ("start", "thoughts", "content"),
    [
        (ReasoningStart.BEFORE, "<think>hello\n</think>", "world"),
        (ReasoningStart.BEFORE, "\n<think>never closed", ""),
        (ReasoningStart.BEFORE, "", "no <think>tag</think>"),
        (ReasoningStart.BEFORE, "", "<thin"),
        (ReasoningStart.BEFORE, "<think></think>", "<think>again</think>"),
        (ReasoningStart.INSIDE, "hello 你好</think>", "world</think>"),
        (ReasoningStart.AFTER, "", "hello</think>"),
    ],
)
def test_tokens_up_to_the_closing_tag_are_counted(
    start: ReasoningStart, thoughts: str, content: str
) -> None:
    assert counted(start, thoughts, content) == num_tokens(thoughts)


@given(st.sampled_from(ReasoningStart), cuts)
def test_a_tag_counts_however_it_is_cut_into_tokens(
    start: ReasoningStart, places: list[int]
) -> None:
    thoughts, content = "<think>why</think>", "hello"
    pieces = cut(thoughts, places)
    wanted = 0 if start is ReasoningStart.AFTER else sum(map(num_tokens, pieces))
    assert counted(start, *pieces, content) == wanted


def test_the_space_before_a_text_of_sentencepiece_is_none() -> None:
    tokenizer = make_tokenizer(sentencepiece_encoder())
    token_ids = tokenizer.encode("<think>hello</think>")
    tokens = ReasoningTokens(ReasoningStart.BEFORE, tokenizer)
    tokens.push([*token_ids, *tokenizer.encode("world")])
    assert tokens.num_tokens == len(token_ids)
