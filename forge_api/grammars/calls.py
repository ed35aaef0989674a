"""`tools` and `tool_choice` → the grammar of a reply's calls, in the model's own format.

A call that is forced is all of the reply; where it is the model's choice, the reply is free until a
call begins. Either way a call is of a tool that may be called, with arguments by its schema. Knows
no parser beyond how its format is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from forge_api import reasoning
from forge_api.grammars.fields import AskedGrammar
from forge_api.grammars.types import StructuredOutputs
from forge_api.openai_types import (
    AllowedTools,
    AllowedToolsChoice,
    ChatCompletionRequest,
    FunctionDefinition,
    NamedToolChoice,
)
from forge_api.reasoning import ReasoningStart
from forge_api.tools import ToolFormat
from forge_common.errors import RequestError
from forge_common.grammar.call_syntax import CallSyntax, FreeReply, ThoughtTags, Tool
from forge_common.grammar.schema.compiler import PropertyOrder, SchemaOptions
from forge_common.grammar.spec import ReplyWithCalls, ToolCalls

ANY_OBJECT: Final = {"type": "object"}
NOTHING: Final = False  # as a schema: it will not be kept to
THOUGHT_TAGS: Final = ThoughtTags(reasoning.OPEN, reasoning.CLOSE)
REPLY_STARTS: Final = {
    ReasoningStart.BEFORE: FreeReply("reply", THOUGHT_TAGS),
    ReasoningStart.INSIDE: FreeReply("thoughts", THOUGHT_TAGS),
    ReasoningStart.AFTER: FreeReply("content"),
    None: FreeReply("content"),
}


class CallableTool(NamedTuple):
    place: int  # among the body's `tools`
    function: FunctionDefinition


class AskedCalls(NamedTuple):
    """The tools of `spec` are those of the body at `places`."""

    spec: ToolCalls | ReplyWithCalls
    places: tuple[int, ...]

    @property
    def asked(self) -> AskedGrammar:
        return AskedGrammar("tools", self.spec, tuple(map(_param, self.places)))

    def names_of(self, loosened: Sequence[int]) -> list[str]:
        """Of the fields that do not count."""
        return [_param(self.places[index]) for index in loosened]

    def without_lenient_schemas(self) -> AskedCalls:
        tools = tuple(
            tool if tool.is_strict else replace(tool, parameters=ANY_OBJECT)
            for tool in self.spec.tools
        )
        return self._replace(spec=replace(self.spec, tools=tools))

    @property
    def lenient(self) -> list[int]:
        """Tools whose schema need not be kept to, by their place in the grammar."""
        return [index for index, tool in enumerate(self.spec.tools) if not tool.is_strict]


def forces_calls(body: ChatCompletionRequest) -> bool:
    choice = body.tool_choice
    if isinstance(choice, AllowedToolsChoice):
        return choice.allowed_tools.mode == "required"
    return choice not in (None, "none", "auto")


def callable_tools(body: ChatCompletionRequest) -> list[CallableTool]:
    """What `tool_choice` leaves of `tools`. RequestError for a name that is not among them."""
    tools = [CallableTool(place, tool.function) for place, tool in enumerate(body.tools or [])]
    match body.tool_choice:
        case "none":
            return []
        case NamedToolChoice(function=function):
            return _named(tools, function.name)[:1]
        case AllowedToolsChoice(allowed_tools=AllowedTools(tools=allowed)):
            names = dict.fromkeys(one.function.name for one in allowed)
            return sorted(tool for name in names for tool in _named(tools, name))
        case _:
            return tools


def forced_calls(body: ChatCompletionRequest, tool_format: ToolFormat | None) -> AskedCalls | None:
    """RequestError where a call is forced that cannot be."""
    if not forces_calls(body):
        return None
    tools = callable_tools(body)
    if not tools:
        raise _refused("forces a call, but there are no `tools`")
    if tool_format is None:
        raise _refused("calls in the format of this model cannot be forced")
    is_parallel = not isinstance(body.tool_choice, NamedToolChoice) and _is_parallel(body)
    spec = ToolCalls(
        tuple(Tool(tool.function.name, _object_schema(tool)) for tool in tools),
        tool_format.syntax,
        _options(body, "schema"),
        is_parallel,
    )
    return _asked(tools, spec)


def chosen_calls(
    body: ChatCompletionRequest, tool_format: ToolFormat | None, start: ReasoningStart | None
) -> AskedCalls | None:
    """Where the model may call tools, but need not. None where nothing constrains such calls.

    RequestError where a `strict` tool cannot be constrained.
    """
    tools = callable_tools(body)
    if not tools:
        return None
    if tool_format is None:
        _refuse_strict(tools)
        return None
    return _asked(tools, _reply(body, tools, tool_format.syntax, start))


def _reply(
    body: ChatCompletionRequest,
    tools: list[CallableTool],
    syntax: CallSyntax,
    start: ReasoningStart | None,
) -> ReplyWithCalls:
    return ReplyWithCalls(
        tuple(map(_lenient_tool, tools)),
        syntax,
        REPLY_STARTS[start],
        _options(body, "any"),
        _is_parallel(body),
    )


def _asked(tools: list[CallableTool], spec: ToolCalls | ReplyWithCalls) -> AskedCalls:
    return AskedCalls(spec, tuple(tool.place for tool in tools))


def _options(body: ChatCompletionRequest, default_order: PropertyOrder) -> SchemaOptions:
    """Models are taught calls with spaces in their JSON, and with properties in any order."""
    options = body.structured_outputs or StructuredOutputs()
    is_compact = options.whitespace == "compact" or options.disable_any_whitespace
    order = options.property_order or default_order
    return SchemaOptions(order, "compact" if is_compact else "free")


def _is_parallel(body: ChatCompletionRequest) -> bool:
    return body.parallel_tool_calls is not False


def _lenient_tool(tool: CallableTool) -> Tool:
    """Its schema is kept to as far as it can be, and to the letter where it is `strict`."""
    function = tool.function
    if function.strict:
        return Tool(function.name, _object_schema(tool))
    parameters = function.parameters or {}
    is_usable = _may_be_object(parameters.get("type", "object"))
    schema = {**parameters, **ANY_OBJECT} if is_usable else NOTHING
    return Tool(function.name, schema, is_strict=False)


def _object_schema(tool: CallableTool) -> dict[str, Any]:
    """An object whatever the schema leaves open, since formats of calls have no other arguments."""
    parameters = tool.function.parameters or {}
    if not _may_be_object(parameters.get("type", "object")):
        param = _param(tool.place)
        raise RequestError(f"`{param}` are no object, as those of a call must be", param=param)
    return {**parameters, **ANY_OBJECT}


def _param(place: int) -> str:
    return f"tools[{place}].function.parameters"


def _may_be_object(kind: object) -> bool:
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _named(tools: list[CallableTool], name: str) -> list[CallableTool]:
    found = [tool for tool in tools if tool.function.name == name]
    if not found:
        raise _refused(f"names {name!r}, which is none of `tools`")
    return found


def _refuse_strict(tools: list[CallableTool]) -> None:
    for tool in tools:
        if tool.function.strict:
            param = f"tools[{tool.place}].function.strict"
            raise RequestError(
                f"`{param}`: calls in the format of this model cannot be constrained",
                param=param,
                code="unsupported_parameter",
            )


def _refused(reason: str) -> RequestError:
    return RequestError(f"`tool_choice` {reason}", param="tool_choice")
