"""Strict both ways; each weight is read once, into float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from forge_common.checkpoint import Checkpoint
from forge_common.errors import ModelError
from forge_common.sharding import Shard
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.parallel.sharding import Sharding
from forge_worker.quantization.encode import encode
from forge_worker.weights.loader import OnProgress, TensorPart, WeightLoader
from forge_worker.weights.stored_tensor import StoredTensor
from tests.common.checkpoint.files import tensor, write_safetensors
from tests.worker.tiny_models import random_tensors, write_model_config

UP = "model.layers.0.mlp.up_proj.weight"
GATE = "model.layers.0.mlp.gate_proj.weight"
DOWN = "model.layers.0.mlp.down_proj.weight"
NORM = "model.norm.weight"


def ignore(done: int, total: int) -> None:
    pass


def opened(directory: Path, changes: dict[str, np.ndarray | None], **config: object) -> Checkpoint:
    """A tiny checkpoint in which some tensors are replaced, added, or (None) left out."""
    tensors = random_tensors(write_model_config(directory, **config)) | changes
    kept = {name: array for name, array in tensors.items() if array is not None}
    save_file(kept, directory / "model.safetensors")
    return Checkpoint.open(directory)


def loader_of(checkpoint: Checkpoint, on_progress: OnProgress = ignore) -> WeightLoader:
    return WeightLoader(checkpoint, NumpyOps(), on_progress)


def write_bfloat16(path: Path, bits: dict[str, np.ndarray]) -> None:
    header, data = {}, b""
    for name, array in bits.items():
        raw = array.astype(np.uint16).tobytes()
        header[name] = tensor(len(data), len(data) + len(raw), list(array.shape), "BF16")
        data += raw
    write_safetensors(path, header, data)


def test_tensor_is_loaded_as_it_is(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path, {})
    loaded = loader_of(checkpoint).load(UP)
    assert loaded.dtype == np.float32
    assert (loaded == checkpoint.array(UP)).all()


def test_joined_tensors_lie_one_below_the_other(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path, {})
    joined = loader_of(checkpoint).load_joined(
        [TensorPart(GATE, Sharding.WHOLE), TensorPart(UP, Sharding.WHOLE)]
    )
    assert (joined == np.concatenate([checkpoint.array(GATE), checkpoint.array(UP)])).all()


def test_float16_is_widened(tmp_path: Path) -> None:
    half = np.linspace(-2, 2, 32).astype(np.float16)
    loaded = loader_of(opened(tmp_path, {NORM: half})).load(NORM)
    assert loaded.dtype == np.float32
    assert (loaded == half).all()


def test_bfloat16_is_widened_exactly(tmp_path: Path) -> None:
    tensors = random_tensors(write_model_config(tmp_path))
    bits = {name: (array.view(np.uint32) >> 16) for name, array in tensors.items()}
    write_bfloat16(tmp_path / "model.safetensors", bits)
    loaded = loader_of(Checkpoint.open(tmp_path)).load(UP)
    assert (loaded.view(np.uint32) == bits[UP] << 16).all()


def test_parts_of_different_formats_are_joined(tmp_path: Path) -> None:
    """As files have them that keep V wider than Q and K."""
    values = np.random.default_rng(1).standard_normal((6, 64)).astype(np.float32)
    parts = [
        StoredTensor("Q8_0", encode("Q8_0", values[:2])),
        StoredTensor("F16", values[2:3].astype(np.float16)),
        StoredTensor("Q4_0", encode("Q4_0", values[3:])),
    ]
    joined = NumpyOps().place(parts)
    assert joined.shape == (6, 64)
    assert np.abs(joined[:3] - values[:3]).max() < 0.02
    assert np.abs(joined[3:] - values[3:]).max() < 0.4


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    checkpoint = opened(tmp_path, {})
    loader = loader_of(checkpoint, lambda done, total: seen.append((done, total)))
    for name in checkpoint.tensors:
        loader.load(name)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (checkpoint.num_bytes, checkpoint.num_bytes)


def test_missing_tensor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"tensor `{UP}` is missing$"):
        loader_of(opened(tmp_path, {UP: None}))


def test_further_missing_tensors_are_counted(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"`{GATE}` is missing \(and 1 more\)$"):
        loader_of(opened(tmp_path, {UP: None, GATE: None}))


def test_surplus_tensor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"`model\.extra` belongs to no part"):
        loader_of(opened(tmp_path, {"model.extra": np.zeros(1)}))


def test_harmless_surplus_is_let_through(tmp_path: Path) -> None:
    buffers = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.zeros(4)}
    loader_of(opened(tmp_path, buffers))


def test_written_out_tied_head_is_let_through(tmp_path: Path) -> None:
    head = {"lm_head.weight": np.zeros((40, 32), np.float32)}
    loader_of(opened(tmp_path, head, tie_word_embeddings=True))


def test_wrong_shape_is_named(tmp_path: Path) -> None:
    wrong = {NORM: np.zeros(31, np.float32)}
    with pytest.raises(ModelError, match=r"shape \[31\], the config implies \[32\]"):
        loader_of(opened(tmp_path, wrong))


def test_unreadable_dtype_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"`{NORM}` is I32"):
        loader_of(opened(tmp_path, {NORM: np.zeros(32, np.int32)}))


def test_rank_reads_its_part_and_counts_the_tensor(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    checkpoint = opened(tmp_path, {})
    loader = WeightLoader(
        checkpoint, NumpyOps(), lambda *progress: seen.append(progress), Shard(1, 2)
    )
    joined = loader.load_joined(
        [TensorPart(GATE, Sharding.OUTPUTS), TensorPart(UP, Sharding.OUTPUTS)]
    )
    gate, up = (checkpoint.array(name) for name in (GATE, UP))
    assert (joined == np.concatenate([gate[24:], up[24:]])).all()
    assert seen == [(gate.nbytes + up.nbytes, checkpoint.num_bytes)]


def test_rank_takes_columns_out_of_the_file(tmp_path: Path) -> None:
    checkpoint = opened(tmp_path, {})
    loader = WeightLoader(checkpoint, NumpyOps(), ignore, Shard(1, 2))
    assert (loader.load(DOWN, Sharding.INPUTS) == checkpoint.array(DOWN)[:, 24:]).all()


def test_rank_has_its_rows_of_what_was_loaded_whole(tmp_path: Path) -> None:
    loader = WeightLoader(opened(tmp_path, {}), NumpyOps(), ignore, Shard(1, 2))
    whole = np.arange(12).reshape(6, 2)
    assert (loader.own_rows(whole) == whole[3:]).all()


class HalfOps(NumpyOps):
    """Keeps matrices and biases in half precision, as a GPU does."""

    def place(self, parts: Sequence[StoredTensor]) -> np.ndarray:
        return super().place(parts).astype(np.float16)

    def place_norm(self, weight: StoredTensor) -> np.ndarray:
        return super().place([weight])


def test_weights_of_norms_are_not_rounded_beside_half_precision(
    tmp_path: Path,
) -> None:
    """1 + w, which half precision would round."""
    stored = np.full(32, 2.0**-14, np.float16)
    gemma = {"architectures": ["Gemma2ForCausalLM"], "sliding_window": 8}
    checkpoint = opened(tmp_path, {NORM: stored}, **gemma)
    loader = WeightLoader(checkpoint, HalfOps(), ignore)
    assert loader.load(UP).dtype == np.float16
    assert (loader.load_norm(NORM, scale=0.5) == np.float32(0.5 + 2.0**-15)).all()
