"""Objects as rules: every key a schema names, and classes of all other keys by what follows them.

Other keys fall into classes by which patterns of `patternProperties` are found in them; a class
without keys is left out. Knows nothing of other kinds of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.program import (
    JsonString,
    Object,
    OtherProperties,
    Pattern,
    Property,
    RuleIndex,
)
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.branches import Branch, ConstantsBranch, ObjectBranch, StringBranch
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.facts import Conjunction, Properties, Term, is_nothing, nothing
from forge_common.grammar.schema.json_values import is_encodable
from forge_common.grammar.schema.regular import Regular

MAX_KEY_PATTERNS = 8
MAX_KEYS = 4096  # that are counted


class Callees(NamedTuple):
    """How to come by the rule, or by the branches, of what stands inside."""

    rule_of: Callable[[Conjunction], RuleIndex]
    branches_of: Callable[[Conjunction], Sequence[Branch]]


class _Names(NamedTuple):
    """Which keys there may be at all."""

    constants: tuple[str, ...]
    strings: tuple[JsonString, ...]


class _KeyClass(NamedTuple):
    """Keys in which these patterns are found, or not, each as it says."""

    patterns: tuple[Pattern, ...] = ()


class ObjectRules:
    def __init__(
        self, rules: RuleTable, callees: Callees, evaluation: Evaluation, regular: Regular
    ) -> None:
        self._rules = rules
        self._callees = callees
        self._evaluation = evaluation
        self._regular = regular

    def make(self, branch: ObjectBranch, is_ordered: bool) -> RuleIndex:
        names = self._names(branch)
        keys = tuple(dict.fromkeys((*branch.declared, *names.constants)))
        if not all(map(is_encodable, branch.required)):
            return self._callees.rule_of(nothing())
        keys = tuple(filter(is_encodable, keys))
        is_distinct = branch.num_properties.minimum > len(set(branch.required)) + 1
        strings = tuple(replace(name, is_canonical=is_distinct) for name in names.strings)
        others = tuple(self._others(branch, strings, keys))
        return self._rules.add(
            Object(
                properties=tuple(self._properties(branch, keys)),
                others=others,
                min_properties=branch.num_properties.minimum,
                max_properties=branch.num_properties.maximum,
                is_ordered=is_ordered,
                is_distinct=is_distinct and bool(others),
                max_others=self._num_keys(others) if is_distinct and others else None,
            )
        )

    def _num_keys(self, others: Sequence[OtherProperties]) -> int | None:
        """How many keys there are that no property names; None for more than are counted."""
        keys = dict.fromkeys(self._rules[other.key] for other in others)
        strings = [rule for rule in keys if isinstance(rule, JsonString)]
        for rule in strings:  # soon enough known of one, while all at once take long
            if self._regular.count_texts([rule], MAX_KEYS + 1) > MAX_KEYS:
                return None
        num_keys = self._regular.count_texts(strings, MAX_KEYS + 1)
        return num_keys if num_keys <= MAX_KEYS else None

    def _names(self, branch: ObjectBranch) -> _Names:
        if not branch.names:
            return _Names((), (JsonString(),))
        inner = self._callees.branches_of(branch.names)
        constants = [
            value
            for found in inner
            if isinstance(found, ConstantsBranch)
            for value in found.values
            if isinstance(value, str)
        ]
        strings = [found.rule for found in inner if isinstance(found, StringBranch)]
        return _Names(tuple(constants), tuple(strings))

    def _properties(self, branch: ObjectBranch, keys: Iterable[str]) -> Iterator[Property]:
        layers = [self._evaluation.by_key(layer) for layer in branch.layers]
        required = frozenset(branch.required)
        for key in keys:
            value = frozenset[Term]().union(*[layer(key) for layer in layers])
            if branch.names and not self._evaluation.holds(branch.names, key):
                value = nothing()
            yield Property(key, self._callees.rule_of(value), key in required)

    def _others(
        self, branch: ObjectBranch, strings: Sequence[JsonString], keys: Sequence[str]
    ) -> Iterator[OtherProperties]:
        excluded = tuple(sorted(keys))
        for key_class in self._key_classes(branch):
            value = frozenset[Term]().union(*(_value(layer, key_class) for layer in branch.layers))
            if is_nothing(value):
                continue
            for name in strings:
                rule = JsonString(
                    tuple(dict.fromkeys((*name.patterns, *key_class.patterns))),
                    name.min_length,
                    name.max_length,
                    tuple(sorted({*name.excluded, *excluded})),
                    name.is_canonical,
                )
                rule = self._regular.with_counts_as_lengths(rule) if name.is_canonical else rule
                if not self._regular.is_string_empty(rule):
                    yield OtherProperties(self._rules.add(rule), self._callees.rule_of(value))

    def _key_classes(self, branch: ObjectBranch) -> list[_KeyClass]:
        """One for each set of patterns that some keys have in common."""
        found = [named.pattern for layer in branch.layers for named in layer.patterns]
        patterns = tuple(dict.fromkeys(found))
        if len(patterns) > MAX_KEY_PATTERNS:
            raise GrammarTooLarge(
                f"more than {MAX_KEY_PATTERNS} patterns for the keys of one object",
                keyword="patternProperties",
            )
        classes = [_KeyClass()]
        for text in patterns:
            split = [
                _KeyClass((*known.patterns, Pattern(text, is_negated)))
                for known in classes
                for is_negated in (False, True)
            ]
            classes = [known for known in split if not self._is_empty(known)]
        return classes

    def _is_empty(self, key_class: _KeyClass) -> bool:
        return self._regular.is_string_empty(JsonString(key_class.patterns))


def _value(layer: Properties, key_class: _KeyClass) -> Conjunction:
    """What a layer demands of the values behind keys that it does not name."""
    matching = {pattern.text for pattern in key_class.patterns if not pattern.is_negated}
    found = [named.value for named in layer.patterns if named.pattern in matching]
    return frozenset[Term]().union(*found) if found else layer.additional
