"""Replies put together again from a parser's deltas, and texts cut into pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from msgspec import Struct

from forge_api.tools import (
    FORMATS,
    ContentDelta,
    Delta,
    ToolCallArguments,
    ToolCallParser,
    ToolCallStart,
)

KNOWN = frozenset({"add", "f", "now"})
cuts = st.lists(st.integers(0, 200), max_size=12)


class Reply(Struct):
    """The deltas put together again, as a client does."""

    content: str = ""
    names: list[str] = []
    arguments: list[str] = []


def joined(deltas: list[Delta]) -> Reply:
    reply = Reply()
    for delta in deltas:
        assert isinstance(delta, ToolCallStart) or delta.text
        match delta:
            case ContentDelta(text=text):
                reply.content += text
            case ToolCallStart(index=index, name=name):
                assert index == len(reply.names)
                reply.names.append(name)
                reply.arguments.append("")
            case ToolCallArguments(index=index, text=text):
                assert index == len(reply.names) - 1
                reply.arguments[index] += text
    return reply


def make_parser(name: str) -> ToolCallParser:
    return ToolCallParser(FORMATS[name], KNOWN)


def parse(name: str, *pieces: str) -> Reply:
    parser = make_parser(name)
    deltas = [delta for piece in pieces for delta in parser.push(piece)]
    return joined([*deltas, *parser.finish()])


def cut(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place for place in places if place < len(text))})
    return [text[start:end] for start, end in pairwise(edges)]
