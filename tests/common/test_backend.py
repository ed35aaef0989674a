"""What `--backend` and `--dtype` come to, with and without a GPU and CuPy."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from msgspec.structs import replace

from forge_common import backend as module
from forge_common.backend import Backend, choose_backend, choose_precision
from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError
from forge_common.nvidia_gpus import Gpu
from tests.common.test_memory_plan import checkpoint
from tests.quantized_files import awq, write_pair

GPU = Gpu("Card", 80, 70)


@pytest.fixture(params=[True, False], ids=["with cupy", "without cupy"])
def has_cupy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    spec = ModuleSpec("cupy", None) if request.param else None
    monkeypatch.setattr(module, "find_spec", lambda name: spec)
    return bool(request.param)


def with_gpu(monkeypatch: pytest.MonkeyPatch, gpu: Gpu | None) -> None:
    monkeypatch.setattr(module, "find_gpu", lambda index, environment: gpu)


def test_auto_takes_a_gpu_only_where_it_can_be_used(
    monkeypatch: pytest.MonkeyPatch, has_cupy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with_gpu(monkeypatch, GPU)
    chosen = choose_backend(DeviceSettings())
    assert chosen == (Backend("cuda", GPU) if has_cupy else Backend("cpu", None))
    assert ("forge-server[cuda13]" in caplog.text) is not has_cupy


@pytest.mark.usefixtures("has_cupy")
def test_auto_without_a_gpu_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    assert choose_backend(DeviceSettings()) == Backend("cpu", None)


def test_what_is_asked_for_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, None)
    assert choose_backend(DeviceSettings(backend="cuda")) == Backend("cuda", None)
    with_gpu(monkeypatch, GPU)
    assert choose_backend(DeviceSettings(backend="cpu")) == Backend("cpu", None)


@pytest.mark.parametrize(
    ("stored", "dtype", "expected"),
    [
        ("BF16", "auto", "bfloat16"),
        ("F16", "auto", "float16"),
        ("F32", "auto", "bfloat16"),
        ("BF16", "float32", "float32"),
        ("F32", "float16", "float16"),
    ],
)
def test_a_gpu_keeps_half_precision_as_stored(stored: str, dtype: str, expected: str) -> None:
    opened = checkpoint()
    tensor = TensorInfo("big", stored, (10**6,), Path("x"), 0, 4 * 10**6)
    opened.tensors = {**opened.tensors, "big": tensor}
    settings = DeviceSettings(backend="cuda", dtype=dtype)
    assert choose_precision(settings, Backend("cuda", GPU), opened) == expected


def test_a_cpu_computes_in_float32() -> None:
    settings = DeviceSettings(dtype="bfloat16", quantize="q8_0")
    assert choose_precision(settings, Backend("cpu", None), checkpoint()) == "float32"


def test_a_gpu_does_not_quantize() -> None:
    settings = DeviceSettings(backend="cuda", quantize="q8_0")
    with pytest.raises(ConfigError, match="--quantize q8_0 needs --backend cpu"):
        choose_precision(settings, Backend("cuda", GPU), checkpoint())


@pytest.mark.parametrize(("stored", "expected"), [("F16", "float16"), ("BF16", "bfloat16")])
def test_precision_of_a_quantised_model_is_that_of_its_other_weights(
    tmp_path: Path, stored: str, expected: str
) -> None:
    pair = write_pair(tmp_path, {"quant_method": "awq", "bits": 4, "group_size": 32}, awq())
    with Checkpoint.open(pair.quantized) as opened:
        plain = {
            name: replace(tensor, dtype=stored) if tensor.packed is None else tensor
            for name, tensor in opened.tensors.items()
        }
        opened.tensors = plain
        settings = DeviceSettings(backend="cuda")
        assert choose_precision(settings, Backend("cuda", GPU), opened) == expected
