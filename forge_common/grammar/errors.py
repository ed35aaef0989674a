"""What is wrong with a grammar: the request that brought it fails, and nothing else does.

    RequestError
    └── GrammarError          it is malformed, or cannot be expressed exactly
        └── GrammarTooLarge   it would take more states, steps or bytes than one request may

Both say where: a JSON pointer into the schema and the keyword there. The automata know neither,
so `located` fills in what is missing on the way up. Where each tool has a schema, `tool` is which.
"""

from __future__ import annotations

from typing import Self

from forge_common.errors import RequestError


class GrammarError(RequestError):
    """Refused: nothing is ever allowed that the grammar does not allow."""

    def __init__(
        self,
        reason: str,
        *,
        pointer: str | None = None,
        keyword: str | None = None,
        tool: int | None = None,
    ) -> None:
        where = "" if pointer is None else f" (at {pointer or 'the root'})"
        what = "" if keyword is None else f"{keyword}: "
        super().__init__(f"{what}{reason}{where}", code="invalid_grammar")
        self.reason = reason
        self.pointer = pointer
        self.keyword = keyword
        self.tool = tool  # by its place in the list

    def located(self, pointer: str, keyword: str | None = None) -> Self:
        """The same error, at this place unless it has a more exact one already."""
        return type(self)(
            self.reason,
            pointer=self.pointer if self.pointer is not None else pointer,
            keyword=self.keyword if self.keyword is not None else keyword,
            tool=self.tool,
        )

    def of_tool(self, tool: int) -> Self:
        """The same error, in the schema of this tool."""
        return type(self)(self.reason, pointer=self.pointer, keyword=self.keyword, tool=tool)


class GrammarTooLarge(GrammarError):
    """Understood, but beyond what one request may cost."""
