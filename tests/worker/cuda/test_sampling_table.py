"""What sequences ask for reaches the device whole, up to the bounds of SamplingParams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forge_worker.cuda.device_tables import (
    MAX_BAD_WORD_TOKENS,
    MAX_BAD_WORDS,
    MAX_BIASES,
    MAX_EARLY_ENDS,
    ParamWord,
    RuleWord,
)
from forge_worker.sampler.sampler import Sampler
from forge_worker.sampler.table import SamplingTable
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.both_samplers import (
    Asked,
    OnDevice,
    draw_on_cpu,
    draw_on_device,
    drawn_of,
    limits_of,
    wanted_of,
)
from tests.worker.fakes import sampling

VOCAB = 2500


def logits_of(num_rows: int, seed: int = 0, vocab_size: int = VOCAB) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (num_rows, vocab_size)).astype(np.float32)


def everything(seed: int) -> dict[str, Any]:
    """Every list as long as it may be."""
    rng = np.random.default_rng(seed)
    tokens = rng.permutation(VOCAB).tolist()
    words = [tuple(rng.integers(0, 3, 64).tolist()) for _ in range(MAX_BAD_WORDS - 2)]
    return {
        "logit_bias": {token: float(rng.normal(0, 3)) for token in tokens[:MAX_BIASES]},
        "stop_token_ids": tuple(tokens[-1024:]),
        "eos_token_ids": tuple(tokens[-2048:-1024]),
        "min_tokens": 50,
        "bad_words": (*words, (7,), (1, 2, 9)),
        "allowed_token_ids": tuple(rng.permutation(VOCAB).tolist()),
        "repetition_penalty": 1.3,
        "temperature": 0.0,
    }


def test_bounds_of_a_row_are_those_of_the_parameters() -> None:
    assert MAX_BIASES == 1024
    assert MAX_EARLY_ENDS == 1024 + 1024
    assert MAX_BAD_WORD_TOKENS == MAX_BAD_WORDS * 64


def test_longest_lists_are_honoured(device) -> None:
    logits = logits_of(3)
    asked = [Asked(sampling(**everything(seed)), [1, 2, 3], [0, 1, 2]) for seed in range(3)]
    allowed = set(range(VOCAB)) - set(asked[0].params.stop_token_ids)
    drawn = draw_on_device(device, logits, asked)
    assert drawn == draw_on_cpu(logits, asked)
    assert drawn.token_ids[0] in allowed


@pytest.mark.parametrize(("num_output", "is_banned"), [(62, False), (63, True), (64, True)])
def test_longest_bad_word_is_matched_on_outputs_alone(device, num_output, is_banned) -> None:
    word = tuple(int(token) for token in np.random.default_rng(1).integers(0, 9, 63))
    logits = np.zeros((1, VOCAB), np.float32)
    logits[0, 11] = 5.0
    known = [8, *word]
    split = len(known) - num_output
    asked = [
        Asked(sampling(bad_words=((*word, 11),), temperature=0.0), known[:split], known[split:])
    ]
    (token,) = draw_on_device(device, logits, asked).token_ids
    assert (token != 11) == is_banned
    assert token == draw_on_cpu(logits, asked).token_ids[0]


def test_most_allowed_tokens_of_the_largest_vocabulary(device) -> None:
    vocab_size = 2**18 + 3
    logits = logits_of(1, vocab_size=vocab_size)
    allowed = tuple(np.random.default_rng(3).permutation(vocab_size)[: 2**18].tolist())
    logits[0, list(set(range(vocab_size)) - set(allowed))] = 100.0
    asked = [Asked(sampling(allowed_token_ids=allowed, temperature=0.0), [1], [])]
    assert draw_on_device(device, logits, asked) == draw_on_cpu(logits, asked)


def test_row_that_is_used_again_keeps_nothing_of_its_last_owner(device) -> None:
    held = OnDevice(device, limits_of(2, VOCAB))
    logits, plain = logits_of(1), Asked(sampling(seed=3), [5, 6], [7])
    for asked in (Asked(sampling(**everything(0)), [1, 2, 3], [0, 1, 2]), plain):
        held.set(0, asked.params, asked.choice_index, asked.history)
        held.flush()
    drawing = held.drawing(logits, wanted_of([plain]))
    held.sampler.sample(drawing)
    assert drawn_of(device, drawing) == draw_on_cpu(logits, [plain])


def test_row_set_twice_before_a_flush_is_as_last_set(device) -> None:
    held = OnDevice(device, limits_of(2, VOCAB))
    logits = logits_of(1)
    last = Asked(sampling(seed=3, repetition_penalty=2.0, bad_words=((4, 2),)), [5, 6], [4])
    for asked in (Asked(sampling(**everything(0)), [1, 2, 3], [0, 1, 2]), last):
        held.set(0, asked.params, asked.choice_index, asked.history)
    held.flush()
    drawing = held.drawing(logits, wanted_of([last]))
    held.sampler.sample(drawing)
    assert drawn_of(device, drawing) == draw_on_cpu(logits, [last])


def test_sequences_go_on_without_the_host(device) -> None:
    """Twenty steps with rules that look at what was put out, sampled tokens never uploaded."""
    vocab_size = 12
    wishes: list[dict[str, Any]] = [
        {"repetition_penalty": 1.4, "seed": 1},
        {"frequency_penalty": 1.5, "presence_penalty": -0.5, "seed": 2},
        {"bad_words": tuple((a, b) for a in range(6) for b in range(12) if (a + b) % 2), "seed": 3},
        {"min_tokens": 9, "eos_token_ids": (1,), "stop_token_ids": (2, 3), "seed": 4},
        {"temperature": 0.0, "presence_penalty": 2.0},
        {"top_k": 4, "top_p": 0.8, "repetition_penalty": 0.7, "seed": 5},
    ]
    asked = [Asked(sampling(**wish), [1, 4, 2], [3], row) for row, wish in enumerate(wishes)]
    held, table = OnDevice(device, limits_of(6, vocab_size)), SamplingTable(6, vocab_size)
    for row, one in enumerate(asked):
        held.set(row, one.params, one.choice_index, one.history)
        table.set(row, one.params, one.choice_index, one.history)
    held.flush()
    cpu, wanted = Sampler(table), wanted_of(asked)
    for step in range(20):
        logits = logits_of(6, seed=step, vocab_size=vocab_size)
        expected = cpu.sample(logits, wanted).token_ids
        drawing = held.drawing(logits, wanted)
        held.sampler.sample(drawing)
        held.kernels.append(drawing.counts, drawing.rows, drawing.tokens, drawing.statuses)
        assert to_host(device, drawing.tokens).tolist() == expected.tolist()
        table.append(wanted.rows, expected)
        wanted = wanted._replace(positions=wanted.positions + 1)


def test_mask_may_be_changed_while_a_sequence_runs(device) -> None:
    """As a grammar will do it: a mask a step, beside the flags that say it counts."""
    held = OnDevice(device, limits_of(1, 40))
    asked = Asked(sampling(temperature=0.0), [5], [])
    held.set(0, asked.params, 0, asked.history)
    held.flush()
    places = held.tables.places
    held.ring.write(places.masks.word(0), np.array([1 << 9, 0], np.int32))
    for flag in (ParamWord.HAS_RULES, ParamWord.HAS_MASK):
        held.ring.write(places.params.word(0, flag), np.ones(1, np.int32))
    held.flush()
    drawing = held.drawing(logits_of(1, vocab_size=40), wanted_of([asked]))
    held.sampler.sample(drawing)
    assert to_host(device, drawing.tokens).tolist() == [9]


def test_lists_are_uploaded_only_as_far_as_they_go(device) -> None:
    held = OnDevice(device, limits_of(1, 40))
    held.tables.rules[:] = on_device(device, np.full(held.tables.rules.shape, 99, np.int32))
    held.set(0, sampling(logit_bias={4: 1.0}), 0, Asked(sampling(), [5], []).history)
    held.flush()
    rules = to_host(device, held.tables.rules)[0]
    assert rules[RuleWord.BIAS_TOKENS : RuleWord.BIAS_TOKENS + 2].tolist() == [4, 99]
    assert (rules == 99).sum() == len(rules) - 2
