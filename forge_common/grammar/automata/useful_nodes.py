"""Which nodes of an NFA are of use: those behind which its end can be reached.

As far as can be told without following lookaheads and word boundaries, which may still forbid it.
Knows no states.
"""

from __future__ import annotations

from collections.abc import Mapping

from forge_common.grammar.automata.nfa import Anchor, Nfa, Symbols

WORD_ANCHORS = (Anchor.BEHIND_WORD, Anchor.NOT_BEHIND_WORD)
Sources = Mapping[int, list[int]]


def useful_nodes(nfa: Nfa, symbols: Symbols) -> set[int]:
    """Reading nodes only, where no others than `symbols` come.

    What is read puts text before every later place: no `^` matches there, and `$` only where
    nothing more is read.
    """
    sources = _sources_of_free_edges(nfa)
    anchored = nfa.anchored.items()
    ends = {node: it.to for node, it in anchored if it.anchor is not Anchor.START}
    at_end = _backwards({nfa.end}, _with_edges(sources, ends))
    boundaries = {node: it.to for node, it in anchored if it.anchor in WORD_ANCHORS}
    readers = {
        node: reading.to
        for node, reading in nfa.reading.items()
        if not reading.symbols.isdisjoint(symbols)
    }
    useful = _backwards(at_end, _with_edges(sources, {**boundaries, **readers}))
    return {node for node, to in readers.items() if to in useful}


def _sources_of_free_edges(nfa: Nfa) -> dict[int, list[int]]:
    sources: dict[int, list[int]] = {}
    for node, targets in enumerate(nfa.free):
        for to in targets:
            sources.setdefault(to, []).append(node)
    for node, looking in nfa.looking.items():
        sources.setdefault(looking.to, []).append(node)
    return sources


def _with_edges(sources: Sources, edges: Mapping[int, int]) -> Sources:
    joined = {to: list(found) for to, found in sources.items()}
    for node, to in edges.items():
        joined.setdefault(to, []).append(node)
    return joined


def _backwards(found: set[int], sources: Sources) -> set[int]:
    """Every node with a way to one of `found`."""
    reached = set(found)
    waiting = list(found)
    while waiting:
        for node in sources.get(waiting.pop(), ()):
            if node not in reached:
                reached.add(node)
                waiting.append(node)
    return reached
