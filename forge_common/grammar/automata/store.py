"""AutomatonStore: the automata of rules, those used of late kept warm, with the states they have.

One store a process, handed around by whoever needs automata: formats and patterns that many
schemas share are then worked out once. Equal rules get the same object. Not safe to share between
threads. Knows nothing of schemas, tokens or masks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

from forge_common.grammar.automata.budget import Meter, unmetered
from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.counted_class import with_counts_as_lengths
from forge_common.grammar.automata.json_escapes import Escapes, common_tree
from forge_common.grammar.automata.json_text import PlainText, QuotedText
from forge_common.grammar.automata.language import Language
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.automata.numbers import NumberText
from forge_common.grammar.automata.pattern import PatternCompiler
from forge_common.grammar.program import JsonString, Literals, Number, Pattern, Text

MAX_KEPT = 1024
MAX_BYTES = 64 * 2**20
COUNTED_SHARE = 4  # bytes are counted once in so many parts of what is kept
Made = TypeVar("Made")


class AutomatonStore:
    def __init__(
        self,
        meter: Meter = unmetered,
        max_kept: int = MAX_KEPT,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """`meter` learns what patterns cost, while they are worked out."""
        self._patterns = PatternCompiler(meter)
        self._common_tree = common_tree()
        self._kept: OrderedDict[object, object] = OrderedDict()
        self._max_kept = max_kept
        self._max_bytes = max_bytes
        self._num_uncounted = 0

    @property
    def num_bytes(self) -> int:
        """What is kept takes in memory, about; it grows as it is walked."""
        return sum(
            kept.num_bytes
            for kept in self._kept.values()
            if isinstance(kept, ByteAutomaton | Language)
        )

    def string(self, rule: JsonString) -> QuotedText:
        """Its lengths are left to the caller, who counts: see `ByteAutomaton.ends_character`."""
        return self.keep(
            (JsonString, rule.patterns, rule.excluded, rule.is_canonical),
            lambda: self._make_string(rule),
        )

    def is_string_empty(self, rule: JsonString) -> bool:
        """Whether no string fits, its lengths included."""
        has_lengths = rule.min_length > 0 or rule.max_length is not None
        if not has_lengths:
            return self.string(rule).is_empty
        if rule.max_length is not None and rule.max_length < rule.min_length:
            return True
        string = self.string(rule)
        return not string.can_finish(string.start, rule.min_length, rule.max_length)

    def with_counts_as_lengths(self, rule: JsonString) -> JsonString:
        """The same strings, with `^[a-z]{3,12}$` as `^[a-z]*$` and a length from 3 to 12."""
        return self.keep(
            ("counts", rule), lambda: with_counts_as_lengths(rule, self._patterns.parse)
        )

    def text(self, rule: Text) -> ByteAutomaton:
        return self.keep(rule, lambda: self._make_text(rule))

    def number(self, rule: Number) -> ByteAutomaton:
        return self.keep(rule, lambda: NumberText(rule))

    def literals(self, rule: Literals) -> ByteAutomaton:
        return self.keep(rule, lambda: LiteralTexts(rule.texts))

    def matches(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text, as JSON Schema's `pattern` means it."""
        return self._search(pattern).accepts(text)

    def _make_string(self, rule: JsonString) -> QuotedText:
        escapes = Escapes.SHORTEST if rule.patterns else Escapes.ANY
        escapes = Escapes.CANONICAL if rule.is_canonical else escapes
        language = self._patterns.search(rule.patterns, rule.excluded)
        return QuotedText(language, escapes, self._common_tree.copy())

    def _make_text(self, rule: Text) -> PlainText:
        return PlainText(self._patterns.whole(rule.pattern), self._common_tree.copy())

    def _search(self, pattern: str) -> Language:
        return self.keep((Pattern, pattern), lambda: self._patterns.search((Pattern(pattern),)))

    def keep(self, key: object, make: Callable[[], Made]) -> Made:
        """Also for whatever else of a rule depends on `key` alone."""
        found = self._kept.get(key)
        if found is None:
            found = make()
            self._forget_oldest()
            self._kept[key] = found
        else:
            self._kept.move_to_end(key)
        return cast(Made, found)

    def _forget_oldest(self) -> None:
        """Those in use elsewhere live on there.

        All bytes are counted anew, since automata grow as they are read; but only now and then.
        """
        while self._kept and len(self._kept) >= self._max_kept:
            self._kept.popitem(last=False)
        self._num_uncounted += 1
        if self._num_uncounted * COUNTED_SHARE > len(self._kept):
            self._num_uncounted = 0
            while self._kept and self.num_bytes > self._max_bytes:
                self._kept.popitem(last=False)
