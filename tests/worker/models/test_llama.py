"""The same tokens give the same logits, however they are cut, batched and cached."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.models.registry import Model
from tests.worker.forward import Runner, Work, forward, make_inputs
from tests.worker.tiny_models import make_tiny_model

WINDOWS = {"architectures": ["MistralForCausalLM"], "sliding_window": 20}
FAMILIES = {
    "full": {},
    "sliding": WINDOWS,
    "mixed": {
        "architectures": ["Qwen3ForCausalLM"],
        "head_dim": 8,
        "use_sliding_window": True,
        "sliding_window": 7,
        "max_window_layers": 1,
    },
}
BLOCK_SIZES = (1, 3, 8, 16, 24, 100, 256, 1000)


@pytest.fixture(params=list(FAMILIES))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    return make_tiny_model(tmp_path, **FAMILIES[request.param])


def tokens(length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, 40, length).tolist()


def whole(model: Model, token_ids: list[int], block_size: int = 16) -> np.ndarray:
    num_blocks = len(token_ids) // block_size + 3
    return Runner(model, block_size, num_blocks).step({0: token_ids})[0]


def assert_like(ours: np.ndarray, reference: np.ndarray) -> None:
    np.testing.assert_allclose(ours, reference, rtol=0, atol=3e-5 * np.abs(reference).max())


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_any_block_size_gives_the_same(model: Model, block_size: int) -> None:
    token_ids = tokens(75)
    runner = Runner(model, block_size, num_blocks=90)
    logits = [runner.step({0: token_ids[:50]})[0]]
    logits += [runner.step({0: [token_id]})[0] for token_id in token_ids[50:]]
    assert_like(np.concatenate(logits), whole(model, token_ids))


@pytest.mark.parametrize("cuts", [[1], [15, 16, 17], [31, 32], [1, 2, 3, 40], [64, 128]])
def test_chunked_equals_whole(model: Model, cuts: list[int]) -> None:
    token_ids = tokens(150)
    runner = Runner(model)
    chunks = [runner.step({0: chunk.tolist()})[0] for chunk in np.split(token_ids, cuts)]
    assert_like(np.concatenate(chunks), whole(model, token_ids))


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 33, 127, 128, 129])
def test_lengths_around_block_edges(model: Model, length: int) -> None:
    token_ids = tokens(length + 2)
    runner = Runner(model)
    steps = [token_ids[:length], token_ids[length : length + 1], token_ids[length + 1 :]]
    assert_like(
        np.concatenate([runner.step({0: step})[0] for step in steps]), whole(model, token_ids)
    )


def test_batch_equals_alone(model: Model) -> None:
    prompts = {i: tokens(length, seed=i) for i, length in enumerate((1, 7, 16, 33, 70, 130))}
    together = Runner(model).step(prompts)
    for i, prompt in prompts.items():
        assert_like(together[i], whole(model, prompt))


def test_mixed_chunks_and_single_tokens_equal_alone(model: Model) -> None:
    prompts = {i: tokens(20 + 9 * i, seed=i) for i in range(5)}
    runner = Runner(model)
    runner.step({i: prompt[:-1] for i, prompt in prompts.items() if i % 2})
    mixed = runner.step({i: prompt[-1:] if i % 2 else prompt for i, prompt in prompts.items()})
    for i, prompt in prompts.items():
        assert_like(mixed[i][-1], whole(model, prompt)[-1])


def test_many_single_tokens_of_odd_contexts_equal_alone(model: Model) -> None:
    prompts = {i: tokens(2 + 3 * i, seed=i) for i in range(24)}
    runner = Runner(model, num_blocks=160)
    runner.step({i: prompt[:-1] for i, prompt in prompts.items()})
    single = runner.step({i: prompt[-1:] for i, prompt in prompts.items()})
    for i, prompt in prompts.items():
        assert_like(single[i][-1], whole(model, prompt)[-1])


def test_only_wanted_rows_have_logits(model: Model) -> None:
    works = [Work(tokens(5), 0, [0]), Work(tokens(9), 0, [1])]
    cache = allocate_kv_cache(model.config, model.ops, 2, 16)
    inputs = make_inputs(works, 16, all_rows=False)
    logits = forward(model, inputs, cache)
    assert logits.shape == (2, 40)
    assert logits.dtype == np.float32
    assert_like(logits[0], whole(model, tokens(5))[-1])


def test_a_step_may_want_no_logits(model: Model) -> None:
    runner = Runner(model)
    inputs = make_inputs([Work(tokens(5), 0, [3])], 16)
    object.__setattr__(inputs, "logit_rows", np.zeros(0, np.int32))
    assert forward(model, inputs, runner.cache).shape == (0, 40)


def test_stale_blocks_are_never_seen(model: Model) -> None:
    runner = Runner(model)
    for layer in runner.cache.layers:
        layer.keys[...] = 1e4
        layer.values[...] = 1e4
    assert_like(runner.step({0: tokens(21)})[0], whole(model, tokens(21)))


@pytest.mark.parametrize("num_threads", [1, 3])
def test_number_of_threads_changes_nothing(tmp_path: Path, num_threads: int) -> None:
    model, other = (make_tiny_model(tmp_path, threads=n) for n in (2, num_threads))
    assert_like(whole(other, tokens(140)), whole(model, tokens(140)))
