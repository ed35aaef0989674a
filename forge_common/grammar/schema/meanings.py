"""Meanings: what a term says, worked out once for each.

Schemas that lead back to themselves without looking into the value first say nothing at all, and
are refused. Knows nothing of how choices are worked out.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.assertions import Assertions
from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.facts import Listed, Meaning, Term
from forge_common.grammar.schema.json_values import identity
from forge_common.grammar.schema.negations import NegativeMeanings
from forge_common.grammar.schema.positives import PositiveMeanings
from forge_common.grammar.schema.reader import SchemaReader


class _Visit(Enum):
    BEGUN = "begun"
    DONE = "done"


class _Step(NamedTuple):
    place: Place
    is_last: bool  # all that it leads to has been visited


class Meanings:
    def __init__(self, document: Document, assertions: Assertions) -> None:
        self._document = document
        self._assertions = assertions
        self._found: dict[Term, Meaning | None] = {}
        self._identities: dict[Listed, frozenset[Hashable]] = {}
        self._visits: dict[Place, _Visit] = {}

    @cached_property
    def _positive(self) -> PositiveMeanings:
        return PositiveMeanings(self._assertions)

    @cached_property
    def _negative(self) -> NegativeMeanings:
        return NegativeMeanings(self._assertions)

    def of(self, term: Term) -> Meaning | None:
        """None where nothing fulfils it."""
        if term not in self._found:
            self._found[term] = self._make(term)
        return self._found[term]

    def values(self, listed: Listed) -> list[object]:
        return SchemaReader(self._document, listed.place).listed_values(listed.keyword)

    def identities(self, listed: Listed) -> frozenset[Hashable]:
        found = self._identities.get(listed)
        if found is None:
            found = frozenset(map(identity, self.values(listed)))
            self._identities[listed] = found
        return found

    def _make(self, term: Term) -> Meaning | None:
        schema = self._document.schema(term.place)
        if isinstance(schema, bool):
            return Meaning() if schema is not term.is_negated else None
        self._check_progress(term.place)
        return self._negative.of(term.place) if term.is_negated else self._found[term]

    def _check_progress(self, place: Place) -> None:
        """GrammarError where a schema leads back to itself before it looks into the value."""
        if not self._in_place(place):
            return
        path = [_Step(place, is_last=False)]
        while path:
            here, is_last = path.pop()
            if is_last:
                self._visits[here] = _Visit.DONE
            elif here not in self._visits:
                self._visits[here] = _Visit.BEGUN
                path.append(_Step(here, is_last=True))
                path += [_Step(to, is_last=False) for to in self._in_place(here)]
            elif self._visits[here] is _Visit.BEGUN:
                raise GrammarError(
                    "the schema refers to itself without end",
                    pointer=self._document.pointer(here),
                    keyword="$ref",
                )

    def _in_place(self, place: Place) -> list[Place]:
        """Schemas that look at the same value as this one."""
        term = Term(place)
        if isinstance(self._document.schema(place), bool):
            return []
        if term not in self._found:
            self._found[term] = self._positive.of(place)
        meaning = self._found[term]
        if meaning is None:
            return []
        alternatives = [meaning.always, *(one for choice in meaning.choices for one in choice)]
        found = [term.place for alternative in alternatives for term in alternative.terms]
        return found + list(meaning.one_of or ())
