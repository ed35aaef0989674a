"""Penalties, bias and bans against the slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge_common.sampling import RepetitionPenalty
from forge_worker.sampler.logit_rules import LogitRules, RowRules, apply_rules, has_rules
from tests.worker.fakes import sampling
from tests.worker.sampler.reference import banned, ruled

VOCAB = 12
TOKENS = st.lists(st.integers(0, VOCAB - 1), max_size=10)
PENALTIES = st.fixed_dictionaries(
    {
        "repetition_penalty": st.sampled_from([1.0, 0.5, 1.3]),
        "presence_penalty": st.sampled_from([0.0, 1.5, -1.0]),
        "frequency_penalty": st.sampled_from([0.0, 0.7]),
        "logit_bias": st.dictionaries(st.integers(0, VOCAB - 1), st.sampled_from([-3.0, 2.0])),
        "bad_words": st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)),
        "min_tokens": st.integers(0, 5),
        "eos_token_ids": st.just((4,)),
        "stop_token_ids": st.just((5, 6)),
        "allowed_token_ids": st.none() | st.just((0, 2, 4, 6, 8)),
    }
)


def logits_of(seed: int, num_rows: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, (num_rows, VOCAB)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(params=PENALTIES, prompt=TOKENS, output=TOKENS, seed=st.integers(0, 99))
def test_equals_reference(params, prompt, output, seed) -> None:
    logits, asked = logits_of(seed), sampling(**params)
    expected = ruled(logits[0].tolist(), asked, prompt, output)
    apply_rules(logits, [RowRules(0, LogitRules(asked, prompt, output))])
    np.testing.assert_allclose(logits[0], expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(params=PENALTIES, prompt=TOKENS, output=TOKENS)
def test_appended_tokens_count_like_known_ones(params, prompt, output) -> None:
    grown, known = LogitRules(sampling(**params), prompt, []), logits_of(1)
    for token_id in output:
        grown.append(token_id)
    appended = known.copy()
    apply_rules(appended, [RowRules(0, grown)])
    apply_rules(known, [RowRules(0, LogitRules(sampling(**params), prompt, output))])
    np.testing.assert_array_equal(appended, known)


def test_rows_are_changed_independently() -> None:
    together = logits_of(3, num_rows=3)
    alone = together[2:].copy()
    rules = LogitRules(sampling(repetition_penalty=2.0, logit_bias={1: 5.0}), [1, 2], [3])
    other = LogitRules(sampling(frequency_penalty=1.0, bad_words=((7,),)), [2], [2])
    untouched = together[1].copy()
    apply_rules(together, [RowRules(0, other), RowRules(2, rules)])
    apply_rules(alone, [RowRules(0, rules)])
    np.testing.assert_array_equal(together[2], alone[0])
    np.testing.assert_array_equal(together[1], untouched)


def test_the_least_repetition_penalty_keeps_a_huge_logit_finite() -> None:
    least = next(meta.ge for meta in RepetitionPenalty.__metadata__)
    logits = np.full((1, 20), 1e36, dtype=np.float32)
    apply_rules(logits, [RowRules(0, LogitRules(sampling(repetition_penalty=least), [3], []))])
    assert np.isfinite(logits).all()


def test_ban_outweighs_bias() -> None:
    logits = logits_of(0)
    params = sampling(logit_bias={7: 100.0}, bad_words=((7,),))
    apply_rules(logits, [RowRules(0, LogitRules(params, [], []))])
    assert logits[0, 7] == -np.inf


def test_bad_word_is_banned_only_after_its_own_start() -> None:
    params = sampling(bad_words=((1, 2, 3),))
    for output in ([], [1], [2, 1], [1, 2], [3, 1, 2]):
        rules = LogitRules(params, [1, 2], output)
        assert set(rules.banned_token_ids()) == banned(params, output)


def test_ends_are_allowed_from_min_tokens_on() -> None:
    params = sampling(min_tokens=2, eos_token_ids=(4,), stop_token_ids=(5,))
    rules = LogitRules(params, [9], [1])
    assert set(rules.banned_token_ids()) == {4, 5}
    rules.append(1)
    assert set(rules.banned_token_ids()) == set()


@pytest.mark.parametrize(
    "params",
    [
        {"repetition_penalty": 1.1},
        {"presence_penalty": 0.1},
        {"frequency_penalty": -0.1},
        {"logit_bias": {1: 1.0}},
        {"bad_words": ((1,),)},
        {"min_tokens": 1},
        {"allowed_token_ids": (1,)},
    ],
)
def test_every_rule_counts_as_one(params) -> None:
    assert has_rules(sampling(**params))
    assert not has_rules(sampling(top_k=1, top_p=0.1, min_p=0.5, temperature=0.0))
