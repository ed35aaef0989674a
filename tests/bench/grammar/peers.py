"""Other engines, as they are meant to be used, each on one thread; none is imported unasked.

All are asked for compact JSON with the properties in the schema's order.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bench.grammar.bpe import Bpe
from tests.bench.grammar.engines import Follower, ForgeEngine, GrammarEngine, Row

COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}


class Contender(NamedTuple):
    module: str  # which must be importable
    make: Callable[[Bpe, Path], GrammarEngine]

    def missing(self) -> str | None:
        """Why it cannot run here."""
        try:
            import_module(self.module)
        except ImportError as error:
            return str(error)
        return None


class Llguidance:
    def __init__(self, bpe: Bpe, file: Path) -> None:
        self._library = import_module("llguidance")
        self._fill = import_module("llguidance.numpy").fill_next_token_bitmask
        text = file.read_text(encoding="utf-8")
        self._tokenizer = self._library.LLTokenizer(text, len(bpe.tokens), bpe.end_id)

    def compile(self, schema: dict[str, Any]) -> Any:
        matcher_class = self._library.LLMatcher
        grammar = matcher_class.grammar_from_json_schema(schema, defaults=COMPACT)
        matcher = matcher_class(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise ValueError(matcher.get_error())
        return matcher

    def follow(self, compiled: Any) -> Follower:
        return _LlguidanceFollower(compiled.deep_copy(), self._fill)

    def num_cached_bytes(self) -> int | None:
        return None


class _LlguidanceFollower:
    def __init__(self, matcher: Any, fill: Callable[[Any, Any, int], None]) -> None:
        self._matcher = matcher
        self._fill = fill

    def fill_mask(self, row: Row) -> None:
        self._fill(self._matcher, row.reshape(1, -1), 0)

    def advance(self, token_id: int) -> bool:
        return bool(self._matcher.consume_token(token_id))


class Xgrammar:
    def __init__(self, bpe: Bpe, file: Path) -> None:
        self._library = library = import_module("xgrammar")
        tokenizer = library.TokenizerInfo(bpe.tokens, stop_token_ids=[bpe.end_id])
        self._compiler = library.GrammarCompiler(tokenizer, max_threads=1, cache_enabled=False)

    def compile(self, schema: dict[str, Any]) -> Any:
        text = json.dumps(schema)
        return self._compiler.compile_json_schema(
            text, any_whitespace=False, separators=(",", ":"), strict_mode=True
        )

    def follow(self, compiled: Any) -> Follower:
        return _XgrammarFollower(self._library.GrammarMatcher(compiled))

    def num_cached_bytes(self) -> int | None:
        return None


class _XgrammarFollower:
    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def fill_mask(self, row: Row) -> None:
        self._matcher.fill_next_token_bitmask(row.reshape(1, -1), 0)

    def advance(self, token_id: int) -> bool:
        return bool(self._matcher.accept_token(token_id))


class OutlinesCore:
    def __init__(self, bpe: Bpe, file: Path) -> None:
        self._library = library = import_module("outlines_core")
        self._regex_of = import_module("outlines_core.json_schema").build_regex_from_schema
        ids: dict[bytes, list[int]] = {}
        for token_id, token in enumerate(bpe.tokens):
            if token:
                ids.setdefault(token, []).append(token_id)
        self._vocabulary = library.Vocabulary(bpe.end_id, ids)

    def compile(self, schema: dict[str, Any]) -> Any:
        # Without "": no white space between the parts of a value.
        return self._library.Index(self._regex_of(json.dumps(schema), ""), self._vocabulary)

    def follow(self, compiled: Any) -> Follower:
        return _OutlinesFollower(self._library.Guide(compiled))

    def num_cached_bytes(self) -> int | None:
        return None


class _OutlinesFollower:
    def __init__(self, guide: Any) -> None:
        self._guide = guide

    def fill_mask(self, row: Row) -> None:
        self._guide.write_mask_into(row.ctypes.data, row.size, row.itemsize)

    def advance(self, token_id: int) -> bool:
        try:
            self._guide.advance(token_id, False)
        except ValueError:
            return False
        return True


CONTENDERS = {
    "forge": Contender("numpy", ForgeEngine),
    "llguidance": Contender("llguidance", Llguidance),
    "xgrammar": Contender("xgrammar", Xgrammar),
    "outlines-core": Contender("outlines_core", OutlinesCore),
}


def new_row(num_tokens: int) -> Row:
    return np.zeros(-(-num_tokens // 32), np.int32)
