"""Expansion: a conjunction of terms as outcomes without choices (its disjunctive normal form).

    conjunction ──terms absorbed, choices multiplied out──▶ facts about some kinds of values,
                                                            or a list of values

Alternatives that contradict each other in kind are dropped on the way; how many may be left is
bounded. Of `oneOf` those alternatives are kept apart by a negation that can overlap. Knows nothing
of what facts together allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.facts import (
    EVERY_KIND,
    Alternative,
    Choice,
    Fact,
    Listed,
    Meaning,
    Term,
    kinds_of,
)
from forge_common.grammar.schema.json_values import Kind, identity, kind_of
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.steps import Steps

MAX_OUTCOMES = 1024


class Outcome(NamedTuple):
    """Values of these kinds for which these facts hold."""

    kinds: frozenset[Kind]
    facts: tuple[Fact, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.kinds == EVERY_KIND and not self.facts


class Expanded(NamedTuple):
    outcomes: tuple[Outcome, ...]
    values: tuple[object, ...]  # and exactly these


class OneOfRule(Protocol):
    def __call__(self, always: Alternative, places: Sequence[Place]) -> Choice: ...


class _State(NamedTuple):
    pending: tuple[Term, ...]
    taken: frozenset[Term]
    choices: tuple[Choice, ...]
    facts: tuple[Fact, ...]
    kinds: frozenset[Kind]
    listed: Listed | None = None


class Expansion:
    def __init__(
        self, meanings: Meanings, evaluation: Evaluation, steps: Steps, one_of: OneOfRule
    ) -> None:
        self._meanings = meanings
        self._evaluation = evaluation
        self._steps = steps
        self._one_of = one_of
        self._choices_of_one_of: dict[Term, Choice] = {}

    def expand(
        self,
        conjunction: Iterable[Term],
        also: Alternative = Alternative(),  # noqa: B008 - immutable
        max_outcomes: int = MAX_OUTCOMES,
    ) -> Expanded:
        pending = tuple(sorted((*conjunction, *also.terms)))
        waiting = [_State(pending, frozenset(), (), also.facts, also.kinds)]
        outcomes: dict[Outcome, None] = {}
        values: list[object] = []
        while waiting:
            state = self._absorb(waiting.pop())
            if state is None:
                continue
            if state.listed is not None:
                values += self._values_left(state, state.listed)
            elif state.choices:
                waiting += self._branches(state)
            else:
                outcomes[_outcome(state)] = None
            if len(waiting) + len(outcomes) > max_outcomes:
                raise GrammarTooLarge(f"more than {max_outcomes} alternatives, multiplied out")
        return Expanded(tuple(outcomes), _distinct(values))

    def _meaning(self, term: Term) -> Meaning | None:
        return self._meanings.of(term)

    def _absorb(self, state: _State) -> _State | None:
        """Without pending terms; None where nothing can fulfil it."""
        while state.pending:
            self._steps.spend()
            term = state.pending[0]
            if term in state.taken:
                state = state._replace(pending=state.pending[1:])
                continue
            meaning = self._meaning(term)
            if meaning is None or term.opposite in state.taken:
                return None
            state = self._add(state, term, meaning)
            if not state.kinds:
                return None
        return state

    def _add(self, state: _State, term: Term, meaning: Meaning) -> _State:
        """`term` is the first that is pending."""
        choices = state.choices + meaning.choices
        listed = state.listed or next(iter(meaning.listed), None)
        # What values are listed is only looked at: no choice has to be worked out for that.
        if meaning.one_of is not None and listed is None:
            choices = (*choices, self._choice_of_one_of(term, meaning.always, meaning.one_of))
        return _State(
            state.pending[1:] + meaning.always.terms,
            state.taken | {term},
            choices,
            state.facts + meaning.always.facts,
            state.kinds & meaning.always.kinds,
            listed,
        )

    def _choice_of_one_of(self, term: Term, always: Alternative, one_of: Sequence[Place]) -> Choice:
        found = self._choices_of_one_of.get(term)
        if found is None:
            found = self._one_of(always, one_of)
            self._choices_of_one_of[term] = found
        return found

    def _branches(self, state: _State) -> list[_State]:
        """One for each alternative of the smallest choice; the first one last, on top."""
        index = min(range(len(state.choices)), key=lambda index: len(state.choices[index]))
        choice = state.choices[index]
        left = state.choices[:index] + state.choices[index + 1 :]
        self._steps.spend(len(choice))
        return [
            state._replace(
                pending=alternative.terms,
                choices=left,
                facts=state.facts + alternative.facts,
                kinds=state.kinds & alternative.kinds,
            )
            for alternative in reversed(choice)
            if state.kinds & alternative.kinds
        ]

    def _values_left(self, state: _State, listed: Listed) -> list[object]:
        """Those of the listed values that fulfil everything.

        Terms are asked as a whole, choices included: all ways through them together allow what
        the terms allow.
        """
        values = self._meanings.values(listed)
        self._steps.spend(len(values) // 64)
        if self._says_no_more(state, listed):
            return [value for value in values if kind_of(value) in state.kinds]
        return [
            value
            for value in values
            if kind_of(value) in state.kinds
            and all(self._evaluation.fact_holds(fact, value) for fact in state.facts)
            and self._evaluation.holds(state.taken, value)
        ]

    def _says_no_more(self, state: _State, listed: Listed) -> bool:
        """Whether the list and the kinds are all there is, as in most enums."""
        if state.facts or state.choices or state.taken != {Term(listed.place)}:
            return False
        meaning = self._meanings.of(Term(listed.place))
        return meaning is not None and meaning.one_of is None and meaning.listed == (listed,)


class OuterExpansion(Expansion):
    """A superset: of `oneOf` any may hold, and what cannot be negated exactly is let through."""

    def _meaning(self, term: Term) -> Meaning | None:
        try:
            return super()._meaning(term)
        except GrammarTooLarge:
            raise
        except GrammarError:
            if term.is_negated:
                return Meaning()
            raise


def _outcome(state: _State) -> Outcome:
    facts = dict.fromkeys(fact for fact in state.facts if kinds_of(fact) & state.kinds)
    return Outcome(state.kinds, tuple(facts))


def _distinct(values: list[object]) -> tuple[object, ...]:
    return tuple({identity(value): value for value in reversed(values)}.values())[::-1]
