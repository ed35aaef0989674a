"""Thoughts are taken out of a reply however it is cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.reasoning import (
    ReasoningSplitter,
    ReasoningStart,
    Thoughts,
    start_after,
    start_within,
)
from tests.api.tools.replies import cut, cuts

FRAGMENTS = ["<think>", "</think>", "<think", "</", "<", "\n", " ", "hm", "é🙂"]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join)
starts = st.sampled_from(ReasoningStart)


def split(start: ReasoningStart, *pieces: str) -> Thoughts:
    splitter = ReasoningSplitter(start)
    shown = [splitter.push(piece, is_last=False) for piece in pieces]
    shown.append(splitter.push("", is_last=True))
    return Thoughts(*("".join(part) for part in zip(*shown, strict=True)))


@given(starts, texts, cuts)
def test_any_grouping_of_characters_gives_the_same_parts(
    start: ReasoningStart, text: str, places: list[int]
) -> None:
    whole = split(start, text)
    assert split(start, *cut(text, places)) == whole
    assert split(start, *text) == whole


@given(starts, texts)
def test_nothing_but_tags_and_space_beside_them_is_lost(start: ReasoningStart, text: str) -> None:
    def squeezed(shown: str) -> str:
        return "".join(shown.replace("<think>", "").replace("</think>", "").split())

    assert squeezed("\0".join(split(start, text))).replace("\0", "") in squeezed(text)
    assert len(squeezed("".join(split(start, text)))) >= len(squeezed(text)) - len(
        "<think></think>"
    )


@given(starts, texts)
def test_the_last_piece_may_come_with_the_end(start: ReasoningStart, text: str) -> None:
    assert ReasoningSplitter(start).push(text, is_last=True) == split(start, text)


@pytest.mark.parametrize(
    ("start", "text", "reasoning", "content"),
    [
        (ReasoningStart.BEFORE, "<think>\nHm. \n</think>\n\nYes. ", "Hm.", "Yes. "),
        (ReasoningStart.BEFORE, "\n <think>a  b</think>c", "a  b", "c"),
        (ReasoningStart.BEFORE, "<think>\n\n</think>\n\nYes.", "", "Yes."),
        (ReasoningStart.BEFORE, "<think>I never stop</thi", "I never stop</thi", ""),
        (ReasoningStart.BEFORE, "No <think>tag</think>.", "", "No <think>tag</think>."),
        (ReasoningStart.BEFORE, " \n", "", " \n"),
        (ReasoningStart.BEFORE, " <thin", "", " <thin"),
        (ReasoningStart.BEFORE, "<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        (ReasoningStart.BEFORE, "", "", ""),
        (ReasoningStart.INSIDE, "\nHm.\n</think>Yes.", "Hm.", "Yes."),
        (ReasoningStart.INSIDE, "Hm. <think> 1 < 2", "Hm. <think> 1 < 2", ""),
        (ReasoningStart.AFTER, " goes on </think>", "", " goes on </think>"),
    ],
)
def test_a_reply_is_parted(start: ReasoningStart, text: str, reasoning: str, content: str) -> None:
    assert split(start, text) == Thoughts(reasoning, content)


def test_thoughts_are_shown_at_once_but_for_the_beginning_of_a_tag() -> None:
    splitter = ReasoningSplitter(ReasoningStart.INSIDE)
    assert splitter.push("a < b </", is_last=False) == Thoughts("a < b", "")
    assert splitter.push("b>", is_last=False) == Thoughts(" </b>", "")


@pytest.mark.parametrize(
    ("prompt", "start"),
    [
        ("<|im_start|>assistant\n", ReasoningStart.BEFORE),
        ("<|im_start|>assistant\n<think>\n", ReasoningStart.INSIDE),
        ("what does <think> do?\nassistant\n", ReasoningStart.BEFORE),
        ("assistant\n<think>\n\n</think>\n\n", ReasoningStart.BEFORE),
    ],
)
def test_the_prompt_says_where_the_reply_begins(prompt: str, start: ReasoningStart) -> None:
    assert start_after(prompt) is start


@pytest.mark.parametrize(
    ("message", "start"),
    [
        ("", ReasoningStart.BEFORE),
        ("<think>I was", ReasoningStart.INSIDE),
        ("<think>Done.</think>So", ReasoningStart.AFTER),
        ("The answer", ReasoningStart.AFTER),
    ],
)
def test_a_message_that_goes_on_says_so_too(message: str, start: ReasoningStart) -> None:
    assert start_within(message) is start


@pytest.mark.parametrize("piece", [" ", "<", "</think", "\n", "<think>"])
@pytest.mark.parametrize("start", ReasoningStart)
def test_hostile_repetition_costs_the_same_for_each_character(
    piece: str, start: ReasoningStart
) -> None:
    begun = time.process_time()
    split(start, *(piece * (10_000 // len(piece))))
    split(start, piece * (10_000 // len(piece)))
    assert time.process_time() - begun < 2.0
