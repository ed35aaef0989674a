"""The rules of each kind of body: what excludes what, and what is meant where nothing is said.

Every function takes a body and either answers one question about it or raises a RequestError that
names the field. Knows no tokenizer, no template and no engine.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from forge_api.dialect import Dialect
from forge_api.errors import model_not_found
from forge_api.grammars.calls import callable_tools
from forge_api.grammars.fields import AskedGrammar
from forge_api.messages import template_messages
from forge_api.messages import template_tools as tools_as_dicts
from forge_api.openai_types import (
    AssistantMessage,
    ChatCompletionRequest,
    CompletionRequest,
    SharedFields,
    TemplateValue,
    TokenizeRequest,
)
from forge_api.reasoning import ReasoningStart, start_after, start_within
from forge_api.sampling_fields import Asked
from forge_api.valid_request import OutputOptions, StreamingOptions, ToolParsing
from forge_common.errors import RequestError

DEFAULT_COMPLETION_TOKENS = 16  # OpenAI's, for text completions
MAX_PROMPTS = 128
MAX_GRAMMAR_COPIES_BYTES = 2**25
TEMPLATE_VARIABLES = frozenset(
    {
        "enable_thinking",
        "thinking",
        "thinking_budget",
        "preserve_thinking",
        "date_string",
        "tools_in_user_message",
        "model_identity",
    }
)
Prompt = str | list[int]


def check_model(asked: str | None, served: str) -> None:
    if asked is not None and asked != served:
        raise model_not_found(asked)


def check_shared(body: SharedFields) -> None:
    if body.stream_options is not None and not body.stream:
        raise RequestError(
            "stream_options is only allowed when stream is true", param="stream_options"
        )
    if body.stream and body.prompt_logprobs is not None:
        raise RequestError("prompt_logprobs cannot be streamed", param="prompt_logprobs")


def check_chat(body: ChatCompletionRequest) -> None:
    check_shared(body)
    if body.top_logprobs is not None and not body.logprobs:
        raise RequestError("top_logprobs needs logprobs to be true", param="top_logprobs")


def unsupported(param: str, reason: str) -> RequestError:
    return RequestError(f"`{param}`: {reason}", param=param, code="unsupported_parameter")


def adds_generation_prompt(body: ChatCompletionRequest | TokenizeRequest) -> bool:
    if not body.continue_final_message:
        return body.add_generation_prompt is not False
    if body.add_generation_prompt:
        raise RequestError(
            "continue_final_message and add_generation_prompt exclude each other",
            param="continue_final_message",
        )
    if not body.messages or not isinstance(body.messages[-1], AssistantMessage):
        raise RequestError(
            "continue_final_message needs the last message to be the assistant's",
            param="continue_final_message",
        )
    return False


def template_variables(
    body: ChatCompletionRequest | TokenizeRequest,
) -> dict[str, TemplateValue]:
    """What the client sets in the template: from a list, since a template has other inputs too."""
    variables = dict(body.chat_template_kwargs or {})
    for name in variables:
        if name not in TEMPLATE_VARIABLES:
            raise unsupported(
                f"chat_template_kwargs.{name}",
                f"only {', '.join(sorted(TEMPLATE_VARIABLES))} may be set",
            )
    if isinstance(body, ChatCompletionRequest) and body.reasoning_effort is not None:
        variables["reasoning_effort"] = body.reasoning_effort
    return variables


def template_tools(body: ChatCompletionRequest | TokenizeRequest) -> list[dict[str, Any]] | None:
    if not body.tools or (isinstance(body, ChatCompletionRequest) and body.tool_choice == "none"):
        return None
    return tools_as_dicts(body.tools)


def prompt_list(prompt: str | list[str | int | list[int]]) -> list[Prompt]:
    """The prompts of a completion: one text or id list, or a list of either."""
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise RequestError("The prompt is empty", param="prompt")
    kinds = {type(item) for item in prompt}
    if len(kinds) > 1:
        raise RequestError("A list of prompts must be all text or all token ids", param="prompt")
    if kinds == {int}:
        return [cast(list[int], prompt)]
    if len(prompt) > MAX_PROMPTS:
        raise RequestError(f"More than {MAX_PROMPTS} prompts in one request", param="prompt")
    return cast(list[Prompt], prompt)


def check_copies(grammar: bytes | None, num_prompts: int) -> None:
    """Each prompt takes the grammar along on its way."""
    num_bytes = len(grammar or b"") * num_prompts
    if num_bytes > MAX_GRAMMAR_COPIES_BYTES:
        raise RequestError(
            f"The grammar is too large for {num_prompts} prompts at once: together they take "
            f"{num_bytes} bytes of it, and may take {MAX_GRAMMAR_COPIES_BYTES}",
            param="prompt",
            code="grammar_too_large",
        )


def truncated(token_ids: list[int], body: SharedFields) -> list[int]:
    """The end of a prompt is what an answer hangs on, so the beginning goes."""
    kept = body.truncate_prompt_tokens
    return token_ids if kept is None else token_ids[-kept:]


def chat_asked(body: ChatCompletionRequest) -> Asked:
    newer = body.max_completion_tokens
    return Asked(
        max_tokens=body.max_tokens if newer is None else newer,
        max_tokens_param="max_tokens" if newer is None else "max_completion_tokens",
        num_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        num_prompt_logprobs=body.prompt_logprobs,
    )


def completion_asked(body: CompletionRequest) -> Asked:
    scores_prompt = body.echo and body.prompt_logprobs is None
    return Asked(
        max_tokens=body.max_tokens,
        num_logprobs=body.logprobs,
        num_prompt_logprobs=body.logprobs if scores_prompt else body.prompt_logprobs,
        default_max_tokens=DEFAULT_COMPLETION_TOKENS,
    )


def returns_timings(body: SharedFields) -> bool:
    return body.forge is not None and body.forge.timings


def streaming_options(body: SharedFields) -> StreamingOptions | None:
    if not body.stream:
        return None
    options = body.stream_options
    if options is None:
        return StreamingOptions(include_usage=False, continuous_usage=False)
    return StreamingOptions(
        include_usage=options.include_usage,
        continuous_usage=options.include_usage and options.continuous_usage_stats,
    )


def tool_parsing(body: ChatCompletionRequest, dialect: Dialect | None) -> ToolParsing | None:
    if dialect is None or dialect.tool_format is None:
        return None
    names = frozenset(tool.function.name for tool in callable_tools(body))
    if not names:
        return None
    return ToolParsing(dialect.tool_format, names, body.parallel_tool_calls is not False)


def reasoning_start(
    body: ChatCompletionRequest, dialect: Dialect | None, prompt: str
) -> ReasoningStart | None:
    """Where the reply stands that follows `prompt`."""
    if dialect is None or not dialect.has_reasoning:
        return None
    if not body.continue_final_message:
        return start_after(prompt)
    content = template_messages(body.messages[-1:])[0]["content"]
    return start_within(content)


def constrained_by(asked: AskedGrammar | None, options: OutputOptions) -> OutputOptions:
    """The same, knowing which field to name should the grammar fail."""
    return options if asked is None else replace(options, grammar_param=asked.param)


def chat_output(body: ChatCompletionRequest, dialect: Dialect | None, prompt: str) -> OutputOptions:
    """`dialect` is None where all of the reply is content, as what a grammar allows is."""
    return OutputOptions(
        stops=_stops(body),
        include_stop=bool(body.include_stop_str_in_output),
        skip_special_tokens=body.skip_special_tokens is not False,
        return_token_ids=bool(body.return_token_ids),
        returns_prompt_logprobs=body.prompt_logprobs is not None,
        is_continuation=bool(body.continue_final_message),
        tools=tool_parsing(body, dialect),
        reasoning=reasoning_start(body, dialect, prompt),
        kept_special_ids=frozenset() if dialect is None else dialect.special_ids,
        is_prompt_only=chat_asked(body).max_tokens == 0,
    )


def completion_output(body: CompletionRequest) -> OutputOptions:
    return OutputOptions(
        stops=_stops(body),
        include_stop=bool(body.include_stop_str_in_output),
        skip_special_tokens=body.skip_special_tokens is not False,
        return_token_ids=bool(body.return_token_ids),
        returns_prompt_logprobs=body.prompt_logprobs is not None,
        is_continuation=True,
        echo=bool(body.echo),
        is_prompt_only=body.max_tokens == 0,
    )


def _stops(body: SharedFields) -> tuple[str, ...]:
    if body.stop is None:
        return ()
    return (body.stop,) if isinstance(body.stop, str) else tuple(body.stop)
