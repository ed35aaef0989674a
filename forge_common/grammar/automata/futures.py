"""Which symbols may still be read behind a node of an NFA, and what a lookahead makes of that.

A lookahead that waits for a symbol that cannot come any more never matches; so nobody has to go on
following it. Knows no states.
"""

from __future__ import annotations

from collections.abc import Iterable

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.nfa import Anchor, Nfa
from forge_common.grammar.automata.useful_nodes import useful_nodes

SymbolSet = int  # bit s: symbol s is in it


class Futures:
    def __init__(self, nfa: Nfa, budget: Budget) -> None:
        self._nfa = nfa
        self._ahead = _symbols_ahead(nfa, budget)
        self._matching: dict[tuple[int, SymbolSet], set[int]] = {}

    def may_match(self, looking: int, body_nodes: Iterable[int], node: int) -> bool:
        """Whether the lookahead's body, which stands at `body_nodes`, may match behind `node`."""
        key = (looking, self._ahead[node])
        found = self._matching.get(key)
        if found is None:
            body = self._nfa.looking[looking].body
            found = self._matching[key] = useful_nodes(body, _members(self._ahead[node]))
        return not found.isdisjoint(body_nodes)


def _symbols_ahead(nfa: Nfa, budget: Budget) -> list[SymbolSet]:
    """By node. Every change of one is passed on to those before it."""
    followers = _followers(nfa)
    before: list[list[int]] = [[] for _ in followers]
    for node, following in enumerate(followers):
        for to in following:
            before[to].append(node)
    ahead = [0] * len(followers)
    for node, reading in nfa.reading.items():
        ahead[node] = _set_of(reading.symbols)
    waiting = list(range(len(followers)))  # the last first: most edges lead to later nodes
    while waiting:
        budget.spend_steps()
        node = waiting.pop()
        for earlier in before[node]:
            joined = ahead[earlier] | ahead[node]
            if joined != ahead[earlier]:
                ahead[earlier] = joined
                waiting.append(earlier)
    return ahead


def _followers(nfa: Nfa) -> list[list[int]]:
    """Behind an anchor at the end nothing is read."""
    followers = [list(free) for free in nfa.free]
    anchored = {node: it for node, it in nfa.anchored.items() if it.anchor is not Anchor.END}
    for edges in (nfa.reading, anchored, nfa.looking):
        for node, edge in edges.items():
            followers[node].append(edge.to)
    return followers


def _set_of(symbols: Iterable[int]) -> SymbolSet:
    found = 0
    for symbol in symbols:
        found |= 1 << symbol
    return found


def _members(symbols: SymbolSet) -> frozenset[int]:
    return frozenset(symbol for symbol in range(symbols.bit_length()) if symbols >> symbol & 1)
