"""Chat messages and tools to the text of a prompt, by the model's own template.

Knows nothing of token ids, of HTTP, or of how the template is run (`templating/`).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from forge_api.templating.client import TemplateClient
from forge_api.templating.source import TemplateSource, read_template_source
from forge_common.checkpoint import ModelFiles
from forge_common.checkpoint.chat_templates import DEFAULT
from forge_common.errors import RequestError

TOOL_USE: Final = "tool_use"
END_OF_FINAL_MESSAGE: Final = "FORGE_END_OF_FINAL_MESSAGE "


class ChatTemplate:
    """A model's chat template. `close` ends the process that runs it."""

    def __init__(self, source: TemplateSource) -> None:
        self._source = source
        self._client = TemplateClient(source.templates)
        self._variables = self._client.load()

    @classmethod
    def of(cls, files: ModelFiles) -> ChatTemplate:
        """The template of a model; ChatML where it has none. Raises ModelError."""
        return cls(read_template_source(files))

    @property
    def texts(self) -> list[str]:
        """The templates as they are written."""
        return list(self._source.templates.values())

    @property
    def variable_names(self) -> frozenset[str]:
        """What the templates read: `tools` among it means that tools reach the model."""
        return frozenset[str]().union(*self._variables.values())

    def render(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None,
        add_generation_prompt: bool,
        continue_final_message: bool,
        kwargs: dict[str, Any],
    ) -> str:
        """The prompt. Blocks up to a second or so on a hostile template: call it in a thread.

        `kwargs` are further variables of the template; none of them replaces one named here.
        Raises RequestError for `messages` when the template refuses them or takes too long.
        """
        if continue_final_message and add_generation_prompt:
            raise RequestError(
                "continue_final_message and add_generation_prompt exclude each other.",
                param="continue_final_message",
            )
        prepared = [prepare_message(message) for message in messages]
        if continue_final_message:
            mark_end(prepared)
        variables = {
            **self._source.special_tokens,
            "documents": None,
            **kwargs,
            "messages": prepared,
            "tools": tools or None,
            "add_generation_prompt": add_generation_prompt,
        }
        text = self._client.render(self._template_for(tools), variables)
        return cut_at_mark(text, prepared[-1]["content"]) if continue_final_message else text

    def close(self) -> None:
        self._client.close()

    def _template_for(self, tools: list[dict[str, Any]] | None) -> str:
        return TOOL_USE if tools and TOOL_USE in self._source.templates else DEFAULT


def prepare_message(message: dict[str, Any]) -> dict[str, Any]:
    """A message as templates expect it: content one string, arguments of tool calls an object."""
    prepared = {**message, "content": joined_text(message.get("content"))}
    calls = message.get("tool_calls")
    if calls:
        prepared["tool_calls"] = [prepare_call(call) for call in calls]
    else:
        prepared.pop("tool_calls", None)
    return prepared


def joined_text(content: Any) -> str:
    """Parts of text, one after the other; nothing where a message only calls tools."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list() if all(isinstance(part, dict) and "text" in part for part in content):
            return "".join(str(part["text"]) for part in content)
        case _:
            raise RequestError(
                "A message's content must be text or parts of text.", param="messages"
            )


def prepare_call(call: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's clients send arguments as a JSON text, templates write them out as an object.

    A text that is no JSON object (a model may have been cut off in it) stays the text it is.
    """
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": parsed(function["arguments"])}}


def parsed(arguments: str) -> Any:
    try:
        value = msgspec.json.decode(arguments.encode() or b"{}")
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments


def mark_end(messages: list[dict[str, Any]]) -> None:
    if not messages:
        raise RequestError("There is no final message to continue.", param="messages")
    messages[-1]["content"] += END_OF_FINAL_MESSAGE


def cut_at_mark(text: str, marked_content: str) -> str:
    """The text up to the end of the final message's content, as HuggingFace cuts it.

    The mark ends in a space: where the template trimmed that, it trims the content as well.
    """
    content = marked_content.removesuffix(END_OF_FINAL_MESSAGE).strip()
    position = text.rfind(END_OF_FINAL_MESSAGE.rstrip())
    if position < 0 or content not in text:
        raise RequestError(
            "The model's chat template does not show the whole final message.",
            param="continue_final_message",
        )
    is_space_kept = text.startswith(END_OF_FINAL_MESSAGE, position)
    return text[:position] if is_space_kept else text[:position].rstrip()
