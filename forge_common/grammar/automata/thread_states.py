"""States of an NFA with assertions: sets of threads, each with duties to lookaheads.

A thread waits at a reading node. Where it passed a lookahead on its way, it also follows the body
from there, as a duty: a positive one must come to match, a negative one must never. What a body has
decided is no duty any more, so most threads have none, and then a state is the plain set of nodes
of the subset construction (Rabin and Scott 1959). `StateSpace` for LazyStates. Knows nothing of
how text is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.lookaheads import (
    NO_DUTIES,
    Duties,
    Duty,
    Lookaheads,
    Thread,
    Threads,
    ThreadState,
)
from forge_common.grammar.automata.nfa import Anchor, Before, Nfa
from forge_common.grammar.automata.useful_nodes import useful_nodes


class ThreadSpace:
    def __init__(self, nfa: Nfa, budget: Budget) -> None:
        self._nfa = nfa
        self._budget = budget
        self._lookaheads = Lookaheads(nfa, partial(ThreadSpace, budget=budget), budget)
        self.has_dead_ends = bool(nfa.looking)
        self._is_useful = useful_nodes(nfa, nfa.alphabet.all_symbols)
        self._word_symbols = nfa.alphabet.word_symbols if nfa.minds_words else frozenset()
        self._reached: dict[tuple[int, Before], Threads] = {}
        self._ends: dict[tuple[int, Before], bool] = {}
        self._entered: dict[tuple[Threads, Before], ThreadState] = {}
        self.universal = _universal_state(nfa)
        self.start = self.begin(Before.NOTHING)

    def begin(self, before: Before) -> ThreadState:
        start = self._nfa.start
        return self._state(self._reach(start, before), self._can_end(start, before))

    def is_accepting(self, key: ThreadState) -> bool:
        return key.is_accepting

    def follow(self, key: ThreadState) -> Mapping[int, ThreadState]:
        arrivals: dict[int, list[Thread]] = {}
        for node, duties in key.threads:
            symbols, to = self._nfa.reading[node]
            self._budget.spend_steps(len(symbols) * (1 + len(duties)))
            for symbol, arrived in self._lookaheads.arrivals(symbols, Thread(to, duties)):
                arrivals.setdefault(symbol, []).append(arrived)
        return {
            symbol: to for symbol, to in self._enter_all(arrivals) if to.threads or to.is_accepting
        }

    def _enter_all(self, arrivals: Mapping[int, list[Thread]]) -> Iterator[tuple[int, ThreadState]]:
        """Most symbols arrive at the same threads as others; these are told apart by identity."""
        known: dict[tuple[Before, tuple[int, ...]], ThreadState] = {}
        for symbol, threads in arrivals.items():
            before = self._behind(symbol)
            key = (before, tuple(map(id, threads)))
            found = known.get(key)
            if found is None:
                found = known[key] = self._enter(frozenset(threads), before)
            yield symbol, found

    def _behind(self, symbol: int) -> Before:
        return Before.WORD if symbol in self._word_symbols else Before.OTHER

    def _enter(self, arrivals: Threads, before: Before) -> ThreadState:
        found = self._entered.get((arrivals, before))
        if found is None:
            found = self._entered[arrivals, before] = self._make(arrivals, before)
        return found

    def _make(self, arrivals: Threads, before: Before) -> ThreadState:
        threads: set[Thread] = set()
        is_accepting = False
        for node, duties in arrivals:
            reached = self._reach(node, before)
            self._budget.spend_steps(len(reached) + 1)
            threads |= _with_duties(reached, duties) if duties else reached
            if not is_accepting and self._can_end(node, before):
                is_accepting = self._lookaheads.are_fulfilled(duties)
        return self._state(frozenset(threads), is_accepting)

    def _state(self, threads: Threads, is_accepting: bool) -> ThreadState:
        if self.universal and self.universal.threads <= threads:
            return self.universal
        if self._nfa.looking:
            minding = frozenset(map(self._lookaheads.minding, threads))
            threads = self._without_dominated(minding)
        return ThreadState(threads, is_accepting)

    def _without_dominated(self, threads: Threads) -> Threads:
        """A thread with more duties than another at its node can do nothing that one cannot."""
        at_node: dict[int, list[Thread]] = {}
        for thread in threads:
            at_node.setdefault(thread.node, []).append(thread)
        self._budget.spend_steps(sum(len(found) ** 2 for found in at_node.values()))
        return frozenset(
            thread
            for thread in threads
            if not any(other.duties < thread.duties for other in at_node[thread.node])
        )

    # without reading

    def _reach(self, node: int, before: Before) -> Threads:
        """Where a thread at `node` may read next."""
        found = self._reached.get((node, before))
        if found is None:
            found = self._reached[node, before] = self._search_readers(node, before)
        return found

    def _search_readers(self, start: int, before: Before) -> Threads:
        seen: set[Thread] = set()
        waiting = [Thread(start, NO_DUTIES)]
        while waiting:
            thread = waiting.pop()
            if thread not in seen:
                self._budget.spend_steps()
                seen.add(thread)
                waiting += self._free_steps(thread, before)
        return frozenset(thread for thread in seen if thread.node in self._is_useful)

    def _free_steps(self, thread: Thread, before: Before) -> list[Thread]:
        node, duties = thread
        steps = [Thread(to, duties) for to in self._nfa.free[node]]
        anchored = self._nfa.anchored.get(node)
        if anchored and anchored.anchor.holds_behind(before):
            steps.append(Thread(anchored.to, duties))
        if node in self._nfa.looking:
            steps += self._pass_lookahead(thread, before)
        return steps

    def _pass_lookahead(self, thread: Thread, before: Before) -> list[Thread]:
        body = self._lookaheads.bodies[thread.node]
        to = self._nfa.looking[thread.node].to
        begun = body.space.begin(before)
        if begun == body.space.universal:
            return [] if body.is_negated else [Thread(to, thread.duties)]
        duty = Duty(thread.node, body.states.number(begun))
        return [Thread(to, thread.duties | {duty})]

    def _can_end(self, node: int, before: Before) -> bool:
        """Whether a thread at `node` accepts if the text ends here."""
        found = self._ends.get((node, before))
        if found is None:
            found = self._ends[node, before] = self._search_end(node, before)
        return found

    def _search_end(self, start: int, before: Before) -> bool:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node == self._nfa.end:
                return True
            if node not in seen:
                self._budget.spend_steps()
                seen.add(node)
                waiting += self._steps_at_end(node, before)
        return False

    def _steps_at_end(self, node: int, before: Before) -> list[int]:
        steps = list(self._nfa.free[node])
        anchored = self._nfa.anchored.get(node)
        if anchored and (anchored.anchor is Anchor.END or anchored.anchor.holds_behind(before)):
            steps.append(anchored.to)
        body = self._lookaheads.bodies.get(node)
        if body and body.space.begin(before).is_accepting is not body.is_negated:
            steps.append(self._nfa.looking[node].to)
        return steps


def _with_duties(threads: Threads, duties: Duties) -> set[Thread]:
    return {Thread(thread.node, thread.duties | duties) for thread in threads}


def _universal_state(nfa: Nfa) -> ThreadState | None:
    """The state in which everything that may follow is accepted."""
    if nfa.open_loop is None:
        return None
    return ThreadState(frozenset((Thread(nfa.open_loop, NO_DUTIES),)), is_accepting=True)
