"""What a parser of tool calls makes of a model's text, piece by piece. Knows no format."""

from __future__ import annotations

from msgspec import Struct


class ContentDelta(Struct, frozen=True):
    """Text for a person."""

    text: str


class ToolCallStart(Struct, frozen=True):
    """A call begins; `index` counts the calls of one reply from 0."""

    index: int
    id: str
    name: str


class ToolCallArguments(Struct, frozen=True):
    """Further characters of a call's arguments: joined, a JSON object."""

    index: int
    text: str


Delta = ContentDelta | ToolCallStart | ToolCallArguments
