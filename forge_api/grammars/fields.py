"""The fields by which a request constrains its text → one AskedGrammar, or a 400 naming the fields.

OpenAI's, vLLM's, SGLang's and llama.cpp's names mean the same few things. Knows their meaning; does
not know whether a grammar can be compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from forge_api.grammars.types import (
    JsonObjectFormat,
    JsonSchemaFormat,
    StructuredOutputs,
)
from forge_api.json_faults import fault_of
from forge_api.openai_types import SharedFields
from forge_common.errors import RequestError
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.schema.unread_words import unread_words
from forge_common.grammar.spec import (
    Choices,
    Ebnf,
    GrammarSpec,
    JsonObject,
    JsonSchema,
    Regex,
)

REFUSED_OPTIONS: Final = {
    "structural_tag": "only whole replies are constrained",
    "whitespace_pattern": "`whitespace` is `compact` or `free`",
    "disable_additional_properties": "say `additionalProperties` in the schema",
}
_SCHEMA_TEXT: Final = msgspec.json.Decoder(float_hook=Decimal)


class AskedGrammar(NamedTuple):
    param: str  # the field that asks for it
    spec: GrammarSpec
    tool_params: tuple[str, ...] = ()  # where it is of calls: the field of each tool's schema

    @property
    def unread(self) -> list[str]:
        """Words of its schema that say nothing about values, though they look so."""
        words = unread_words(self.spec.schema) if isinstance(self.spec, JsonSchema) else []
        return [f"{self.param}{word}" for word in words]


def asked_grammar(body: SharedFields, *, has_calls: bool = False) -> AskedGrammar | None:
    """Raises RequestError for several at once. `has_calls`: calls may come, whose arguments the
    options of JSON are for."""
    options = body.structured_outputs or StructuredOutputs()
    asked = [*_response_format(body, options), *_of_body(body, options), *_structured(options)]
    if len(asked) > 1:
        names = " and ".join(f"`{one.param}`" for one in asked)
        raise RequestError(
            f"{names} exclude each other: each constrains the whole reply", param=asked[-1].param
        )
    _check_options(options)
    if asked or not has_calls:
        _check_use_of_options(options, asked[0].spec if asked else None)
    return asked[0] if asked else None


def check_tools(asked: AskedGrammar | None, *, is_forced: bool) -> None:
    """A reply cannot be a call and in the grammar as well."""
    if asked is not None and is_forced:
        raise RequestError(
            f"`tool_choice` forces a call, and `{asked.param}` a reply of another form: they "
            "exclude each other",
            param="tool_choice",
        )


def _response_format(body: SharedFields, options: StructuredOutputs) -> Iterator[AskedGrammar]:
    match body.response_format:
        case JsonSchemaFormat(json_schema=json_schema):
            yield _schema("response_format.json_schema.schema", json_schema.schema, options)
        case JsonObjectFormat(schema=None):
            yield _json_object("response_format", options)
        case JsonObjectFormat(schema=schema):
            yield _schema("response_format.schema", schema, options)


def _of_body(body: SharedFields, options: StructuredOutputs) -> Iterator[AskedGrammar]:
    for param in ("json_schema", "guided_json"):
        if getattr(body, param) is not None:
            yield _schema(param, getattr(body, param), options)
    for param in ("regex", "guided_regex"):
        if getattr(body, param) is not None:
            yield AskedGrammar(param, Regex(getattr(body, param)))
    if body.guided_choice is not None:
        yield _choices("guided_choice", body.guided_choice)
    for param in ("grammar", "guided_grammar", "ebnf"):
        if getattr(body, param):
            yield AskedGrammar(param, Ebnf(getattr(body, param)))


def _structured(options: StructuredOutputs) -> Iterator[AskedGrammar]:
    here = "structured_outputs"
    if options.json is not None:
        yield _schema(f"{here}.json", options.json, options)
    if options.regex is not None:
        yield AskedGrammar(f"{here}.regex", Regex(options.regex))
    if options.choice is not None:
        yield _choices(f"{here}.choice", options.choice)
    if options.grammar is not None:
        yield AskedGrammar(f"{here}.grammar", Ebnf(options.grammar))
    if options.json_object:
        yield _json_object(f"{here}.json_object", options)


def _check_options(options: StructuredOutputs) -> None:
    for name, reason in REFUSED_OPTIONS.items():
        if getattr(options, name) not in (None, False):
            raise _refused(name, f"is not supported: {reason}")
    if options.whitespace == "free" and options.disable_any_whitespace:
        raise _refused("whitespace", "contradicts `disable_any_whitespace`")


def _check_use_of_options(options: StructuredOutputs, spec: GrammarSpec | None) -> None:
    if options.whitespace is not None and not isinstance(spec, JsonSchema | JsonObject):
        raise _refused("whitespace", "says how JSON is written, and no JSON is asked for")
    if options.property_order is not None and not isinstance(spec, JsonSchema):
        raise _refused("property_order", "needs a JSON schema")


def _refused(option: str, reason: str) -> RequestError:
    param = f"structured_outputs.{option}"
    return RequestError(f"`{param}` {reason}", param=param, code="unsupported_parameter")


def _schema(param: str, value: Any, options: StructuredOutputs) -> AskedGrammar:
    """A schema may come as the text of its JSON."""
    if isinstance(value, str):
        try:
            value = _SCHEMA_TEXT.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            fault = fault_of(value.encode(errors="surrogatepass"), error)
            raise RequestError(f"`{param}` cannot be read as JSON: {fault}", param=param) from error
    how = SchemaOptions(options.property_order or "schema", options.whitespace or "compact")
    return AskedGrammar(param, JsonSchema(value, how))


def _json_object(param: str, options: StructuredOutputs) -> AskedGrammar:
    return AskedGrammar(param, JsonObject(options.whitespace or "compact"))


def _choices(param: str, texts: list[str]) -> AskedGrammar:
    return AskedGrammar(param, Choices(tuple(texts)))
