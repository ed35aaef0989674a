"""What a reply said, whole or streamed: the same value for the same text. Knows no sockets."""

from __future__ import annotations

from math import isclose
from typing import Any, NamedTuple

LOGPROB_TOLERANCE = 1e-3  # rounding differs between a prompt and single tokens


class Choice(NamedTuple):
    text: str
    calls: tuple[tuple[str, str], ...]  # name and arguments of each
    finish_reason: str | None
    tokens: tuple[str, ...]  # as their log-probabilities name them
    logprobs: tuple[float | None, ...]


class Reply(NamedTuple):
    choices: dict[int, Choice]
    num_tokens: int


def is_same(reply: Reply, expected: Reply) -> bool:
    if reply.num_tokens != expected.num_tokens or reply.choices.keys() != expected.choices.keys():
        return False
    return all(_is_same(reply.choices[i], expected.choices[i]) for i in expected.choices)


def is_begin(events: list[dict[str, Any]], expected: Reply) -> bool:
    """Whether what was read of a stream is how each choice of `expected` begins."""
    choices = reply_of(events).choices
    return all(
        index in expected.choices and expected.choices[index].text.startswith(choice.text)
        for index, choice in choices.items()
    )


def reply_of(events: list[dict[str, Any]]) -> Reply:
    """Of the chunks of a stream, or of the one object of a whole reply."""
    parts: dict[int, _Parts] = {}
    num_tokens = 0
    for event in events:
        num_tokens = (event.get("usage") or {}).get("completion_tokens", num_tokens)
        for choice in event.get("choices", ()):
            parts.setdefault(choice["index"], _Parts()).add(choice)
    return Reply({index: part.choice() for index, part in parts.items()}, num_tokens)


class _Parts:
    """One choice as it comes."""

    def __init__(self) -> None:
        self._text = ""
        self._calls: dict[int, list[str]] = {}
        self._finish_reason: str | None = None
        self._scored: list[tuple[str, float | None]] = []

    def add(self, choice: dict[str, Any]) -> None:
        said = choice.get("delta") or choice.get("message") or {"content": choice.get("text")}
        self._text += said.get("content") or ""
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        for position, call in enumerate(said.get("tool_calls") or ()):
            function = self._calls.setdefault(call.get("index", position), ["", ""])
            function[0] += call["function"].get("name") or ""
            function[1] += call["function"].get("arguments") or ""
        self._scored += _scored(choice.get("logprobs") or {})

    def choice(self) -> Choice:
        calls = tuple((name, arguments) for name, arguments in self._calls.values())
        tokens, logprobs = [one for one, _ in self._scored], [two for _, two in self._scored]
        return Choice(self._text, calls, self._finish_reason, tuple(tokens), tuple(logprobs))


def _scored(logprobs: dict[str, Any]) -> list[tuple[str, float | None]]:
    """Of either endpoint's shape."""
    if "tokens" in logprobs:
        return list(zip(logprobs["tokens"], logprobs["token_logprobs"], strict=True))
    return [(entry["token"], entry["logprob"]) for entry in logprobs.get("content") or ()]


def _is_same(choice: Choice, expected: Choice) -> bool:
    if choice._replace(logprobs=()) != expected._replace(logprobs=()):
        return False
    return all(map(_is_close, choice.logprobs, expected.logprobs))


def _is_close(logprob: float | None, expected: float | None) -> bool:
    if logprob is None or expected is None:
        return logprob is expected
    return isclose(logprob, expected, rel_tol=0.0, abs_tol=LOGPROB_TOLERANCE)
