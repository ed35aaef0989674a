"""A model as a whole: single file or shards, arrays as views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from forge_common.checkpoint import Checkpoint
from forge_common.checkpoint.checkpoint import separate_pairs
from forge_common.errors import ModelError
from tests.common.checkpoint.files import tensor, write_config, write_json, write_safetensors
from tests.common.checkpoint.gguf.small_model import metadata, tensors, zeros
from tests.gguf_files import write_gguf

INDEX = "model.safetensors.index.json"


def write_shards(directory: Path, weight_map: dict[str, str]) -> Path:
    write_config(directory)
    save_file({"a": np.arange(4.0)}, directory / "one.safetensors")
    save_file({"b": np.arange(6.0)}, directory / "two.safetensors")
    write_json(directory / INDEX, {"metadata": {}, "weight_map": weight_map})
    return directory


def test_single_file_is_opened(tmp_path: Path) -> None:
    write_config(tmp_path, eos_token_id=2)
    save_file({"a": np.arange(6, dtype=np.float32)}, tmp_path / "model.safetensors")
    with Checkpoint.open(tmp_path) as checkpoint:
        assert checkpoint.config.hidden_size == 16
        assert checkpoint.generation.eos_token_ids == (2,)
        assert checkpoint.num_bytes == 24
        assert checkpoint.array("a").tolist() == [0, 1, 2, 3, 4, 5]


def test_an_end_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, eos_token_id=10**6)
    save_file({"a": np.arange(4.0)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="eos_token_id is beyond the vocabulary"):
        Checkpoint.open(tmp_path)


def test_bfloat16_comes_as_its_bits(tmp_path: Path) -> None:
    write_config(tmp_path)
    header = {"a": tensor(0, 4, shape=[1, 2], dtype="BF16")}
    write_safetensors(tmp_path / "model.safetensors", header, b"\x80\x3f\x00\xc0")
    array = Checkpoint.open(tmp_path).array("a")
    assert (array.dtype, array.tolist()) == (np.uint16, [[0x3F80, 0xC000]])


def test_arrays_cannot_be_written(tmp_path: Path) -> None:
    write_config(tmp_path)
    save_file({"a": np.arange(4.0)}, tmp_path / "model.safetensors")
    assert not Checkpoint.open(tmp_path).array("a").flags.writeable


def test_arrays_outlive_the_checkpoint(tmp_path: Path) -> None:
    write_config(tmp_path)
    save_file({"a": np.arange(4.0)}, tmp_path / "model.safetensors")
    with Checkpoint.open(tmp_path) as checkpoint:
        array = checkpoint.array("a")
    assert array.sum() == 6


def test_shards_are_read_together(tmp_path: Path) -> None:
    write_shards(tmp_path, {"a": "one.safetensors", "b": "two.safetensors"})
    checkpoint = Checkpoint.open(tmp_path)
    assert {name: checkpoint.array(name).size for name in checkpoint.tensors} == {"a": 4, "b": 6}


@pytest.mark.parametrize(
    "weight_map",
    [
        {"a": "one.safetensors", "b": "one.safetensors"},
        {"b": "one.safetensors"},
        {"a": "one.safetensors", "b": "three.safetensors"},
        {"a": "one.safetensors", "b": "../two.safetensors"},
        {"a": "one.safetensors", "b": "/etc/two.safetensors"},
        {"a": "one.safetensors", "b": "..\\two.safetensors"},
        {"a": "one.safetensors", "b": "two.safetensors\0"},
        {"a": "one.safetensors", "b": "config.json"},
        {"a": 1},
    ],
)
def test_index_that_does_not_fit_is_refused(tmp_path: Path, weight_map: dict) -> None:
    directory = tmp_path / "model"
    directory.mkdir()
    write_safetensors(tmp_path / "two.safetensors", {"b": tensor(0, 4)}, bytes(4))
    with pytest.raises(ModelError):
        Checkpoint.open(write_shards(directory, weight_map))


def test_absent_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gone: there is no such model directory"):
        Checkpoint.open(tmp_path / "gone")


def test_directory_without_weights_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path)
    with pytest.raises(ModelError, match=r"neither model\.safetensors nor"):
        Checkpoint.open(tmp_path)


def test_dtype_without_numpy_equivalent_is_refused_when_read(tmp_path: Path) -> None:
    write_config(tmp_path)
    header = {"a": tensor(0, 4, shape=[4], dtype="F8_E5M2")}
    write_safetensors(tmp_path / "model.safetensors", header, bytes(4))
    checkpoint = Checkpoint.open(tmp_path)
    with pytest.raises(ModelError, match="`a` is F8_E5M2"):
        checkpoint.array("a")


def test_gguf_blocks_come_as_bytes(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", metadata(), tensors())
    with Checkpoint.open(path) as checkpoint:
        gate = checkpoint.array("model.layers.0.mlp.gate_proj.weight")
        norm = checkpoint.array("model.norm.weight")
        assert (gate.dtype, gate.shape) == (np.uint8, (64, 34))
        assert (norm.dtype, norm.shape) == (np.float32, (32,))
        assert not gate.flags.writeable


def test_rows_in_pairs_come_apart() -> None:
    rows = np.array([[0], [4], [1], [5], [2], [6], [3], [7], [10], [14], [11], [15]])
    assert separate_pairs(rows[:8], 1)[:, 0].tolist() == list(range(8))
    assert separate_pairs(rows[:8], 2)[:, 0].tolist() == [0, 1, 4, 5, 2, 3, 6, 7]


def test_rows_that_are_no_pairs_are_refused(tmp_path: Path) -> None:
    odd = {"llama__attention__key_length": 20, "llama__attention__value_length": 20}
    path = write_gguf(
        tmp_path / "m.gguf", metadata(**odd, llama__attention__head_count=3), tensors()
    )
    with (
        Checkpoint.open(path) as checkpoint,
        pytest.raises(
            ModelError, match=r"rows of tensor `model\.layers\.0.*` are no pairs in heads"
        ),
    ):
        checkpoint.array("model.layers.0.self_attn.q_proj.weight")


@pytest.mark.parametrize("shape", [(0, 32), (4, 0)])
def test_tensor_of_no_numbers_is_an_empty_view(tmp_path: Path, shape: tuple[int, int]) -> None:
    more = {"blk.0.attn_v.bias": zeros(shape)}
    path = write_gguf(tmp_path / "m.gguf", metadata(), tensors() | more)
    with Checkpoint.open(path) as checkpoint:
        assert checkpoint.array("model.layers.0.self_attn.v_proj.bias").size == 0
