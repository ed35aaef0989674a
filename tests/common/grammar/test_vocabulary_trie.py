"""Every token is found at the end of its bytes, and nothing else is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie

TOKENS = st.lists(
    st.binary(max_size=6) | st.sampled_from([b"a", b"a\0", b"ab", b"\0"]), max_size=30
)


def spelled(trie: VocabularyTrie) -> list[bytes]:
    """The bytes to each node."""
    texts = [b""]
    for node in range(1, trie.num_nodes):
        texts.append(texts[trie.parent[node]] + bytes([trie.bytes_by_node[node]]))
    return texts


@given(TOKENS)
def test_nodes_are_the_prefixes_of_the_tokens(tokens: list[bytes]) -> None:
    trie = VocabularyTrie(tokens)
    texts = spelled(trie)
    prefixes = {token[:length] for token in tokens for length in range(len(token) + 1)}
    assert sorted(texts) == sorted(prefixes | {b""})
    for node, text in enumerate(texts):
        token = trie.token_list[node]
        assert (token == NO_TOKEN) == (not text or text not in tokens)
        assert token == NO_TOKEN or token == tokens.index(text)


@given(TOKENS)
def test_children_are_neighbours_by_rising_byte(tokens: list[bytes]) -> None:
    trie = VocabularyTrie(tokens)
    texts = spelled(trie)
    assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    for node, text in enumerate(texts):
        children, _ = trie.children(np.array([node], np.int32))
        longer = sorted(one for one in texts if one[:-1] == text and one)
        assert [texts[child] for child in children] == longer
        assert trie.has_children(node) == bool(longer)
        for byte in range(256):
            found = trie.child(node, byte)
            assert (found == ROOT) == (text + bytes([byte]) not in texts)
            assert found == ROOT or texts[found] == text + bytes([byte])


@given(TOKENS)
def test_twins_name_the_token_that_is_in_the_trie(tokens: list[bytes]) -> None:
    trie = VocabularyTrie(tokens)
    twins = dict(zip(trie.twins.ids.tolist(), trie.twins.first_ids.tolist(), strict=True))
    assert twins == {
        index: tokens.index(token)
        for index, token in enumerate(tokens)
        if token and tokens.index(token) != index
    }
