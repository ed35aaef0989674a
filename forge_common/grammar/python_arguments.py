"""python_arguments: a schema's Program, its values as literals of Python, its root as in a call.

    {"a": true, "b": [null, "x"]}  ──▶  (a=True, b=[None, "x"])

Numbers, lists and dicts are those of JSON. Strings are in double quotes, spelled in the one way in
which both languages mean the same: a slash behind a backslash and half a surrogate pair do not.
Arguments are those that the schema names, and identifiers of any name where it names none. Knows no
tool, and not what stands around the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from forge_common.grammar.call_syntax import MAX_NAME_CHARACTERS, NAME_MARKS
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import productive_structures
from forge_common.grammar.program import (
    ANY_VALUE,
    AnyRule,
    AnyValue,
    Choice,
    JsonString,
    Literals,
    Object,
    OtherProperties,
    Program,
    RuleIndex,
    Text,
)
from forge_common.grammar.rule_graph import with_callees

CONSTANTS: Final = {b"true": b"True", b"false": b"False", b"null": b"None"}
ANY_KEY: Final = JsonString()
OTHER_NAME: Final = "[a-zA-Z_][a-zA-Z0-9_]{0,63}"


def python_arguments(program: Program) -> Program:
    """Of one that `productive` returned. Allows nothing where none of its values is an object.

    GrammarError where an argument cannot have the name that a property has.
    """
    rules = _Rules(program.rules)
    root = rules.arguments(program.root)
    return productive_structures(Program(tuple(rules), root, program.whitespace))


def is_name(text: str) -> bool:
    """Whether an argument may have this name. Python's keywords may: a call is only read, and what
    is called `from` in a schema is called so there too."""
    return text.isidentifier() and is_name_of_call(text)


def is_name_of_call(text: str) -> bool:
    """Whether it can be read where it stands without quotes."""
    is_plain = all(character.isalnum() or character in NAME_MARKS for character in text)
    return is_plain and 0 < len(text) <= MAX_NAME_CHARACTERS


class _Rules:
    """Each rule where the program has it, any value behind them, and arguments behind that."""

    def __init__(self, rules: Sequence[AnyRule]) -> None:
        self._old = rules
        self._any_value = len(rules)
        behind = range(self._any_value, self._any_value + len(ANY_VALUE))
        any_value = (with_callees(rule, behind) for rule in ANY_VALUE)
        self._new = [self._in_python(rule) for rule in (*rules, *any_value)]

    def __iter__(self) -> Iterator[AnyRule]:
        return iter(self._new)

    def arguments(self, index: RuleIndex) -> RuleIndex:
        """Of the values of a rule that are objects."""
        match self._old[index]:
            case Choice(alternatives):
                return self._add(Choice(tuple(map(self.arguments, alternatives))))
            case AnyValue():
                key = self._add(ANY_KEY)
                return self._add(
                    self._keywords(Object(others=(OtherProperties(key, self._any_value),)))
                )
            case Object() as rule:
                return self._add(self._keywords(rule))
            case _:
                return self._add(Choice(()))

    def _keywords(self, rule: Object) -> Object:
        for named in rule.properties:
            _check_name(named.key)
        others = () if rule.properties else tuple(self._other_arguments(rule))
        return replace(
            rule, others=others, is_distinct=bool(others), max_others=None, style="keywords"
        )

    def _other_arguments(self, rule: Object) -> Iterator[OtherProperties]:
        """Keys that patterns or lengths tell apart are none of them."""
        for other in rule.others:
            key = self._new[other.key]
            if (
                isinstance(key, JsonString)
                and replace(key, excluded=(), is_canonical=False) == ANY_KEY
            ):
                yield OtherProperties(self._add(_other_name(key.excluded)), other.value)

    def _in_python(self, rule: AnyRule) -> AnyRule:
        match rule:
            case Literals(texts):
                return Literals(tuple(CONSTANTS.get(text, text) for text in texts))
            case JsonString():
                return replace(rule, is_canonical=True)
            case AnyValue():
                return Choice((self._any_value,))
            case _:
                return rule

    def _add(self, rule: AnyRule) -> RuleIndex:
        self._new.append(rule)
        return len(self._new) - 1


def _check_name(name: str) -> None:
    if not is_name(name):
        raise GrammarError(
            f"{name!r} cannot be the name of an argument where calls are written as Python",
            pointer="",
            keyword="properties",
        )


def _other_name(excluded: Sequence[str]) -> Text:
    names = [name for name in excluded if name.isascii() and is_name(name)]
    return Text(f"(?!(?:{'|'.join(names)})$){OTHER_NAME}" if names else OTHER_NAME)
