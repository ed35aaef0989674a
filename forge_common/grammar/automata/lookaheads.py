"""Lookaheads of an NFA: their bodies, and the duties of threads that have passed them.

A positive duty must come to match, a negative one must never. One that a body has decided is no
duty any more, nor is one that nothing ahead of the thread can break. Knows nothing of how threads
move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.futures import Futures
from forge_common.grammar.automata.lazy_states import LazyStates
from forge_common.grammar.automata.nfa import Nfa, Symbols

if TYPE_CHECKING:
    from forge_common.grammar.automata.thread_states import ThreadSpace


class Duty(NamedTuple):
    looking: int  # the node that passed it on
    state: int  # of its body


Duties = frozenset[Duty]
NO_DUTIES: Duties = frozenset()


class Thread(NamedTuple):
    node: int
    duties: Duties


Threads = frozenset[Thread]


class ThreadState(NamedTuple):
    threads: Threads  # each at a reading node
    is_accepting: bool


class Arrival(NamedTuple):
    symbol: int
    thread: Thread


class Body(NamedTuple):
    space: ThreadSpace
    states: LazyStates[ThreadState]
    is_negated: bool


class Lookaheads:
    def __init__(self, nfa: Nfa, space_of: Callable[[Nfa], ThreadSpace], budget: Budget) -> None:
        self._nfa = nfa
        self._budget = budget
        self._minding: dict[Thread, Thread] = {}
        self.bodies: dict[int, Body] = {}  # by the node that looks
        for node, looking in nfa.looking.items():
            space = space_of(looking.body)
            self.bodies[node] = Body(space, LazyStates(space, budget), looking.is_negated)

    def arrivals(self, symbols: Symbols, thread: Thread) -> Iterator[Arrival]:
        """Once `thread` has come to its node by one of `symbols`, with the duties left of its own.

        One object for all symbols that leave the same duties; none where a duty has failed.
        """
        if not thread.duties:
            yield from (Arrival(symbol, thread) for symbol in symbols)
            return
        duties = tuple(thread.duties)
        edges = [self.bodies[looking].states.edges(state) for looking, state in duties]
        known: dict[tuple[int | None, ...], Thread | None] = {}
        for symbol in symbols:
            states = tuple([found.get(symbol) for found in edges])
            if states not in known:
                left = self._left(duties, states)
                known[states] = None if left is None else Thread(thread.node, left)
            arrived = known[states]
            if arrived is not None:
                yield Arrival(symbol, arrived)

    def are_fulfilled(self, duties: Iterable[Duty]) -> bool:
        """Whether all hold if the text ends here."""
        return all(
            self.bodies[duty.looking].states.is_accepting(duty.state)
            is not self.bodies[duty.looking].is_negated
            for duty in duties
        )

    def minding(self, thread: Thread) -> Thread:
        """The thread without duties that it can no longer break."""
        found = self._minding.get(thread)
        if found is None:
            duties = (duty for duty in thread.duties if self._is_at_stake(duty, thread.node))
            found = self._minding[thread] = Thread(thread.node, frozenset(duties))
        return found

    def _is_at_stake(self, duty: Duty, node: int) -> bool:
        body = self.bodies[duty.looking]
        state = body.states.key(duty.state)
        if not body.is_negated or state.is_accepting:
            return True
        nodes = [thread.node for thread in state.threads]
        return self._futures.may_match(duty.looking, nodes, node)

    @cached_property
    def _futures(self) -> Futures:
        return Futures(self._nfa, self._budget)

    def _left(self, duties: Sequence[Duty], states: Sequence[int | None]) -> Duties | None:
        """Once their bodies are in these states. None where one has failed."""
        left = set()
        for duty, state in zip(duties, states, strict=True):
            body = self.bodies[duty.looking]
            if state is None or body.states.key(state) == body.space.universal:
                if (state is None) is not body.is_negated:
                    return None
            else:
                left.add(Duty(duty.looking, state))
        return frozenset(left)
