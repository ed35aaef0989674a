"""Walk: what a place allows of the tokens of which some bytes have been read already.

Ask is the question, Walk the answer; what works one out may ask for others on its way. Knows not
how.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from forge_common.grammar.engine.node_sets import NodeSet
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.token_sets import TokenSet


class Walk:
    __slots__ = ("leftover", "tokens")

    def __init__(self, tokens: TokenSet, leftover: NodeSet | None) -> None:
        self.tokens = tokens
        self.leftover = leftover  # where the machine has ended


class Ask(NamedTuple):
    place: Place
    nodes: NodeSet


Walking = Generator[Ask, Any, Walk]  # what is sent in is a Walk
