"""What becomes of every field a client may send: honoured, taken as a hint, refused, or unknown.

    honoured   stands in `openai_types.py` (its Struct is the list)
    hint       changes nothing in the reply: accepted, and listed in the docs
    refused    ignoring it would change what the client gets: a 400 that names it,
               unless it carries a value that asks for nothing
    unknown    named in the reply under `forge.ignored` and counted, or a 400 with --strict-params

Knows the shape of bodies, not their meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from forge_api.allowed_values import allowed_values
from forge_api.errors import from_validation
from forge_api.json_faults import fault_of
from forge_common.errors import RequestError

BodyT = TypeVar("BodyT", bound=Struct)

HINTS = {
    "user": "who asked, for the provider's own records",
    "safety_identifier": "as `user`",
    "metadata": "labels for stored completions",
    "store": "completions are not stored",
    "service_tier": "there is one tier",
    "prompt_cache_key": "prefixes are cached by their tokens",
    "prompt_cache_options": "as `prompt_cache_key`",
    "prompt_cache_retention": "as `prompt_cache_key`",
    "prediction": "a guess of the output, which only ever saves time",
    "verbosity": "a wish; say it in the system message",
    "guided_decoding_backend": "there is one way to constrain a reply",
}


class Refusal(NamedTuple):
    """Why a field is refused, and the values of it that ask for nothing."""

    reason: str
    neutral: tuple[object, ...] = ()


_NO_MEDIA = Refusal("only text goes in and out")
_NO_BEAMS = Refusal("there is no beam search", (False,))
_FIXED_TEMPLATE = Refusal("the chat template is the model's own")

REFUSED = {
    "audio": _NO_MEDIA,
    "modalities": Refusal("only text goes in and out", (["text"], [])),
    "mm_processor_kwargs": _NO_MEDIA,
    "web_search_options": Refusal("there is no web search"),
    "moderation": Refusal("there is no moderation model"),
    "functions": Refusal("it was replaced by `tools`", ([],)),
    "function_call": Refusal("it was replaced by `tool_choice`", ("none",)),
    "suffix": Refusal("the model cannot fill in the middle", ("",)),
    "best_of": Refusal("only `n` completions are made, none is dropped", (1,)),
    "use_beam_search": _NO_BEAMS,
    "length_penalty": Refusal("there is no beam search", (1, 1.0)),
    "early_stopping": _NO_BEAMS,
    "structural_tag": Refusal("only whole replies are constrained"),
    "guided_whitespace_pattern": Refusal("say `structured_outputs.whitespace`"),
    "chat_template": _FIXED_TEMPLATE,
    "documents": Refusal("documents are not handed to the chat template", ([],)),
    "prompt_embeds": Refusal("prompts are text or token ids"),
    "cache_salt": Refusal("the prefix cache is not divided by tenants"),
    "logits_processors": Refusal("no code is taken from a request", ([],)),
    "logprob_token_ids": Refusal("only the likeliest tokens are reported", ([],)),
    "return_tokens_as_token_ids": Refusal("use `return_token_ids`", (False,)),
    "repetition_detection": Refusal("loops are not detected"),
    "thinking_token_budget": Refusal("thinking is not limited"),
    "typical_p": Refusal("this sampler does not exist here", (1, 1.0, 0, 0.0)),
    "mirostat": Refusal("this sampler does not exist here", (0,)),
}

# `echo` of a chat and the logprobs of another kind are honoured by completions only.
REFUSED_IN_CHAT = {
    "echo": Refusal("chat completions do not repeat their prompt", (False,)),
    "prompt": Refusal("chat completions take `messages`"),
}
REFUSED_IN_COMPLETIONS = {
    "messages": Refusal("text completions take `prompt`"),
    "tools": Refusal("text completions call no tools", ([],)),
    "top_logprobs": Refusal("text completions take a number as `logprobs`"),
}


# They may hold schemas, whose numbers mean what is written: no float may round them.
EXACT_FIELDS = frozenset({"response_format", "json_schema", "structured_outputs", "guided_json"})
MAX_SCHEMA_BYTES = 2 * 2**20  # reading more would hold up the other streams


class Parsed(NamedTuple, Generic[BodyT]):
    body: BodyT
    ignored: list[str]


class BodyParser(Generic[BodyT]):
    """bytes → one kind of body, or a RequestError that names the offending field."""

    def __init__(
        self, body_type: type[BodyT], refused: dict[str, Refusal], *, is_strict: bool
    ) -> None:
        self._type = body_type
        self._refused = refused
        self._is_strict = is_strict

    def parse(self, raw: bytes | bytearray) -> Parsed[BodyT]:
        fields = _decode_object(raw)
        self._refuse(fields)
        try:
            body = msgspec.convert(fields, self._type, str_keys=True)
        except msgspec.ValidationError as error:
            allowed_at = partial(allowed_values, self._type, fields)
            raise from_validation(error, allowed_at) from error
        ignored = [path for path in unknown_fields(fields, body) if path not in HINTS]
        if ignored and self._is_strict:
            raise RequestError(
                f"Unknown parameter: `{ignored[0]}`", param=ignored[0], code="unknown_parameter"
            )
        return Parsed(body, ignored)

    def _refuse(self, fields: dict[str, Any]) -> None:
        for name in fields.keys() & self._refused.keys():
            refusal = self._refused[name]
            if fields[name] is not None and fields[name] not in refusal.neutral:
                raise RequestError(
                    f"`{name}` is not supported: {refusal.reason}",
                    param=name,
                    code="unsupported_parameter",
                )


def _decode_object(raw: bytes | bytearray) -> dict[str, Any]:
    try:
        return {name: _decode_field(name, text) for name, text in _texts_of_fields(raw).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"The body cannot be read as JSON: {fault_of(raw, error)}"
        raise RequestError(reason, code="invalid_json") from error


def _texts_of_fields(raw: bytes | bytearray) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise RequestError("The body must be a JSON object", code="invalid_json") from error


def _decode_field(name: str, text: msgspec.Raw) -> Any:
    if name not in EXACT_FIELDS:
        return msgspec.json.decode(text)
    if len(memoryview(text)) > MAX_SCHEMA_BYTES:
        raise RequestError(
            f"`{name}` takes more than {MAX_SCHEMA_BYTES} bytes",
            param=name,
            code="grammar_too_large",
        )
    return msgspec.json.Decoder(float_hook=Decimal).decode(text)


def unknown_fields(raw: Any, value: Any, path: str = "") -> Iterator[str]:
    """Paths of the keys of `raw` that the Struct `value` made of it did not take up.

    A field that was given as `null` asks for nothing and is passed over.
    """
    if isinstance(value, Struct) and isinstance(raw, dict):
        known = {*value.__struct_fields__, value.__struct_config__.tag_field}
        for key, item in raw.items():
            here = f"{path}.{key}" if path else key
            if key in known:
                yield from unknown_fields(item, getattr(value, key, None), here)
            elif item is not None and key not in REFUSED:
                yield here
    elif isinstance(value, list) and isinstance(raw, list):
        for index, (raw_item, item) in enumerate(zip(raw, value, strict=True)):
            if isinstance(item, (Struct, list)):
                yield from unknown_fields(raw_item, item, f"{path}[{index}]")
