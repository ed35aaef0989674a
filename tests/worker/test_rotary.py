"""Angles, and what turning by them keeps. Equality with HuggingFace's is the golden tests' part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.rotary import attention_factor, frequencies, rotate, rotation
from tests.worker.tiny_models import write_model_config

POSITIONS = np.array([0, 1, 63, 200], np.int32)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def rope_of(directory: Path, **rope: object) -> Rope:
    return write_model_config(directory, head_dim=16, rope_scaling=rope).ropes[0]


def test_plain_frequencies_are_powers_of_theta(tmp_path: Path) -> None:
    expected = 10_000.0 ** -(np.arange(8) / 8)
    np.testing.assert_allclose(frequencies(rope_of(tmp_path), POSITIONS), expected, rtol=1e-6)


def test_linear_scaling_divides_them(tmp_path: Path) -> None:
    plain = frequencies(rope_of(tmp_path), POSITIONS)
    scaled = frequencies(rope_of(tmp_path, type="linear", factor=4.0), POSITIONS)
    np.testing.assert_allclose(scaled, plain / 4, rtol=1e-6)


@pytest.mark.parametrize("rope", [YARN, LLAMA3])
def test_ramps_keep_the_fastest_and_divide_the_slowest(tmp_path: Path, rope: dict) -> None:
    plain = frequencies(rope_of(tmp_path), POSITIONS)
    scaled = frequencies(rope_of(tmp_path, **rope), POSITIONS)
    np.testing.assert_allclose(scaled[0], plain[0], rtol=1e-6)
    np.testing.assert_allclose(scaled[-1], plain[-1] / rope["factor"], rtol=1e-6)


def test_dynamic_scaling_leaves_trained_positions_alone(tmp_path: Path) -> None:
    plain = frequencies(rope_of(tmp_path), POSITIONS)
    dynamic = frequencies(rope_of(tmp_path, type="dynamic", factor=2.0), POSITIONS)
    np.testing.assert_allclose(dynamic, np.broadcast_to(plain, (4, 8)), rtol=1e-6)


def test_dynamic_scaling_depends_on_the_position_alone(tmp_path: Path) -> None:
    config = rope_of(tmp_path, type="dynamic", factor=2.0)
    far = np.array([300, 400], np.int32)
    assert (frequencies(config, far)[0] == frequencies(config, far[:1])[0]).all()
    assert (frequencies(config, far)[1, 1:] < frequencies(config, far)[0, 1:]).all()


@pytest.mark.parametrize(
    ("rope", "factor"),
    [
        ({}, 1.0),
        (YARN, 0.1 * np.log(4.0) + 1),
        ({**YARN, "attention_factor": 0.7}, 0.7),
        ({**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}, 1.0),
        ({**YARN, "factor": 1.0}, 1.0),
    ],
)
def test_attention_factor(tmp_path: Path, rope: dict, factor: float) -> None:
    assert attention_factor(rope_of(tmp_path, **rope)) == pytest.approx(factor)


def test_turning_keeps_lengths_and_depends_on_distance_alone(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((1, 2, 16), np.float32)
    turned = np.repeat(vectors, 4, axis=0)
    positions = np.array([0, 5, 40, 45], np.int32)
    rotate(turned, rotation(rope_of(tmp_path), 16, positions), slice(0, 4))
    lengths = np.linalg.norm(turned, axis=-1)
    np.testing.assert_allclose(lengths, np.repeat(lengths[:1], 4, axis=0), rtol=1e-5)
    near, far = turned[0, 0] @ turned[1, 1], turned[2, 0] @ turned[3, 1]
    assert near == pytest.approx(far, rel=1e-4)


def test_only_the_named_rows_of_the_rotation_count(tmp_path: Path) -> None:
    heads = np.random.default_rng(0).standard_normal((4, 3, 16)).astype(np.float32)
    by_parts, turns = heads.copy(), rotation(rope_of(tmp_path), 16, POSITIONS)
    rotate(heads, turns, slice(0, 4))
    for rows in (slice(0, 1), slice(1, 4)):
        rotate(by_parts[rows], turns, rows)
    assert (heads == by_parts).all()
