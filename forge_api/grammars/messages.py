"""What a compiling process answers: a question is the JSON of a GrammarSpec, an answer MessagePack.

Knows nothing of how grammars are compiled.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from forge_common.sampling import MAX_GRAMMAR_BYTES


class Compiled(Struct, frozen=True, tag=True):
    """`loosened`: tools of the grammar, by their place, whose arguments may be any object."""

    program: Annotated[bytes, Meta(max_length=MAX_GRAMMAR_BYTES)]
    loosened: tuple[int, ...] = ()


class Refused(Struct, frozen=True, tag=True):
    """The request's own fault, and the same whenever it is asked again."""

    message: Annotated[str, Meta(max_length=4096)]
    is_too_large: bool = False
    tool: int | None = None  # whose schema it is about, by its place in the grammar


class Failed(Struct, frozen=True, tag=True):
    """Forge's fault: `message` is for the log."""

    message: str


Outcome = Compiled | Refused
Reply = Compiled | Refused | Failed
