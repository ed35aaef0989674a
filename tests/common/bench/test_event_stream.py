"""Bytes of a stream, cut anywhere, to events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.bench.event_stream import Done, EventReader, StreamEvent, StreamFault

CHAT = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\r\n\r\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
STREAM = b": a comment\n\n" + CHAT + WORD + USAGE + b"data: [DONE]\n\n"


def contents(*lines: bytes) -> list[bool]:
    events = EventReader().feed(b"".join(lines))
    return [event.has_content for event in events if isinstance(event, StreamEvent)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    reader = EventReader()
    events = [event for begin, end in pairwise(places) for event in reader.feed(STREAM[begin:end])]
    assert events == EventReader().feed(STREAM)
    assert events[-1] == Done()
    assert len(events) == 4


def test_role_alone_is_no_content() -> None:
    assert contents(CHAT, WORD, USAGE) == [False, True, False]


@pytest.mark.parametrize(
    "choice",
    [
        b'{"delta":{"reasoning_content":"hm"}}',
        b'{"delta":{"reasoning":"hm"}}',
        b'{"delta":{"content":null,"tool_calls":[{"index":0}]}}',
        b'{"text":"a completion"}',
    ],
)
def test_thoughts_calls_and_completions_are_content(choice: bytes) -> None:
    assert contents(b'data: {"choices":[' + choice + b"]}\n") == [True]


def test_last_line_may_lack_its_end() -> None:
    reader = EventReader()
    assert reader.feed(b"data: [DONE]") == []
    assert reader.finish() == [Done()]


@pytest.mark.parametrize(
    "payload", [b"{", b"[1]", b'{"choices": 3}', b'{"choices":[{"text":"\xff"}]}']
)
def test_unreadable_event_is_a_fault(payload: bytes) -> None:
    with pytest.raises(StreamFault):
        EventReader().feed(b"data: " + payload + b"\n")
