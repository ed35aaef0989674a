"""Answers are scored as they stand, and a format that loses nothing is said to lose nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forge_common.demo_model import demo_model_path
from forge_common.tokenizer import Tokenizer
from tests.bench.perplexity import held_out_texts, kv_rows, log_probabilities, weight_row
from tests.gguf_models import write_gguf_model


def test_answers_end_the_texts() -> None:
    tokenizer = Tokenizer.open(demo_model_path())
    for text in held_out_texts():
        given, answer = (
            tokenizer.decode(part)
            for part in (text.token_ids[: text.num_given], text.token_ids[text.num_given :])
        )
        assert given.endswith("<|im_start|>assistant\n")
        assert answer.endswith("<|im_end|>\n")


def test_losses_are_those_of_the_format(tmp_path: Path) -> None:
    texts = held_out_texts()[:3]
    plain = log_probabilities(demo_model_path(), texts)
    assert np.allclose(np.exp(plain).sum(axis=1), 1)
    rows = [
        weight_row(
            dtype, write_gguf_model(demo_model_path(), tmp_path / "m.gguf", dtype), texts, plain
        )
        for dtype in ("F32", "Q8_0", "Q4_0")
    ]
    assert rows[0].divergence == 0.0
    assert rows[0].same_token == 1.0
    assert rows[0].divergence < rows[1].divergence < rows[2].divergence < 0.1
    assert [round(found.bits, 1) for found in rows] == [32.0, 8.5, 4.5]


def test_caches_lose_more_the_coarser_they_are() -> None:
    exact, *others = kv_rows(held_out_texts()[:3])
    assert (exact.bits, exact.divergence, exact.same_token) == (32, 0.0, 1.0)
    losses = [found.divergence for found in others]
    assert 0 < losses[0] < losses[1] < losses[2] < 0.1
