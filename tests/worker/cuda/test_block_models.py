"""Models whose weights stay in blocks say what the same numbers say when they are widened."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from forge_common.backend_memory import kept_tensors
from forge_common.checkpoint import Checkpoint
from forge_common.device_blocks import NO_BLOCKS, kept_blocks
from forge_worker.cuda.device import Device
from forge_worker.cuda.layout import padding_bytes
from forge_worker.cuda.precision import Precision
from forge_worker.model_runner import ModelRunner
from forge_worker.weights.names import LM_HEAD
from tests.gguf_files import write_gguf
from tests.gguf_models import (
    model_metadata,
    model_tensors,
    tokenizer_metadata,
    write_gguf_model,
)
from tests.worker.cuda.engines import Engine, engine_of, sizes_of
from tests.worker.cuda.test_runner import on_cpu
from tests.worker.fakes import FakeSequence, step
from tests.worker.tiny_models import write_tiny_model

BF16 = Precision.BFLOAT16
PROMPT = [3, 14, 15, 9, 26, 35, 8, 9, 7, 32, 38, 4, 8, 15, 16, 23, 2, 7]  # more than 16 rows
SIZES = {"hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4}
NEARLY = 4 * 5 * 2.0**-8  # of logprobs: four roundings of logits that reach about 5


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    yield
    gc.collect()


def model_in(tmp_path: Path, dtype: str, **changes: object) -> Path:
    directory = write_tiny_model(tmp_path, **SIZES, **changes)
    return write_gguf_model(directory, tmp_path / "m.gguf", dtype)


def mixed_model_in(tmp_path: Path, others: dict[str, str]) -> Path:
    """Matrices in Q4_K, but those whose names in GGUF end as `others` say."""
    directory = write_tiny_model(tmp_path, **SIZES)
    tensors = model_tensors(directory, "Q4_K")
    for name in tensors:
        for ending, dtype in others.items():
            if name.endswith(f".{ending}.weight"):
                tensors[name] = model_tensors(directory, dtype)[name]
    metadata = {**model_metadata(directory), **tokenizer_metadata(directory)}
    stated = {key: value for key, value in metadata.items() if value is not None}
    return write_gguf(tmp_path / "m.gguf", stated, tensors)


MIXES = {
    "as Q4_K_M has it": {"attn_v": "Q6_K", "ffn_down": "Q6_K"},
    "every projection another": {"attn_k": "Q8_0", "attn_v": "Q4_0", "attn_output": "Q6_K"},
    "gate and up": {"ffn_up": "Q6_K"},
    "one that is widened": {"attn_k": "F16", "ffn_gate": "F32"},
}


def engine_in_blocks(device: Device, path: Path, is_deterministic: bool = False) -> Engine:
    with Checkpoint.open(path) as checkpoint:
        blocks = kept_blocks(kept_tensors(checkpoint))
    assert blocks.formats
    sizes = sizes_of(path, BF16, is_deterministic=is_deterministic)
    return engine_of(device, path, sizes._replace(blocks=blocks))


def widened(device: Device, path: Path, is_deterministic: bool = False) -> Engine:
    sizes = sizes_of(path, BF16, is_deterministic=is_deterministic)
    return engine_of(device, path, sizes._replace(blocks=NO_BLOCKS))


Said = list[tuple[list[int], list[float]]]  # tokens of each step, and logprobs of the likeliest


def assert_near(ours: Said, theirs: Said, limit: float = NEARLY) -> None:
    """Up to where they part, which is where two tokens are nearly as likely."""
    for (tokens, found), (expected_tokens, expected) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, atol=limit)
        if tokens != expected_tokens:
            assert expected[0] - expected[1] < limit
            break


def logprobs_of(engine: Engine | ModelRunner, num_tokens: int) -> Said:
    asked = {"temperature": 0.0, "num_logprobs": 20}
    sequence = FakeSequence(1, PROMPT, list(range(16)), **asked)
    found = []
    for _ in range(num_tokens):
        (sampled,) = step(engine, sequence).sequences
        (position,) = sampled.logprobs
        found.append((sampled.token_ids, [entry.logprob for entry in position.top]))
    return found


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_0", "Q4_K", "Q6_K"])
def test_logprobs_are_nearly_those_of_the_widened_weights(
    device: Device, tmp_path: Path, dtype: str
) -> None:
    path = model_in(tmp_path, dtype)
    ours = logprobs_of(engine_in_blocks(device, path), 4)
    assert_near(ours, logprobs_of(widened(device, path), 4))


@pytest.mark.parametrize("others", MIXES.values(), ids=MIXES)
def test_and_where_joined_weights_have_different_formats(
    device: Device, tmp_path: Path, others: dict[str, str]
) -> None:
    path = mixed_model_in(tmp_path, others)
    ours = logprobs_of(engine_in_blocks(device, path), 3)
    assert_near(ours, logprobs_of(widened(device, path), 3))


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_K"])
def test_tokens_leave_those_of_the_cpu_only_where_two_are_nearly_as_likely(
    device: Device, tmp_path: Path, dtype: str
) -> None:
    path = model_in(tmp_path, dtype)
    ours = logprobs_of(engine_in_blocks(device, path), 4)
    theirs = logprobs_of(on_cpu(str(path)), 4)
    assert_near(ours, theirs)


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_K"])
def test_deterministic_logprobs_are_those_of_the_widened_weights_bit_by_bit(
    device: Device, tmp_path: Path, dtype: str
) -> None:
    path = model_in(tmp_path, dtype)
    found, expected = (
        logprobs_of(make(device, path, is_deterministic=True), 3)
        for make in (engine_in_blocks, widened)
    )
    assert found == expected


@pytest.mark.parametrize("is_tied", [True, False])
def test_plan_of_the_arena_is_exact(device: Device, tmp_path: Path, is_tied: bool) -> None:
    path = model_in(tmp_path, "Q4_K", tie_word_embeddings=is_tied)
    engine = engine_in_blocks(device, path)
    with Checkpoint.open(path) as checkpoint:
        gaps = padding_bytes(checkpoint)
        assert (LM_HEAD in checkpoint.tensors) != is_tied
    assert 0 <= engine.arena.num_bytes - engine.arena.used_bytes <= gaps
