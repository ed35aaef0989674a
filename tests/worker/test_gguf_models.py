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
GOLDEN = Path(__file__).parent.parent / "golden" / "models"
GOLDEN_NAMES = [
    "granite",
    "llama2",
    "llama_biased",
    "mixtral",
    "olmo2",
    "phi3",
    "phi3_long",
    "phi3_short",
    "qwen2",
    "qwen3",
    "rope_linear",
    "rope_yarn",
    "tinyllama",
]
GELU = {"hidden_activation": "gelu_pytorch_tanh", "head_dim": 8, "query_pre_attn_scalar": 8}
# Families whose golden models differ in what a GGUF file cannot say, as their real ones do not.
REAL = {
    "Gemma2ForCausalLM": {
        **GELU,
        "sliding_window": 4,
        "attn_logit_softcapping": 5.0,
        "final_logit_softcapping": 3.0,
    },
    "Gemma3ForCausalLM": {
        **GELU,
        "num_hidden_layers": 6,
        "sliding_window": 4,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    },
    "Qwen3MoeForCausalLM": {
        "head_dim": 8,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "norm_topk_prob": True,
    },
    "SmolLM3ForCausalLM": {"num_hidden_layers": 4},
    "Cohere2ForCausalLM": {
        "num_hidden_layers": 4,
        "sliding_window": 4,
        "layer_norm_eps": 1e-3,
        "logit_scale": 0.5,
    },
}


def loaded(path: Path) -> Model:
    return load_model(
        path, DeviceSettings(threads=1, cpu_kernels="numpy"), lambda done, total: None
    )


def logits(path: Path, prompt: list[int] = PROMPT) -> np.ndarray:
    return Runner(loaded(path)).step({0: prompt})[0]


@pytest.mark.parametrize("name", GOLDEN_NAMES)
def test_golden_models_give_the_same_logits(tmp_path: Path, name: str) -> None:
    check_same_logits(GOLDEN / name, tmp_path)


@pytest.mark.parametrize("family", REAL)
def test_other_families_give_the_same_logits(tmp_path: Path, family: str) -> None:
    check_same_logits(write_tiny_model(tmp_path, architectures=[family], **REAL[family]), tmp_path)


def check_same_logits(directory: Path, tmp_path: Path) -> None:
    gguf = write_gguf_model(directory, tmp_path / "m.gguf")
    ours, original = logits(gguf), logits(directory)
    assert np.abs(ours - original).max() <= 1e-5 * np.abs(original).max()


@pytest.mark.parametrize("tied", [True, False])
def test_head_may_be_tied_or_not(tmp_path: Path, tied: bool) -> None:
    directory = write_tiny_model(tmp_path, tie_word_embeddings=tied)
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
                WeightLoader(checkpoint, NumpyOps(), lambda *_: None, shard)
                for shard in (Shard(0, 1), Shard(rank, 2))
            )
            half = slice(rank * width // 2, (rank + 1) * width // 2)
            expected = whole.load(DOWN)[:, half]
            assert (part.load(DOWN, Sharding.INPUTS) == expected).all()
