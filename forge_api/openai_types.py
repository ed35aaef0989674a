"""The bodies clients send, as Structs: names, types and bounds of every field Forge honours.

A field that stands here is honoured; what else a client may send is judged in `parameters.py`.
The names are OpenAI's, and for extensions vLLM's. Shape only: no defaults of a model, no meaning.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from forge_api.grammars.types import (
    ChoiceTexts,
    GrammarText,
    RegexText,
    ResponseFormat,
    Schema,
    StructuredOutputs,
)
from forge_common.protocol.api_scheduler import Priority
from forge_common.sampling import MAX_CHOICES, MAX_LOGPROBS, RepetitionPenalty, TokenId

MAX_MESSAGES = 4096
MAX_STOPS = 16

StopString = Annotated[str, Meta(min_length=1, max_length=1024)]
Stop = StopString | Annotated[list[StopString], Meta(max_length=MAX_STOPS)]
Penalty = Annotated[float, Meta(ge=-2.0, le=2.0)]
Bias = Annotated[float, Meta(ge=-100.0, le=100.0)]
MaxTokens = Annotated[int, Meta(ge=0, lt=2**31)]
TokenIdArray = Annotated[list[TokenId], Meta(max_length=2**21)]
BadWordText = Annotated[str, Meta(min_length=1, max_length=256)]


class TextPart(Struct, frozen=True):
    """Not told by a tag, which nobody has to give where there is but one kind."""

    type: Literal["text"]
    text: str


class SpokenPart(Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


TextContent = str | Annotated[list[TextPart], Meta(max_length=1024)]
AssistantContent = str | Annotated[list[SpokenPart | RefusalPart], Meta(max_length=1024)]


class FunctionCall(Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: str | dict[str, Any] = "{}"


class MessageToolCall(Struct, frozen=True):
    function: FunctionCall
    id: str = ""
    type: Literal["function"] = "function"


class SystemMessage(Struct, frozen=True, tag_field="role", tag="system"):
    content: TextContent
    name: str | None = None


class DeveloperMessage(Struct, frozen=True, tag_field="role", tag="developer"):
    content: TextContent
    name: str | None = None


class UserMessage(Struct, frozen=True, tag_field="role", tag="user"):
    content: TextContent
    name: str | None = None


class ToolMessage(Struct, frozen=True, tag_field="role", tag="tool"):
    content: TextContent
    tool_call_id: str = ""
    name: str | None = None


class AssistantMessage(Struct, frozen=True, tag_field="role", tag="assistant"):
    """`audio`, `annotations` and `function_call` come back from clients as null or empty."""

    content: AssistantContent | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[MessageToolCall], Meta(max_length=128)] | None = None
    reasoning_content: str | None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage
Messages = Annotated[list[ChatMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class StreamOptions(Struct, frozen=True):
    include_usage: bool = False
    continuous_usage_stats: bool = False
    include_obfuscation: bool = False  # a hint: Forge's chunks carry no padding


class FunctionDefinition(Struct, frozen=True, omit_defaults=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True):
    function: FunctionDefinition
    type: Literal["function"] = "function"


Tools = Annotated[list[Tool], Meta(max_length=128)]


class NamedFunction(Struct, frozen=True):
    name: str


class NamedToolChoice(Struct, frozen=True, tag_field="type", tag="function"):
    """Forces a call of one tool."""

    function: NamedFunction


class AllowedTool(Struct, frozen=True):
    function: NamedFunction
    type: Literal["function"] = "function"


class AllowedTools(Struct, frozen=True):
    mode: Literal["auto", "required"]
    tools: Annotated[list[AllowedTool], Meta(min_length=1, max_length=128)]


class AllowedToolsChoice(Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """Some of the tools may be called, or must be; the model still sees all of them."""

    allowed_tools: AllowedTools


ToolChoice = Literal["none", "auto", "required"] | NamedToolChoice | AllowedToolsChoice


class ForgeOptions(Struct, frozen=True):
    """What a client may ask of Forge alone."""

    timings: bool = False


class SharedFields(Struct, frozen=True, kw_only=True):
    """What chat and text completions have in common; `None` is "not asked for"."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: MaxTokens | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    stop: Stop | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[TokenId, Bias], Meta(max_length=1024)] | None = None
    # extensions
    top_k: Annotated[int, Meta(ge=-1, lt=2**31)] | None = None
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    repetition_penalty: RepetitionPenalty | None = None
    min_tokens: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    ignore_eos: bool | None = None
    stop_token_ids: Annotated[list[TokenId], Meta(max_length=1024)] | None = None
    bad_words: Annotated[list[BadWordText], Meta(max_length=64)] | None = None
    allowed_token_ids: Annotated[list[TokenId], Meta(min_length=1, max_length=2**18)] | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    return_token_ids: bool | None = None
    prompt_logprobs: Annotated[int, Meta(ge=0, le=MAX_LOGPROBS)] | None = None
    truncate_prompt_tokens: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    priority: Priority | None = None
    speculative: bool | None = None
    forge: ForgeOptions | None = None
    # at most one of these constrains the reply
    response_format: ResponseFormat | None = None
    json_schema: Schema | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: Schema | None = None
    guided_regex: RegexText | None = None
    guided_choice: ChoiceTexts | None = None
    guided_grammar: GrammarText | None = None
    regex: RegexText | None = None
    ebnf: GrammarText | None = None
    grammar: GrammarText | None = None


TemplateValue = str | int | float | bool | None


class ChatCompletionRequest(SharedFields, frozen=True, kw_only=True):
    messages: Messages
    max_completion_tokens: MaxTokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_LOGPROBS)] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[str, TemplateValue] | None = None


class CompletionRequest(SharedFields, frozen=True, kw_only=True):
    """`prompt` is text, texts, token ids, or lists of token ids; `validation.py` tells which."""

    prompt: str | Annotated[list[str | TokenId | TokenIdArray], Meta(max_length=2**21)]
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_LOGPROBS)] | None = None
    add_special_tokens: bool | None = None


class TokenizeRequest(Struct, frozen=True, kw_only=True):
    """Either `prompt` or `messages`."""

    model: str | None = None
    prompt: str | None = None
    messages: Messages | None = None
    tools: Tools | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[str, TemplateValue] | None = None


class DetokenizeRequest(Struct, frozen=True, kw_only=True):
    tokens: TokenIdArray
    model: str | None = None
