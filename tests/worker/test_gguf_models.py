"""A model computes the same from a GGUF file as from the SafeTensors it was made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.demo_model import demo_model_path
from forge_common.sharding import Shard
from forge_common.tokenizer import Tokenizer
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from tests.gguf_models import write_gguf_model
from tests.worker.forward import Runner
from tests.worker.tiny_models import write_tiny_model

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]
CHAT = "<|im_start|>user\nWhat is Forge?<|im_end|>\n<|im_start|>assistant\nForge is"
DOWN = "model.layers.0.mlp.down_proj.weight"
FAMILIES = ["LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"]


def loaded(path: Path) -> Model:
    return load_model(path, DeviceSettings(threads=1), lambda done, total: None)


def logits(path: Path, prompt: list[int] = PROMPT) -> np.ndarray:
    return Runner(loaded(path)).step({0: prompt})[0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [True, False])
def test_float32_file_gives_the_same_logits(tmp_path: Path, family: str, tied: bool) -> None:
    directory = write_tiny_model(
        tmp_path, architectures=[family], tie_word_embeddings=tied, head_dim=8
    )
    gguf = write_gguf_model(directory, tmp_path / "m.gguf")
    assert (logits(gguf) == logits(directory)).all()


def test_biases_of_llama_come_apart_as_their_rows_do(tmp_path: Path) -> None:
    directory = write_tiny_model(tmp_path, attention_bias=True, mlp_bias=True)
    gguf = write_gguf_model(directory, tmp_path / "m.gguf")
    assert (logits(gguf) == logits(directory)).all()


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_demo_model_says_the_same(tmp_path: Path, dtype: str) -> None:
    gguf = write_gguf_model(demo_model_path(), tmp_path / "m.gguf", dtype)
    ours, original = (
        Runner(loaded(path)).greedy({0: PROMPT}, 16) for path in (gguf, demo_model_path())
    )
    assert ours == original


@pytest.mark.parametrize(
    ("dtype", "near"),
    [("Q8_0", 0.006), ("Q6_K", 0.02), ("Q5_K", 0.05), ("Q4_K", 0.1), ("Q4_0", 0.12)],
)
def test_quantised_demo_model_is_near_the_original(tmp_path: Path, dtype: str, near: float) -> None:
    """Distance of the distributions of the next token, by total variation."""
    gguf = write_gguf_model(demo_model_path(), tmp_path / "m.gguf", dtype)
    prompt = Tokenizer.open(demo_model_path()).encode(CHAT)
    ours, original = (probabilities(logits(path, prompt)) for path in (gguf, demo_model_path()))
    distance = np.abs(ours - original).sum(axis=-1) / 2
    assert 0 < distance.mean() < near, distance.mean()


def probabilities(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_take_their_columns_of_blocks(tmp_path: Path, rank: int) -> None:
    """Of 192 columns, 3 blocks fall to each of two ranks; 96 have no middle between blocks."""
    for width in (192, 96):
        directory = tmp_path / str(width)
        directory.mkdir()
        write_tiny_model(directory, intermediate_size=width)
        path = write_gguf_model(directory, directory / "m.gguf", "Q8_0")
        with Checkpoint.open(path) as checkpoint:
            whole, part = (
                WeightLoader(checkpoint, NumpyOps().place, lambda *_: None, shard)
                for shard in (Shard(0, 1), Shard(rank, 2))
            )
            half = slice(rank * width // 2, (rank + 1) * width // 2)
            expected = whole.load(DOWN)[:, half]
            assert (part.load(DOWN, Sharding.INPUTS) == expected).all()
