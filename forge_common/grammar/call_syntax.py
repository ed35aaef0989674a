"""CallSyntax: how calls are written in a model's text, and what a reply is in which they come.

    Run       mark first OBJECT (between OBJECT)* last closing
    NamedRun  mark NAME [[id mark, id] arguments mark] ARGUMENTS
    OBJECT    {"name": NAME, "arguments": ARGUMENTS}, its members in any order behind a mark;
              NAME(a=1, b="x") where a run's notation is Python's

Data only. Knows no parser, and not which model writes how.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_TOOLS = 1024
# Of names that stand as they are, without quotes: letters and digits, and these.
NAME_MARKS = frozenset("_.-")
MAX_NAME_CHARACTERS = 256


Notation = Literal["json", "python"]


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """Calls as JSON objects, or as Python. Without a mark they begin at the start of a line, and
    only a tool's name tells them from other text; those of Python are a list then."""

    mark: str = ""
    needs_line_start: bool = False
    first: str = ""
    between: str | None = None  # None: another call needs another run
    last: str = ""
    closing: str = ""  # a mark too
    goes_on: bool = False  # an object behind the run is read as one more call, whatever it holds
    notation: Notation = "json"


class NamedRun(Struct, frozen=True, forbid_unknown_fields=True):
    """One call, whose name stands as it is."""

    mark: str
    id_mark: str
    arguments_mark: str


class CallSyntax(Struct, frozen=True, forbid_unknown_fields=True):
    runs: tuple[Run, ...]
    named_runs: tuple[NamedRun, ...] = ()
    arguments_key: str = "arguments"
    extra_keys: tuple[str, ...] = ()  # of members that may stand beside, each with a string
    fences: tuple[str, ...] = ()  # texts that begin a line, and behind which another one starts

    def has_bare(self, notation: Notation) -> bool:
        """Whether there is a run without a mark."""
        return any(not run.mark and run.notation == notation for run in self.runs)


class Tool(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parameters: Any  # JSON Schema
    is_strict: bool = True  # otherwise any object will do where the schema cannot be compiled


class ThoughtTags(Struct, frozen=True, forbid_unknown_fields=True):
    opening: str
    closing: str


class FreeReply(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a reply starts: thoughts may come, go on, or are over. Nothing in them is a call."""

    start: Literal["reply", "thoughts", "content"] = "content"
    thoughts: ThoughtTags | None = None


Tools = Annotated[tuple[Tool, ...], Meta(min_length=1, max_length=MAX_TOOLS)]
