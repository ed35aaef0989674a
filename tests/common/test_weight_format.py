"""What weights become on a CPU, and what that takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common import weight_format
from forge_common.checkpoint import TensorInfo
from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError
from forge_common.instruction_set import InstructionSet, instruction_set
from forge_common.weight_format import WeightChoice, host_weights

AVX2 = instruction_set("avx2", frozenset())


def on_a_host_with(monkeypatch: pytest.MonkeyPatch, found: InstructionSet | None) -> None:
    monkeypatch.setattr(weight_format, "host_instruction_set", lambda asked: found)


@pytest.mark.parametrize(
    ("settings", "stored", "expected"),
    [
        ({}, "BF16", "bf16"),
        ({}, "F16", "f16"),
        ({}, "F32", "f32"),
        ({"dtype": "float32"}, "BF16", "f32"),
        ({"dtype": "bfloat16"}, "F32", "bf16"),
        ({"quantize": "q8_0"}, "F16", "q8_0"),
        ({"quantize": "q4_0"}, "F16", "q4_0"),
        ({"quantize": "q4_k"}, "F16", "q8_0"),
        ({"quantize": "q4_k"}, "Q6_K", "q8_0"),
        ({}, "Q6_K", "q6_k"),
        ({}, "IQ4_XS", "q8_0"),
        ({"dtype": "float32"}, "Q4_0", "f32"),
    ],
)
def test_weights_stay_as_stored_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], stored: str, expected: str
) -> None:
    on_a_host_with(monkeypatch, AVX2)
    choice = host_weights(DeviceSettings(**settings))  # type: ignore[arg-type]
    assert choice.format_of(stored, num_columns=96) == expected


@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"quantize": "q8_0"}])
def test_numpy_keeps_nothing_but_float32(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    on_a_host_with(monkeypatch, None)
    assert host_weights(DeviceSettings()) == WeightChoice("float32", "none")
    with pytest.raises(ConfigError, match="native kernels"):
        host_weights(DeviceSettings(**settings))  # type: ignore[arg-type]


def test_a_matrix_takes_whole_tiles_and_a_vector_its_numbers() -> None:
    matrix = TensorInfo("m", "BF16", (33, 65), Path("x"), 0, 2 * 33 * 65)
    vector = TensorInfo("v", "BF16", (100,), Path("x"), 0, 200)
    assert WeightChoice("auto", "none").num_bytes(matrix) == 48 * 96 * 2
    assert WeightChoice("auto", "q8_0").num_bytes(matrix) == 48 * 96 * 34 // 32
    assert WeightChoice("auto", "none").num_bytes(vector) == 400
