"""What is encoded and decoded again is as near as each format promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_worker.quantization.decode import decode
from forge_worker.quantization.encode import ENCODERS, encode
from forge_worker.quantization.fields import packed, planes
from forge_worker.quantization.q4_k import Groups, pack_groups, unpack_groups

Array = np.ndarray[Any, Any]
# The root of the mean squared error over that of the numbers: the most of each format, for normally
# distributed numbers, as measured and a tenth more.
MAX_NOISE = {"Q8_0": 0.006, "Q4_0": 0.091, "Q4_K": 0.080, "Q5_K": 0.040, "Q6_K": 0.0195}


def there_and_back(name: str, values: Array) -> Array:
    out = np.empty_like(values)
    decode(name, encode(name, values), out)
    return out


def normal(*shape: int) -> Array:
    return np.random.default_rng(2).normal(0, 0.02, shape).astype(np.float32)


def test_noise_of_every_encoder_is_bounded() -> None:
    assert MAX_NOISE.keys() == ENCODERS.keys()


@pytest.mark.parametrize("name", ENCODERS)
def test_noise_is_that_of_the_format(name: str) -> None:
    values = normal(64, 1024)
    error = there_and_back(name, values) - values
    assert np.sqrt((error**2).mean() / (values**2).mean()) < MAX_NOISE[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_rows_are_whole_blocks(name: str) -> None:
    number_format = BLOCK_FORMATS[name]
    encoded = encode(name, normal(3, 512))
    assert (encoded.dtype, encoded.shape) == (np.uint8, (3, number_format.row_bytes(512)))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_number_does_not_depend_on_other_blocks(name: str) -> None:
    values = normal(300, 512)
    alone = encode(name, values[217:218])
    assert (encode(name, values)[217:218] == alone).all()


@pytest.mark.parametrize("name", ENCODERS)
def test_zeros_stay_zeros(name: str) -> None:
    assert not there_and_back(name, np.zeros((2, 256), np.float32)).any()


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("factor", [0.05, 1e3])
def test_scale_of_numbers_does_not_matter_much(name: str, factor: float) -> None:
    values = normal(16, 512) * np.float32(factor)
    error = there_and_back(name, values) - values
    assert np.sqrt((error**2).mean() / (values**2).mean()) < 3 * MAX_NOISE[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_numbers_too_small_for_a_scale_become_zeros(name: str) -> None:
    """The format's limit: scales are float16."""
    assert not there_and_back(name, normal(2, 256) * np.float32(1e-9)).any()


def test_q8_0_is_within_half_a_step() -> None:
    values = normal(50, 320)
    steps = np.abs(values.reshape(-1, 32)).max(axis=1, keepdims=True) / 127
    error = np.abs(there_and_back("Q8_0", values) - values).reshape(-1, 32)
    assert (error <= steps * 0.501).all()


def test_q4_0_is_within_a_step() -> None:
    values = normal(50, 320)
    steps = np.abs(values.reshape(-1, 32)).max(axis=1, keepdims=True) / 8
    error = np.abs(there_and_back("Q4_0", values) - values).reshape(-1, 32)
    assert (error <= steps * 1.25).all()


@pytest.mark.parametrize("name", ["Q4_K", "Q5_K"])
def test_numbers_of_one_sign_use_all_steps(name: str) -> None:
    """A least value above 0 is not kept, one below is."""
    for values in (np.abs(normal(8, 256)), -np.abs(normal(8, 256))):
        error = there_and_back(name, values) - values
        assert np.sqrt((error**2).mean() / (values**2).mean()) < MAX_NOISE[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_numbers_a_block_can_hold_come_back(name: str) -> None:
    """Steps of a power of two, the outermost among them."""
    steps = np.tile(np.arange(-8, 8), 16).astype(np.float32)
    found = there_and_back(name, (steps * np.float32(0.25))[None])
    assert np.abs(found - steps * 0.25).max() < 0.25 * 16 / 2 ** int(name[1]) / 2 + 0.005


@pytest.mark.parametrize(("width", "num_bits"), [(16, 4), (32, 2), (32, 1), (1, 1), (64, 4)])
def test_packing_is_undone_by_unpacking(width: int, num_bits: int) -> None:
    generator = np.random.default_rng(4)
    values = generator.integers(0, 2**num_bits, (5, 256), dtype=np.uint8)
    field = packed(values, width, num_bits)
    assert field.shape == (5, 256 * num_bits // 8)
    assert (planes(field, width, num_bits) == values).all()


def test_six_bit_groups_are_packed_and_unpacked() -> None:
    generator = np.random.default_rng(4)
    groups = Groups(*generator.integers(0, 64, (2, 9, 8), dtype=np.uint8))
    field = pack_groups(groups)
    assert field.shape == (9, 12)
    for found, expected in zip(unpack_groups(field), groups, strict=True):
        assert (found == expected).all()
