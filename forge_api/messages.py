"""Chat messages as clients send them → as chat templates read them.

Templates know `system` where clients may say `developer`, and text only. Knows nothing of any
particular template.
"""

from __future__ import annotations

from typing import Any

import msgspec

from forge_api.openai_types import (
    AssistantMessage,
    ChatMessage,
    DeveloperMessage,
    RefusalPart,
    SpokenPart,
    TextPart,
    Tool,
    ToolMessage,
)

TemplateMessage = dict[str, Any]


def template_messages(messages: list[ChatMessage]) -> list[TemplateMessage]:
    return [_fields(message) for message in messages]


def template_tools(tools: list[Tool]) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(tool) for tool in tools]


def _fields(message: ChatMessage) -> TemplateMessage:
    fields: TemplateMessage = {"role": _role(message), "content": _text(message.content)}
    if message.name is not None:
        fields["name"] = message.name
    if isinstance(message, ToolMessage):
        fields["tool_call_id"] = message.tool_call_id
    if isinstance(message, AssistantMessage):
        fields |= _assistant_fields(message)
    return fields


def _role(message: ChatMessage) -> str:
    if isinstance(message, DeveloperMessage):
        return "system"
    return str(message.__struct_config__.tag)


def _text(content: str | list[TextPart] | list[SpokenPart | RefusalPart] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = (part.refusal if isinstance(part, RefusalPart) else part.text for part in content)
    return "".join(texts)


def _assistant_fields(message: AssistantMessage) -> TemplateMessage:
    fields: TemplateMessage = {}
    if message.refusal:
        fields["content"] = _text(message.content) or message.refusal
    if message.reasoning_content is not None:
        fields["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        fields["tool_calls"] = msgspec.to_builtins(message.tool_calls)
    return fields
