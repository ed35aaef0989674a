"""What a schema's program allows, asked of the slow recogniser."""

from __future__ import annotations

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.schema.json_values import value_text
from tests.common.grammar.reference import accepts

ANY_ORDER = SchemaOptions(property_order="any")


class Languages:
    def __init__(self) -> None:
        self.automata = AutomatonStore()

    def compile(self, schema: object, options: SchemaOptions = ANY_ORDER) -> Program:
        return compile_schema(schema, options, self.automata)

    def allows(self, schema: object, value: object) -> bool:
        return self.allows_text(schema, value_text(value), ANY_ORDER)

    def allows_text(self, schema: object, text: str, options: SchemaOptions | None = None) -> bool:
        program = self.compile(schema, options or SchemaOptions())
        return accepts(program, text.encode(), self.automata)
