"""What the fields that constrain a reply may hold: shape only.

The names are OpenAI's (`response_format`), vLLM's (`structured_outputs`, and its older `guided_*`),
SGLang's (`regex`, `ebnf`, `json_schema`) and llama.cpp's (`grammar`, `json_schema`).
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from forge_common.grammar.program import PatternText, Whitespace
from forge_common.grammar.schema.compiler import PropertyOrder
from forge_common.grammar.spec import MAX_CHOICES

MAX_GRAMMAR_CHARACTERS = 2**20

Schema = dict[str, Any] | bool | str  # or the text of its JSON
RegexText = Annotated[PatternText, Meta(min_length=1)]
GrammarText = Annotated[str, Meta(max_length=MAX_GRAMMAR_CHARACTERS)]
ChoiceTexts = Annotated[
    list[Annotated[str, Meta(max_length=2**16)]], Meta(min_length=1, max_length=MAX_CHOICES)
]


class TextFormat(Struct, frozen=True, tag_field="type", tag="text"):
    """Asks for nothing."""


class JsonObjectFormat(Struct, frozen=True, tag_field="type", tag="json_object"):
    schema: Schema | None = None  # llama.cpp's extension


class NamedSchema(Struct, frozen=True):
    """`strict` or not, the reply is in the schema; name and description are for people."""

    schema: Schema
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    json_schema: NamedSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class StructuredOutputs(Struct, frozen=True, kw_only=True):
    """One constraint at most. The options hold for JSON that another field asks for, too."""

    json: Schema | None = None
    regex: RegexText | None = None
    choice: ChoiceTexts | None = None
    grammar: GrammarText | None = None
    json_object: bool | None = None
    whitespace: Whitespace | None = None
    property_order: PropertyOrder | None = None
    disable_any_whitespace: bool | None = None  # there is none unless `whitespace` asks for it
    disable_fallback: bool | None = None  # there is none
    structural_tag: Any = None
    whitespace_pattern: Any = None
    disable_additional_properties: Any = None
