"""Grammars of unfinished requests take so many bytes, and no more."""

from __future__ import annotations

import msgspec
import pytest

from forge_common.errors import RequestErrorKind
from forge_common.grammar.program import Literals, Program
from forge_scheduler.waiting_queue import QueueFull
from tests.builders import make_submit
from tests.scheduler.engine import Engine

GRAMMAR = msgspec.msgpack.encode(Program((Literals((b"a" * 600,)),)))


def test_grammars_beyond_the_bound_are_told_to_come_later() -> None:
    engine = Engine(max_grammar_bytes=1000).submit(make_submit("a", grammar=GRAMMAR))
    with pytest.raises(QueueFull, match="bytes of grammars") as caught:
        engine.submit(make_submit("b", grammar=GRAMMAR))
    assert caught.value.kind is RequestErrorKind.OVERLOADED
    assert engine.scheduler.stats().num_grammar_bytes == len(GRAMMAR)
    engine.submit(make_submit("c"))  # which brings none
    engine.run()
    assert engine.scheduler.stats().num_grammar_bytes == 0
    engine.submit(make_submit("b", grammar=GRAMMAR))


def test_one_that_is_too_large_by_itself_is_served_alone() -> None:
    engine = Engine(max_grammar_bytes=10).submit(make_submit("a", grammar=GRAMMAR, num_choices=3))
    assert engine.scheduler.stats().num_grammar_bytes == len(GRAMMAR)
    engine.abort("a")
    assert engine.scheduler.stats().num_grammar_bytes == 0


def test_long_lists_of_allowed_tokens_count_as_well() -> None:
    engine = Engine(max_grammar_bytes=1000)
    engine.submit(make_submit("a", allowed_token_ids=tuple(range(20))))
    with pytest.raises(QueueFull):
        engine.submit(make_submit("b", allowed_token_ids=tuple(range(20))))
