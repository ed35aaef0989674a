"""Request fields and their fate as a page of docs: `python -m forge_api.parameter_table`.

Derived from the Structs and lists that decide it, so that the page cannot say anything else.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from forge_api.openai_types import ChatCompletionRequest, CompletionRequest
from forge_api.parameters import HINTS, REFUSED, REFUSED_IN_CHAT, REFUSED_IN_COMPLETIONS, Refusal
from forge_api.rules import TEMPLATE_VARIABLES

HEAD = """# Request parameters

Made by `python -m forge_api.parameter_table > docs/parameters.md`; a test keeps it so.

- **honoured**: it does what OpenAI's reference (or, for an extension, vLLM's) says.
- **hint**: it is accepted and changes nothing in the reply.
- **refused**: a 400 that names it in `param`, unless its value asks for nothing.
- Any other field is named in the reply under `forge.ignored`, or is a 400 with `--strict-params`.
  Words of a schema that say nothing about values are named there too, by their JSON pointer.

`response_format`, `json_schema`, `structured_outputs`, `guided_*`, `regex`, `ebnf` and `grammar`
constrain the whole reply, one of them at a time. What cannot be expressed exactly is a 400 with the
place in the schema; a reply that `max_tokens` cuts off ends with `finish_reason` `length`.

| field | /v1/chat/completions | /v1/completions | |
|---|---|---|---|
"""
NOTES = {
    "model": "may be left out; another name than the served one is a 404",
    "stream_options": "`include_usage`, `continuous_usage_stats`",
    "n": "at most 16",
    "stop": "at most 16 strings",
    "max_tokens": "default: the rest of the context; text completions: 16",
    "max_completion_tokens": "goes before `max_tokens`",
    "top_k": "0 and −1 mean no limit",
    "logprobs": "text completions: a number up to 20",
    "top_logprobs": "at most 20",
    "response_format": "`text`, `json_object` (with a `schema`, if wanted), `json_schema`: kept to "
    "exactly, `strict` or not",
    "json_schema": "a JSON schema, or its text",
    "structured_outputs": "one of `json`, `regex`, `choice`, `grammar`, `json_object`; "
    "`whitespace` (`compact`, `free`) and `property_order` (`schema`, `any`) go with the other "
    "fields too",
    "guided_json": "as `json_schema`",
    "guided_regex": "as `regex`",
    "guided_choice": "a list of texts",
    "guided_grammar": "as `grammar`",
    "regex": "ECMA-262, from end to end of the reply",
    "ebnf": "as `grammar`",
    "grammar": "EBNF as llama.cpp writes it (GBNF); empty: none",
    "tool_choice": "forced or not, calls are of `tools` (or of `allowed_tools`), with arguments by "
    "their schemas",
    "tools": "calls are written and read as `--tool-call-parser` says; without `strict`, a schema "
    "that cannot be kept to is named in `forge.ignored`",
    "parallel_tool_calls": "`false` allows one call",
    "reasoning_effort": "handed to the template; in `forge.ignored` where it is not read",
    "chat_template_kwargs": f"may set {', '.join(sorted(TEMPLATE_VARIABLES))}",
    "echo": "with `logprobs`, the prompt is scored too",
    "truncate_prompt_tokens": "keeps the last so many tokens",
    "priority": "lower runs earlier, with `--policy priority`",
    "speculative": "Forge's own: `false` drafts no tokens for this request, not even those that "
    "a grammar forces; the text is the same",
    "forge": "Forge's own: with `timings` as `true` the reply says under `forge.timings` where its "
    "time went; in a stream, the last chunk does",
    "temperature": "up to 100, as vLLM takes it, where OpenAI ends at 2; default: the model's "
    "`generation_config.json`, else 1",
}


class Kind(NamedTuple):
    body: type[Struct]
    refused: dict[str, Refusal]


CHAT = Kind(ChatCompletionRequest, REFUSED | REFUSED_IN_CHAT)
COMPLETIONS = Kind(CompletionRequest, REFUSED | REFUSED_IN_COMPLETIONS)


def fate(field: str, kind: Kind) -> str:
    if field in kind.body.__struct_fields__:
        return "honoured"
    if field in HINTS:
        return "hint"
    return "refused" if field in kind.refused else "unknown"


def note(field: str) -> str:
    if field in NOTES:
        return NOTES[field]
    if field in HINTS:
        return HINTS[field]
    refusal = CHAT.refused.get(field) or COMPLETIONS.refused.get(field)
    return "" if refusal is None else refusal.reason


def markdown() -> str:
    fields = dict.fromkeys(
        (
            *CHAT.body.__struct_fields__,
            *COMPLETIONS.body.__struct_fields__,
            *HINTS,
            *CHAT.refused,
            *COMPLETIONS.refused,
        )
    )
    rows = (
        f"| `{field}` | {fate(field, CHAT)} | {fate(field, COMPLETIONS)} | {note(field)} |\n"
        for field in fields
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(markdown(), end="")
