"""Parsers of the tool calls that models write into their text, one module a format."""

from forge_api.tools.deltas import ContentDelta, Delta, ToolCallArguments, ToolCallStart
from forge_api.tools.formats import FORMATS, chosen_format
from forge_api.tools.parser import ToolCallParser
from forge_api.tools.reading import ToolFormat

__all__ = [
    "FORMATS",
    "ContentDelta",
    "Delta",
    "ToolCallArguments",
    "ToolCallParser",
    "ToolCallStart",
    "ToolFormat",
    "chosen_format",
]
