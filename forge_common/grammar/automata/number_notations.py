"""The notations of JSON numbers, as phases and the bytes that lead from one to the next.

Knows nothing of values.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from forge_common.grammar.automata.number_conditions import Place

DIGITS = b"0123456789"
NONZERO_DIGITS = b"123456789"
EXPONENT_MARKS = b"eE"


class Phase(StrEnum):
    START = "start"
    SIGNED = "signed"
    ZERO = "zero"
    NEGATIVE_ZERO = "negative zero"
    WHOLE = "whole"
    POINT = "point"
    FRACTION = "fraction"
    FRACTION_ZERO = "fraction, last a zero"
    MARK = "mark"
    PLUS = "plus"
    MINUS = "minus"
    EXPONENT = "exponent"
    NEGATIVE_EXPONENT = "negative exponent"
    ONE_DIGIT = "one digit of a short exponent"
    SHORT_EXPONENT = "two digits of it"


class Notation(StrEnum):
    INTEGER = "integer"
    PLAIN = "plain"
    SCIENTIFIC = "scientific"  # normalised
    ANY = "any"  # with an exponent of two digits at most
    CANONICAL_INTEGER = "canonical integer"
    CANONICAL = "canonical"  # plain, without a zero that could be left out


Moves = Mapping[Phase, tuple[tuple[bytes, Phase], ...]]

FIRST_DIGIT = ((b"0", Phase.ZERO), (NONZERO_DIGITS, Phase.WHOLE))
POINT = (b".", Phase.POINT)
MARK = (EXPONENT_MARKS, Phase.MARK)
INTEGER_MOVES: Moves = {
    Phase.START: ((b"-", Phase.SIGNED), *FIRST_DIGIT),
    Phase.SIGNED: FIRST_DIGIT,
    Phase.WHOLE: ((DIGITS, Phase.WHOLE),),
}
PLAIN_MOVES: Moves = {
    **INTEGER_MOVES,
    Phase.ZERO: (POINT,),
    Phase.WHOLE: ((DIGITS, Phase.WHOLE), POINT),
    Phase.POINT: ((DIGITS, Phase.FRACTION),),
    Phase.FRACTION: ((DIGITS, Phase.FRACTION),),
}
EXPONENT_MOVES: Moves = {
    Phase.MARK: ((b"+", Phase.PLUS), (b"-", Phase.MINUS), (DIGITS, Phase.EXPONENT)),
    Phase.PLUS: ((DIGITS, Phase.EXPONENT),),
    Phase.MINUS: ((DIGITS, Phase.NEGATIVE_EXPONENT),),
    Phase.EXPONENT: ((DIGITS, Phase.EXPONENT),),
    Phase.NEGATIVE_EXPONENT: ((DIGITS, Phase.NEGATIVE_EXPONENT),),
}
SCIENTIFIC_MOVES: Moves = {
    **EXPONENT_MOVES,
    Phase.START: ((b"-", Phase.SIGNED), (NONZERO_DIGITS, Phase.WHOLE)),
    Phase.SIGNED: ((NONZERO_DIGITS, Phase.WHOLE),),
    Phase.WHOLE: (POINT, MARK),
    Phase.POINT: ((DIGITS, Phase.FRACTION),),
    Phase.FRACTION: ((DIGITS, Phase.FRACTION), MARK),
}
ANY_MOVES: Moves = {
    **PLAIN_MOVES,
    Phase.MARK: ((b"+-", Phase.PLUS), (DIGITS, Phase.ONE_DIGIT)),
    Phase.PLUS: ((DIGITS, Phase.ONE_DIGIT),),
    Phase.ONE_DIGIT: ((DIGITS, Phase.SHORT_EXPONENT),),
    Phase.ZERO: (POINT, MARK),
    Phase.WHOLE: ((DIGITS, Phase.WHOLE), POINT, MARK),
    Phase.FRACTION: ((DIGITS, Phase.FRACTION), MARK),
}
CANONICAL_INTEGER_MOVES: Moves = {
    **INTEGER_MOVES,
    Phase.SIGNED: ((NONZERO_DIGITS, Phase.WHOLE),),
}
CANONICAL_FRACTION = ((NONZERO_DIGITS, Phase.FRACTION), (b"0", Phase.FRACTION_ZERO))
CANONICAL_MOVES: Moves = {
    **PLAIN_MOVES,
    Phase.SIGNED: ((b"0", Phase.NEGATIVE_ZERO), (NONZERO_DIGITS, Phase.WHOLE)),
    Phase.NEGATIVE_ZERO: (POINT,),
    Phase.POINT: CANONICAL_FRACTION,
    Phase.FRACTION: CANONICAL_FRACTION,
    Phase.FRACTION_ZERO: CANONICAL_FRACTION,
}
MOVES: Mapping[Notation, Moves] = {
    Notation.INTEGER: INTEGER_MOVES,
    Notation.PLAIN: PLAIN_MOVES,
    Notation.SCIENTIFIC: SCIENTIFIC_MOVES,
    Notation.ANY: ANY_MOVES,
    Notation.CANONICAL_INTEGER: CANONICAL_INTEGER_MOVES,
    Notation.CANONICAL: CANONICAL_MOVES,
}
PLAIN_ENDS = frozenset((Phase.ZERO, Phase.WHOLE, Phase.FRACTION))
SCIENTIFIC_ENDS = frozenset((Phase.EXPONENT, Phase.NEGATIVE_EXPONENT))
ENDS: Mapping[Notation, frozenset[Phase]] = {
    Notation.INTEGER: PLAIN_ENDS,
    Notation.PLAIN: PLAIN_ENDS,
    Notation.SCIENTIFIC: SCIENTIFIC_ENDS,
    Notation.ANY: PLAIN_ENDS | {Phase.ONE_DIGIT, Phase.SHORT_EXPONENT},
    Notation.CANONICAL_INTEGER: PLAIN_ENDS,
    Notation.CANONICAL: PLAIN_ENDS,
}
PLACES: Mapping[Phase, Place] = {
    Phase.ZERO: Place.WHOLE,
    Phase.NEGATIVE_ZERO: Place.WHOLE,
    Phase.WHOLE: Place.WHOLE,
    Phase.FRACTION: Place.FRACTION,
    Phase.FRACTION_ZERO: Place.FRACTION,
    Phase.EXPONENT: Place.EXPONENT,
    Phase.NEGATIVE_EXPONENT: Place.NEGATIVE_EXPONENT,
}
