"""Texts that can be read in many ways keep a handful of threads, with shared stacks."""

from __future__ import annotations

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.program import Array, Choice, Item, Literals, Program, Repeat, Sequence
from tests.common.grammar.engine.programs import program
from tests.common.grammar.engine.vocabularies import odd_vocabulary


def after(grammar: Program, text: bytes) -> State:
    state = Engine(odd_vocabulary()).start(grammar).advance_bytes(text)
    assert state is not None
    return state


def overlapping_arrays() -> Program:
    """Five kinds of arrays that nest in each other and begin alike."""
    arrays = [Array(rest=Item(other=0), min_items=count) for count in range(5)]
    return program(Choice((1, 2, 3, 4, 5, 6)), *arrays, Literals((b"1",)))


def test_overlapping_alternatives_do_not_multiply_with_depth() -> None:
    shallow, deep = (after(overlapping_arrays(), b"[1,[" * depth) for depth in (3, 200))
    assert len(deep.threads) == len(shallow.threads) <= 8
    assert deep.advance_bytes(b"]") is not None
    frames = [len(stack.frames) for _, stack in deep.threads]
    assert max(frames) <= 25


def test_a_text_of_many_readings_is_whole_if_one_of_them_is() -> None:
    pieces = program(
        Repeat(1), Choice((2, 3, 4)), *(Literals((b"a" * count,)) for count in (1, 2, 3))
    )
    state = after(pieces, b"a" * 500)
    assert state.is_accepting
    assert len(state.threads) <= 12


def test_calls_at_the_end_of_a_rule_leave_no_frame() -> None:
    """Right recursion: the stack stays as it is."""
    listed = program(Sequence((1, 2)), Literals((b"a",)), Choice((3, 0)), Literals((b".",)))
    state = after(listed, b"a" * 300)
    depths = []
    for _, stack in state.threads:
        depth = 0
        while stack.frames:
            depth += 1
            stack = next(iter(stack.frames)).below
        depths.append(depth)
    assert max(depths) <= 2


def test_returns_through_many_rules_at_once() -> None:
    """Each level may end or go on, so a single place sees the whole stack."""
    nested = program(Sequence((1, 2, 3)), Literals((b"(",)), Repeat(0, 0, 1), Literals((b"", b")")))
    state = after(nested, b"(" * 400)
    assert state.is_accepting
    assert state.mask().any()
    assert state.advance_bytes(b")" * 400) is not None
    assert state.advance_bytes(b")" * 401) is None
