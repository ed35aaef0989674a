"""Spelling trees: equal subtrees are one node, and every node has a shape."""

from __future__ import annotations

from forge_common.grammar.automata.spelling import Leaf, SpellingTree


def test_equal_subtrees_are_one_node() -> None:
    tree = SpellingTree()
    assert tree.add({1: Leaf(0), 2: Leaf(1)}) == tree.add({2: Leaf(1), 1: Leaf(0)})
    assert tree.add({1: Leaf(0), 2: Leaf(1)}) != tree.add({1: Leaf(0), 2: Leaf(2)})


def test_a_shape_is_the_tree_with_one_symbol() -> None:
    tree = SpellingTree()
    plain = tree.add({7: tree.add({1: Leaf(0), 2: Leaf(0)})})
    mixed = tree.add({7: tree.add({1: Leaf(3), 2: Leaf(5)})})
    assert tree.nodes[plain.node].shape is None
    assert tree.nodes[mixed.node].shape == plain.node


def test_a_node_knows_the_symbols_below_it() -> None:
    tree = SpellingTree()
    below = tree.add({1: Leaf(4), 2: Leaf(2)})
    above = tree.root({0: Leaf(9), 5: below, 6: below})
    assert above.symbols == (2, 4, 9)
    assert [found.bytes for found in above.inner] == [(5, 6)]
    assert [(found.symbol, found.bytes) for found in above.leaves] == [(9, (0,))]


def test_a_copy_grows_alone_and_pays_for_what_it_adds() -> None:
    tree = SpellingTree()
    shared = tree.add({1: Leaf(0)})
    copied = tree.copy()
    assert copied.num_bytes == 0
    copied.add({1: shared})
    assert copied.num_bytes > 0
    assert len(tree.nodes) == 1
    assert copied.add({1: Leaf(0)}) == shared
