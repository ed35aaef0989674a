"""Counting tokens one by one equals counting them at once."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from forge_worker.sampler.seen_tokens import SeenTokens

TOKENS = st.lists(st.integers(0, 30), max_size=40)


def counts(seen: SeenTokens) -> dict[int, float]:
    return dict(zip(seen.token_ids.tolist(), seen.output_counts.tolist(), strict=True))


def test_prompt_tokens_are_seen_but_not_counted() -> None:
    assert counts(SeenTokens([4, 4, 9], [9])) == {4: 0, 9: 1}


@settings(max_examples=60, deadline=None)
@given(prompt=TOKENS, known=TOKENS, added=TOKENS)
def test_added_tokens_count_like_known_ones(prompt, known, added) -> None:
    seen = SeenTokens(prompt, known)
    for token_id in added:
        seen.add_output(token_id)
    expected = dict.fromkeys(prompt, 0) | Counter(known + added)
    assert counts(seen) == expected
    assert len(set(seen.token_ids.tolist())) == len(seen.token_ids)
