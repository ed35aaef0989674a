"""References: where a part of a schema leads, and what a value has to fulfil for it.

Knows nothing of what other keywords mean.
"""

from __future__ import annotations

from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.facts import Conjunction, Term, everything, nothing
from forge_common.grammar.schema.reader import SchemaReader


class References:
    def __init__(self, document: Document) -> None:
        self._document = document

    def conjunction(self, place: Place) -> Conjunction:
        """What a value has to fulfil for this schema alone."""
        place = self.referred(place)
        schema = self._document.schema(place)
        if isinstance(schema, bool):
            return everything() if schema else nothing()
        return frozenset((Term(place),)) if schema else everything()

    def referred(self, place: Place) -> Place:
        """Where a schema leads that is a reference and nothing else."""
        seen: set[Place] = set()
        while place not in seen:
            seen.add(place)
            schema = self._document.schema(place)
            if isinstance(schema, bool) or "$ref" not in schema or len(schema) > 1:
                break
            place = self.at(SchemaReader(self._document, place), "$ref")
        return place

    def at(self, reader: SchemaReader, keyword: str) -> Place:
        """Where a `$ref`, or one of the others, leads."""
        resolve = {
            "$ref": self._document.resolve,
            "$dynamicRef": self._document.resolve_dynamic,
            "$recursiveRef": self._document.resolve_recursive,
        }[keyword]
        with reader.at(keyword):
            return resolve(reader.place, reader.text(keyword))
