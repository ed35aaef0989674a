"""Parsers of the tool calls that models write into their text, one module a format."""

from forge_api.tools.deltas import ContentDelta, Delta, ToolCallArguments, ToolCallStart
from forge_api.tools.hermes import ToolCallParser

__all__ = ["ContentDelta", "Delta", "ToolCallArguments", "ToolCallParser", "ToolCallStart"]
