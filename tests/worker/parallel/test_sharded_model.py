"""Each family over several ranks computes what one rank alone computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.registry import Model
from forge_worker.parallel.communicator import Communicator, SingleRank
from tests.worker.fakes import LIMITS, FakeSequence, generate, no_grammars
from tests.worker.forward import Runner, Work, make_inputs
from tests.worker.parallel.thread_ranks import load_rank, on_ranks
from tests.worker.tiny_models import write_tiny_model

HEADS = {"num_attention_heads": 8, "num_key_value_heads": 4, "num_hidden_layers": 3}
FAMILIES: dict[str, dict[str, object]] = {
    "llama": {},
    "one KV head": {"num_key_value_heads": 1},
    "two KV heads": {"num_key_value_heads": 2},
    "biases everywhere": {"attention_bias": True, "mlp_bias": True},
    "tied": {"tie_word_embeddings": True},
    "mistral": {"architectures": ["MistralForCausalLM"], "sliding_window": 9},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "num_key_value_heads": 2},
    "cohere2": {"architectures": ["Cohere2ForCausalLM"], "sliding_window": 9},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "head_dim": 8, "tie_word_embeddings": True},
}
NUM_STEPS = 32
PROMPTS = {0: [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 3, 2, 38], 1: [1], 2: list(range(20, 39))}


@pytest.fixture(params=list(FAMILIES))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, **{**HEADS, **FAMILIES[request.param]})


def final_states(model: Model) -> np.ndarray:
    """Of every token of a step of two prompts, one of them long enough for row order."""
    works = [Work(list(range(40)) * 2, 0, [3, 1, 0, 2, 4]), Work([7, 8, 9], 0, [5])]
    cache = allocate_kv_cache(model.config, model.ops, num_blocks=6, block_size=16)
    step = model.ops.begin_step(make_inputs(works, 16), model.config, 16)
    states: np.ndarray = model.hidden(step, cache)
    return states


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_states_equal_those_of_one_rank(path: Path, num_ranks: int) -> None:
    alone = final_states(load_rank(path, SingleRank()))
    for states in on_ranks(num_ranks, lambda ranks: final_states(load_rank(path, ranks))):
        np.testing.assert_allclose(states, alone, rtol=0, atol=2e-5 * np.abs(alone).max())


@pytest.mark.parametrize("num_ranks", [2, 4])
def test_greedy_tokens_equal_those_of_one_rank(path: Path, num_ranks: int) -> None:
    def greedy(ranks: Communicator) -> dict[int, list[int]]:
        return Runner(load_rank(path, ranks)).greedy(PROMPTS, NUM_STEPS)

    alone = greedy(SingleRank())
    assert len({token for tokens in alone.values() for token in tokens}) > 2
    assert on_ranks(num_ranks, greedy) == [alone] * num_ranks


def test_every_rank_draws_the_same_tokens_without_being_told(path: Path) -> None:
    def drawn(ranks: Communicator) -> list[int]:
        model = load_rank(path, ranks)
        limits = LIMITS._replace(vocab_size=model.config.vocab_size)
        cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
        params = {"temperature": 1.3, "top_p": 0.97, "presence_penalty": 0.4, "seed": 3}
        sequence = FakeSequence(1, PROMPTS[0], list(range(16)), **params)
        generate(ModelRunner(model, cache, limits, no_grammars()), sequence, num_tokens=NUM_STEPS)
        return sequence.output

    outputs = on_ranks(2, drawn)
    assert len(set(outputs[0])) > 5
    assert outputs[0] == outputs[1]


def test_ranks_hold_equal_shares_of_heads_and_vocabulary(path: Path) -> None:
    models = on_ranks(4, lambda ranks: load_rank(path, ranks))
    assert {model.lm_head.shape for model in models} == {(10, 32)}
    for model in models:
        layer = model.layers[0]
        assert layer.mlp.gate_up_proj.weight.shape == (2 * 12, 32)
        assert layer.mlp.down_proj.weight.shape == (32, 12)
        assert layer.self_attn.qkv_proj.weight.shape[0] == (2 + 2) * model.config.head_dim
