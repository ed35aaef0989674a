"""The files of random Llamas are as a loader wants them, and take no room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.checkpoint import Checkpoint
from forge_worker.weights.loader import check_tensors
from forge_worker.weights.names import expected_tensors
from tests.bench.gpu.llamas import LLAMAS, write_llama


@pytest.mark.parametrize(("name", "num_billions"), [("1B", 1.236), ("8B", 8.030)])
def test_checkpoint_has_every_tensor_of_the_model(
    tmp_path: Path, name: str, num_billions: float
) -> None:
    config = write_llama(tmp_path, LLAMAS[name])
    with Checkpoint.open(tmp_path) as checkpoint:
        check_tensors(checkpoint, expected_tensors(config))
        assert checkpoint.num_bytes / 2e9 == pytest.approx(num_billions, abs=0.001)


def test_norms_are_one_and_the_rest_holes(tmp_path: Path) -> None:
    write_llama(tmp_path, LLAMAS["1B"])
    with Checkpoint.open(tmp_path) as checkpoint:
        norm = np.array(checkpoint.array("model.layers.15.input_layernorm.weight"))
        rows = np.array(checkpoint.array("model.layers.15.mlp.down_proj.weight")[-8:])
    assert (norm == 0x3F80).all()
    assert not rows.any()
    assert (tmp_path / "model.safetensors").stat().st_blocks * 512 < 2**20


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    write_llama(tmp_path, LLAMAS["1B"])
    before = (tmp_path / "model.safetensors").stat()
    write_llama(tmp_path, LLAMAS["1B"])
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before.st_mtime_ns
    assert not (tmp_path / "unfinished").exists()
