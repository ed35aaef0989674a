"""The bodies Forge replies with: OpenAI's shapes, vLLM's names for extensions, `forge` for its own.

Shape only. Fields that a reply leaves out when they were not asked for have `UNSET` as default.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from forge_api.completion import Usage
from forge_api.timings import Timings


class ForgeNotes(Struct, frozen=True):
    """What Forge itself has to say: fields that it does not know, and where the time went."""

    ignored: list[str] | UnsetType = UNSET
    timings: Timings | UnsetType = UNSET


def notes_of(ignored: list[str], timings: Timings | None = None) -> ForgeNotes | UnsetType:
    """UNSET where there is nothing to say."""
    if not ignored and timings is None:
        return UNSET
    return ForgeNotes(ignored or UNSET, UNSET if timings is None else timings)


class TokenProbability(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprobs(TokenProbability, frozen=True):
    top_logprobs: list[TokenProbability] = msgspec.field(default_factory=list)


class ChatLogprobs(Struct, frozen=True):
    content: list[TokenLogprobs]
    refusal: None = None


class RankedLogprob(Struct, frozen=True):
    logprob: float
    rank: int | None
    decoded_token: str


PromptLogprobs = list[dict[str, RankedLogprob] | None]


class TextLogprobs(Struct, frozen=True):
    """The older shape, of text completions; the first token of a prompt has no logprob."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CalledFunction(Struct, frozen=True):
    arguments: str
    name: str | UnsetType = UNSET


class ToolCall(Struct, frozen=True):
    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class ToolCallDelta(Struct, frozen=True):
    index: int
    function: CalledFunction
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ReplyMessage(Struct, frozen=True):
    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class ChatChoice(Struct, frozen=True):
    index: int
    message: ReplyMessage
    finish_reason: str | None
    logprobs: ChatLogprobs | None = None
    stop_reason: str | int | UnsetType = UNSET
    token_ids: list[int] | UnsetType = UNSET


class ChatCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    prompt_token_ids: list[int] | UnsetType = UNSET
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET
    forge: ForgeNotes | UnsetType = UNSET


class MessageDelta(Struct, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    index: int
    delta: MessageDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | UnsetType = UNSET
    token_ids: list[int] | UnsetType = UNSET


class TextChoice(Struct, frozen=True):
    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: str | None = None
    stop_reason: str | int | UnsetType = UNSET
    token_ids: list[int] | UnsetType = UNSET
    prompt_token_ids: list[int] | UnsetType = UNSET
    prompt_logprobs: PromptLogprobs | UnsetType = UNSET


class TextCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage
    forge: ForgeNotes | UnsetType = UNSET


class ModelCard(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "forge"
    max_model_len: int | None = None


class ModelList(Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelCard]


class Tokenized(Struct, frozen=True):
    count: int
    max_model_len: int | None
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(Struct, frozen=True):
    prompt: str
