"""Tool calls in a choice's text → OpenAI's `tool_calls`, whole or as deltas.

How a model writes a call is known to the parser in `tools/`; knows nothing of replies beyond the
message.
"""

from __future__ import annotations

from json import JSONDecoder
from typing import Final, NamedTuple

from msgspec import UNSET

from forge_api.reply_types import CalledFunction, ToolCall, ToolCallDelta
from forge_api.tools import ContentDelta, ToolCallArguments, ToolCallParser, ToolCallStart
from forge_api.valid_request import ToolParsing

JSON: Final = JSONDecoder(parse_int=str, parse_float=str)  # however many digits numbers have


class Pieces(NamedTuple):
    content: str
    tool_calls: list[ToolCallDelta]


class ToolCallSplitter:
    """One choice's text → content and calls."""

    def __init__(self, parsing: ToolParsing) -> None:
        self._parser = ToolCallParser(parsing.format, parsing.names)
        self._is_parallel = parsing.is_parallel
        self._last_arguments: list[str] = []

    @property
    def is_ended_by_call(self) -> bool:
        """There are calls, and the last is whole: a stop string may have cut it."""
        try:
            JSON.decode("".join(self._last_arguments))
        except (ValueError, RecursionError):
            return False
        return True

    def push(self, text: str, *, is_last: bool) -> Pieces:
        deltas = self._parser.push(text)
        if is_last:
            deltas += self._parser.finish()
        content = "".join(delta.text for delta in deltas if isinstance(delta, ContentDelta))
        calls = [
            openai_delta(delta)
            for delta in deltas
            if not isinstance(delta, ContentDelta) and (self._is_parallel or delta.index == 0)
        ]
        self._remember(calls)
        return Pieces(content, calls)

    def _remember(self, calls: list[ToolCallDelta]) -> None:
        for delta in calls:
            if delta.id is not UNSET:
                self._last_arguments.clear()
            self._last_arguments.append(delta.function.arguments)


class ToolCallCollector:
    """Deltas of calls → the calls."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._names: list[str] = []
        self._arguments: list[list[str]] = []

    def add(self, deltas: list[ToolCallDelta]) -> None:
        for delta in deltas:
            if delta.id is not UNSET:
                self._ids.append(delta.id)
                self._names.append(delta.function.name or "")
                self._arguments.append([])
            self._arguments[delta.index].append(delta.function.arguments)

    @property
    def calls(self) -> list[ToolCall]:
        return [
            ToolCall(id_, CalledFunction("".join(arguments), name))
            for id_, name, arguments in zip(self._ids, self._names, self._arguments, strict=True)
        ]


def openai_delta(delta: ToolCallStart | ToolCallArguments) -> ToolCallDelta:
    match delta:
        case ToolCallStart(index=index, id=id_, name=name):
            return ToolCallDelta(index, CalledFunction("", name), id_, "function")
        case ToolCallArguments(index=index, text=text):
            return ToolCallDelta(index, CalledFunction(text))
