"""Whole models of blocks: native results against NumPy's on the same numbers, widened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.config import DeviceSettings
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from tests.gguf_files import write_gguf
from tests.gguf_models import model_metadata, model_tensors, tokenizer_metadata
from tests.worker.forward import Runner
from tests.worker.tiny_models import write_tiny_model

NATIVE = DeviceSettings(threads=2, kv_dtype="float32")
NUMPY = DeviceSettings(threads=1, cpu_kernels="numpy")
SEQUENCES = {0: [3, 1, 4, 1, 5], 1: list(range(10, 39)), 2: [1]}
WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 3}
LIMIT = 0.04  # of the largest logit: what activations of 8 bits come to


def load(path: Path, settings: DeviceSettings) -> Model:
    return load_model(path, settings, lambda done, total: None)


def mixed_model(path: Path, low: str, is_tied: bool) -> Path:
    """As llama.cpp mixes Q4_K_M and Q5_K_M: values, half of the down projections and the head in
    Q6_K, all else in `low`."""
    directory = write_tiny_model(path, tie_word_embeddings=is_tied, **WIDE)
    tensors, six = (model_tensors(directory, dtype) for dtype in (low, "Q6_K"))
    head = "token_embd.weight" if is_tied else "output.weight"
    for name in tensors:
        if "attn_v" in name or name in ("blk.1.ffn_down.weight", head):
            tensors[name] = six[name]
    metadata = {**model_metadata(directory), **tokenizer_metadata(directory)}
    kept = {key: value for key, value in metadata.items() if value is not None}
    return write_gguf(path / "m.gguf", kept, tensors)


@pytest.mark.parametrize(("low", "is_tied"), [("Q4_K", True), ("Q5_K", False), ("Q4_0", True)])
def test_mixed_files_say_what_numpy_says(tmp_path: Path, low: str, is_tied: bool) -> None:
    path = mixed_model(tmp_path, low, is_tied)
    ours, reference = (Runner(load(path, device)).step(SEQUENCES) for device in (NATIVE, NUMPY))
    for index in SEQUENCES:
        error = np.abs(ours[index] - reference[index]).max()
        assert error <= LIMIT * np.abs(reference[index]).max()


def test_tokens_are_the_same_alone_and_in_a_batch(tmp_path: Path) -> None:
    model = load(mixed_model(tmp_path, "Q4_K", is_tied=True), NATIVE)
    together = Runner(model).greedy(SEQUENCES, num_tokens=24)
    for index, token_ids in SEQUENCES.items():
        assert Runner(model).greedy({index: token_ids}, num_tokens=24)[index] == together[index]


def test_a_quantised_model_is_what_its_file_would_be(tmp_path: Path) -> None:
    """Of a directory with `--quantize`, and of a file made of the same numbers."""
    directory = write_tiny_model(tmp_path, tie_word_embeddings=False, **WIDE)
    tensors = model_tensors(directory, "Q4_K")
    metadata = {**model_metadata(directory), **tokenizer_metadata(directory)}
    kept = {key: value for key, value in metadata.items() if value is not None}
    path = write_gguf(tmp_path / "m.gguf", kept, tensors)
    asked = DeviceSettings(threads=2, kv_dtype="float32", quantize="q4_k")
    ours = Runner(load(directory, asked)).step(SEQUENCES)
    theirs = Runner(load(path, NATIVE)).step(SEQUENCES)
    assert all((ours[index] == theirs[index]).all() for index in SEQUENCES)
