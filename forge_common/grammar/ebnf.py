"""EBNF (see `ebnf_syntax`) to a Program.

Rules call each other as they do in the text, so they may be recursive, though not at their left
end. Parts that refer to no rule become one pattern where that is small. Knows no schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.ebnf_syntax import (
    Characters,
    Either,
    Expression,
    InOrder,
    Reference,
    Repeated,
    Words,
    escaped,
    read_ebnf,
)
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.left_recursion import find_left_recursion
from forge_common.grammar.productive import productive
from forge_common.grammar.program import AnyRule, Choice, Literals, Program, Repeat, RuleIndex, Text
from forge_common.grammar.program import Sequence as SequenceRule
from forge_common.grammar.rule_table import RuleTable

ROOT = "root"
MAX_PATTERN_DEPTH = 12
MAX_PATTERN_SIZE = 256  # in characters read, repetitions written out
MAX_PATTERN_TEXT = 2**14


def compile_ebnf(text: str, automata: AutomatonStore | None = None) -> Program:
    """From the rule `root`. GrammarError where it is malformed, or could call itself forever."""
    return _Compiler(read_ebnf(text)).compile(automata or AutomatonStore())


class _Pattern(NamedTuple):
    """An expression as a regular one."""

    text: str
    depth: int
    size: int

    @property
    def is_small(self) -> bool:
        return (
            self.depth <= MAX_PATTERN_DEPTH
            and self.size <= MAX_PATTERN_SIZE
            and len(self.text) <= MAX_PATTERN_TEXT
        )


class _Compiler:
    def __init__(self, expressions: Mapping[str, Expression]) -> None:
        self._expressions = expressions
        self._rules = RuleTable()
        self._indices = {name: self._rules.reserve() for name in expressions}

    def compile(self, automata: AutomatonStore) -> Program:
        if ROOT not in self._indices:
            raise GrammarError(f"there is no rule {ROOT!r}")
        for name, expression in self._expressions.items():
            self._rules.set(self._indices[name], Choice((self._rule_of(expression),)))
        whole = Program(self._rules.rules, self._indices[ROOT])
        self._refuse_left_recursion(whole, automata)
        return productive(whole, automata)

    def _refuse_left_recursion(self, program: Program, automata: AutomatonStore) -> None:
        found = find_left_recursion(program, automata)
        if found is not None:
            names = [name for name, index in self._indices.items() if index in found]
            raise GrammarError(f"the rule {names[0]!r} begins with itself (left recursion)")

    def _rule_of(self, expression: Expression) -> RuleIndex:
        """Recurses as deep as groups are nested, which the parser has bounded."""
        pattern = _pattern_of(expression)
        if isinstance(expression, Words):
            return self._rules.add(Literals((expression.text.encode(),)))
        if pattern is not None and pattern.is_small:
            return self._rules.add(Text(pattern.text))
        return self._rules.add(self._structure(expression))

    def _structure(self, expression: Expression) -> AnyRule:
        match expression:
            case InOrder(parts):
                return SequenceRule(tuple(map(self._rule_of, parts)))
            case Either(options):
                return Choice(tuple(map(self._rule_of, options)))
            case Repeated(part, least, most):
                return Repeat(self._rule_of(part), least, most)
            case Reference(name):
                if name not in self._indices:
                    raise GrammarError(f"there is no rule {name!r}")
                return Choice((self._indices[name],))
            case Characters(pattern):
                return Text(pattern)
            case Words(text):
                return Literals((text.encode(),))


def _pattern_of(expression: Expression) -> _Pattern | None:
    """None where it refers to a rule, or is too large for one pattern."""
    match expression:
        case Characters(text):
            return _Pattern(text, 0, 1)
        case Words(text):
            return _Pattern("".join(map(escaped, text)), 0, len(text))
        case Reference():
            return None
        case InOrder(parts):
            return _joined("", parts)
        case Either(options):
            return _joined("|", options)
        case Repeated(part, least, most):
            return _repeated(_pattern_of(part), least, most)


def _joined(separator: str, parts: tuple[Expression, ...]) -> _Pattern | None:
    patterns = []
    for part in parts:
        pattern = _pattern_of(part)
        if pattern is None or not pattern.is_small:
            return None
        patterns.append(pattern)
    return _Pattern(
        f"(?:{separator.join(pattern.text for pattern in patterns)})",
        1 + max((pattern.depth for pattern in patterns), default=0),
        sum(pattern.size for pattern in patterns),
    )


def _repeated(pattern: _Pattern | None, least: int, most: int | None) -> _Pattern | None:
    if pattern is None or not pattern.is_small:
        return None
    return _Pattern(
        f"(?:{pattern.text}){{{least},{'' if most is None else most}}}",
        pattern.depth + 1,
        pattern.size * max(least + 1, most or 0),
    )
