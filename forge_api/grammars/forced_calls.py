"""`tool_choice` that forces a call → the grammar of such calls, in the model's own format.

Arguments are then those of the tool's schema, whatever the model would rather write. Knows no
parser beyond how its format is written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from forge_api.grammars.fields import AskedGrammar
from forge_api.openai_types import ChatCompletionRequest, FunctionDefinition, NamedToolChoice
from forge_api.tools import ToolFormat
from forge_common.errors import RequestError
from forge_common.grammar.spec import ToolCalls
from forge_common.grammar.tool_calls import CallSyntax, Tool


def forces_calls(body: ChatCompletionRequest) -> bool:
    return body.tool_choice not in (None, "none", "auto")


def forced_calls(
    body: ChatCompletionRequest, tool_format: ToolFormat | None
) -> AskedGrammar | None:
    """RequestError where a call is forced that cannot be."""
    if not forces_calls(body):
        return None
    functions = [tool.function for tool in body.tools or []]
    if not functions:
        raise _refused("forces a call, but there are no `tools`")
    if tool_format is None or tool_format.syntax is None:
        raise _refused("calls in the format of this model cannot be forced")
    syntax = tool_format.syntax
    if isinstance(body.tool_choice, NamedToolChoice):
        functions = _named(functions, body.tool_choice.function.name)
        syntax = _single(syntax)
    elif body.parallel_tool_calls is False:
        syntax = _single(syntax)
    tools = tuple(Tool(each.name, _arguments(each)) for each in functions)
    return AskedGrammar("tools", ToolCalls(tools, syntax))


def _arguments(function: FunctionDefinition) -> dict[str, Any]:
    """An object whatever the schema leaves open, since formats of calls have no other arguments."""
    parameters = function.parameters or {}
    kind = parameters.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise _refused(f"forces calls of {function.name!r}, whose `parameters` are no object")
    return {**parameters, "type": "object"}


def _named(functions: list[FunctionDefinition], name: str) -> list[FunctionDefinition]:
    found = [function for function in functions if function.name == name]
    if not found:
        raise _refused(f"names {name!r}, which is none of `tools`")
    return found[:1]


def _single(syntax: CallSyntax) -> CallSyntax:
    return msgspec.structs.replace(syntax, between=None)


def _refused(reason: str) -> RequestError:
    return RequestError(f"`tool_choice` {reason}", param="tool_choice")
