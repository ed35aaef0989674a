"""How code points are spelled inside a JSON string (RFC 8259): as UTF-8, or escaped.

SHORTEST is what writers of JSON produce: UTF-8 as it is; quote and backslash behind a backslash;
controls by their short escapes, or by \\u00XX; a slash with or without a backslash. ANY adds
\\uXXXX for every code point, as a pair of surrogates where it has to be; half a pair is no text.
CANONICAL is one of the shortest spellings, so that equal texts are spelled alike: no backslash
before a slash, a control by its short escape if it has one, digits in lower case. Knows no quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.spelling import Branch, Inner, Leaf, SpellingNode, SpellingTree
from forge_common.grammar.automata.utf8 import utf8_branches

QUOTE, BACKSLASH, SLASH = 0x22, 0x5C, 0x2F
NUM_CONTROLS = 0x20
SHORT_ESCAPES = {
    '"': 0x22,
    "\\": 0x5C,
    "/": 0x2F,
    "b": 0x08,
    "f": 0x0C,
    "n": 0x0A,
    "r": 0x0D,
    "t": 0x09,
}
FIRST_PAIRED = 0x10000
PAIRS_OF_A_HIGH = 0x400


class Escapes(Enum):
    SHORTEST = "shortest"
    ANY = "any"
    CANONICAL = "canonical"


def spell_json(alphabet: Alphabet, escapes: Escapes, tree: SpellingTree) -> SpellingNode:
    hexadecimal = _Hexadecimal(alphabet, tree)
    branches = utf8_branches(alphabet, tree)
    for byte in (*range(NUM_CONTROLS), QUOTE, BACKSLASH):
        del branches[byte]
    escaped = {ord(key): hexadecimal.code_point(value) for key, value in SHORT_ESCAPES.items()}
    if escapes is Escapes.CANONICAL:
        del escaped[SLASH]
    escaped[ord("u")] = _after_u(hexadecimal, escapes)
    branches[BACKSLASH] = tree.add(escaped)
    return tree.root(branches)


def _after_u(hexadecimal: _Hexadecimal, escapes: Escapes) -> Inner:
    match escapes:
        case Escapes.SHORTEST:
            return hexadecimal.controls()
        case Escapes.CANONICAL:
            return hexadecimal.rare_controls()
        case Escapes.ANY:
            return hexadecimal.all()


def common_tree() -> SpellingTree:
    """What the trees of most alphabets have in common: the spellings of their first symbol."""
    tree = SpellingTree()
    spell_json(Alphabet((), Budget()), Escapes.ANY, tree)
    return tree


class _Hexadecimal:
    """What follows \\u: runs of code points, aligned to their size, four bits a digit."""

    def __init__(self, alphabet: Alphabet, tree: SpellingTree) -> None:
        self._alphabet = alphabet
        self._tree = tree

    def code_point(self, code_point: int) -> Branch:
        return Leaf(self._alphabet.symbol(code_point))

    def controls(self) -> Inner:
        zero = {digit: self._run(digit << 4, 1) for digit in range(NUM_CONTROLS >> 4)}
        return self._digit({0: self._digit({0: self._digit(zero)})})

    def rare_controls(self) -> Inner:
        """Those without a short escape, in lower case."""
        digits: dict[int, Branch] = {}
        for high in range(NUM_CONTROLS >> 4):
            codes = (code for code in range(high << 4, (high + 1) << 4))
            rare = {code for code in codes if code not in SHORT_ESCAPES.values()}
            digits[ord("0") + high] = self._tree.add(
                {ord(f"{code & 15:x}"): self.code_point(code) for code in rare}
            )
        zero = ord("0")
        return self._tree.add({zero: self._tree.add({zero: self._tree.add(digits)})})

    def all(self) -> Inner:
        digits: dict[int, Branch] = {
            digit: self._run(digit << 12, 3) for digit in range(16) if digit != 0xD
        }
        surrogates: dict[int, Branch] = {
            digit: self._run(0xD000 + (digit << 8), 2) for digit in range(8)
        }
        for digit in range(8, 12):
            surrogates[digit] = self._high_run((digit - 8) << 8, 2)
        digits[0xD] = self._digit(surrogates)
        return self._digit(digits)

    def _digit(self, branches: Mapping[int, Branch]) -> Inner:
        """By the value of a digit; letters in either case."""
        by_byte = {ord(f"{digit:x}"): branch for digit, branch in branches.items()}
        by_byte |= {ord(f"{digit:X}"): branch for digit, branch in branches.items()}
        return self._tree.add(by_byte)

    def _run(self, first: int, num_digits: int) -> Branch:
        """The code points from `first` that so many digits tell apart."""
        symbol = self._alphabet.common_symbol(first, first + 16**num_digits - 1)
        if num_digits == 0:
            return Leaf(self._alphabet.symbol(first))
        if symbol is None:
            return self._split_run(first, num_digits)
        key = (_Hexadecimal, symbol, num_digits)
        found = self._tree.known.get(key)
        if found is None:
            found = self._tree.known[key] = self._split_run(first, num_digits)
        return found

    def _split_run(self, first: int, num_digits: int) -> Inner:
        size = 16 ** (num_digits - 1)
        return self._digit({i: self._run(first + i * size, num_digits - 1) for i in range(16)})

    def _high_run(self, high: int, num_digits: int) -> Inner:
        """Pairs whose high surrogate is U+D800 + high, or one behind it by so many digits."""
        first = FIRST_PAIRED + high * PAIRS_OF_A_HIGH
        last = first + 16**num_digits * PAIRS_OF_A_HIGH - 1
        symbol = self._alphabet.common_symbol(first, last)
        if symbol is None:
            return self._split_high_run(high, num_digits)
        key = (_Hexadecimal, symbol, num_digits, "pairs")
        found = self._tree.known.get(key)
        if found is None:
            found = self._tree.known[key] = self._split_high_run(high, num_digits)
        return found

    def _split_high_run(self, high: int, num_digits: int) -> Inner:
        if num_digits == 0:
            return self._low(FIRST_PAIRED + high * PAIRS_OF_A_HIGH)
        size = 16 ** (num_digits - 1)
        return self._digit({i: self._high_run(high + i * size, num_digits - 1) for i in range(16)})

    def _low(self, first: int) -> Inner:
        """The second half of the pairs from `first`: \\uDC00 to \\uDFFF."""
        thirds = {0xC + i: self._run(first + (i << 8), 2) for i in range(4)}
        after_d = self._digit({0xD: self._digit(thirds)})
        return self._tree.add({BACKSLASH: self._tree.add({ord("u"): after_d})})
