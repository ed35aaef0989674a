"""Stop strings: exact across any split, and never a character of one let out too early."""

from __future__ import annotations

import time
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from forge_api.stop_strings import StopStrings

pieces = st.lists(st.text("ab", max_size=4), max_size=10)
some_stops = st.lists(st.text("ab", min_size=1, max_size=5), max_size=4).map(tuple)


class Ended(NamedTuple):
    text: str
    matched: str | None


def streamed(texts: list[str], stops: tuple[str, ...], include: bool = False) -> Ended:
    stop_strings = StopStrings(stops, include)
    text = "".join(stop_strings.push(piece).text for piece in texts)
    return Ended(text + stop_strings.flush(), stop_strings.matched)


def by_searching(text: str, stops: tuple[str, ...], include: bool) -> Ended:
    """The definition: the smallest end, then the longest match."""
    for end in range(len(text) + 1):
        for stop in sorted(stops, key=len, reverse=True):
            if text[:end].endswith(stop):
                return Ended(text[: end if include else end - len(stop)], stop)
    return Ended(text, None)


@given(pieces, some_stops, st.booleans())
def test_any_split_gives_what_searching_the_whole_gives(
    pieces: list[str], stops: tuple[str, ...], include: bool
) -> None:
    assert streamed(pieces, stops, include) == by_searching("".join(pieces), stops, include)


@given(pieces, some_stops)
def test_no_more_is_held_back_than_could_begin_a_match(
    pieces: list[str], stops: tuple[str, ...]
) -> None:
    stop_strings = StopStrings(stops, include_in_output=False)
    shown = "".join(stop_strings.push(piece).text for piece in pieces)
    held = "".join(pieces)[len(shown) :]
    if stop_strings.matched is None:
        assert not held or any(stop.startswith(held) for stop in stops)


def test_a_stop_across_two_pieces_is_never_shown() -> None:
    stop_strings = StopStrings(("</end>",), include_in_output=False)
    assert stop_strings.push("done</").text == "done"
    assert stop_strings.push("end>more") == ("", "</end>")
    assert stop_strings.push("more") == ("", "</end>")
    assert stop_strings.flush() == ""


def test_the_stop_is_shown_when_asked_for() -> None:
    assert streamed(["a EN", "D b"], ("END",), include=True) == ("a END", "END")


def test_what_was_held_back_in_vain_comes_out() -> None:
    assert streamed(["a<", "/", "b"], ("</end>",)) == ("a</b", None)
    assert streamed(["a</"], ("</end>",)) == ("a</", None)


def test_the_earliest_end_wins_and_then_the_longest() -> None:
    assert streamed(["xabcd"], ("abcd", "bc")) == ("xa", "bc")
    assert streamed(["xabc"], ("bc", "abc")) == ("x", "abc")


def test_without_stops_text_passes_untouched() -> None:
    assert StopStrings((), include_in_output=False).push("text") == ("text", None)


def test_a_repetitive_text_costs_the_same_for_each_character() -> None:
    stops = ("a" * 5000 + "b", "a" * 4999 + "c")
    start = time.perf_counter()
    assert streamed(["a"] * 50_000, stops) == ("a" * 50_000, None)
    assert time.perf_counter() - start < 2.0
