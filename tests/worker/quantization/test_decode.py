"""Every block format is decoded to the very bits that the `gguf` package's reference gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_common.checkpoint.block_formats import BLOCK_FORMATS, STORED_FORMATS
from forge_worker.quantization.decode import DECODERS, decode

FIXTURES = Path(__file__).with_name("blocks.npz")
IN_FIXTURES = sorted(BLOCK_FORMATS.keys() - {"Q8_K"})


@pytest.fixture(scope="module")
def fixtures() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(FIXTURES, allow_pickle=False) as file:
        return dict(file)


def decoded(name: str, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    number_format = BLOCK_FORMATS[name]
    num_blocks = rows.shape[-1] // number_format.block_bytes
    out = np.full((*rows.shape[:-1], num_blocks * number_format.block_elements), np.nan, np.float32)
    decode(name, rows, out)
    return out


def same_bits(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    return left.shape == right.shape and bool((left.view("u4") == right.view("u4")).all())


def test_every_block_format_has_a_decoder() -> None:
    assert DECODERS.keys() == STORED_FORMATS.keys()


@pytest.mark.parametrize("name", IN_FIXTURES)
def test_numbers_are_the_references_bit_for_bit(name: str, fixtures: dict[str, Any]) -> None:
    assert same_bits(decoded(name, fixtures[f"{name}_blocks"]), fixtures[f"{name}_numbers"])


@pytest.mark.parametrize("name", IN_FIXTURES)
def test_rows_of_several_blocks_and_slabs(name: str, fixtures: dict[str, Any]) -> None:
    blocks, numbers = fixtures[f"{name}_blocks"], fixtures[f"{name}_numbers"]
    rows = np.tile(blocks.reshape(2, -1), (70, 1))
    assert same_bits(decoded(name, rows), np.tile(numbers.reshape(2, -1), (70, 1)))


def test_columns_between_other_columns(fixtures: dict[str, Any]) -> None:
    blocks, numbers = fixtures["Q4_0_blocks"], fixtures["Q4_0_numbers"]
    rows = blocks.reshape(2, -1)
    part = rows[:, 18 * 4 : 18 * 8]
    assert same_bits(decoded("Q4_0", part), numbers.reshape(2, -1)[:, 32 * 4 : 32 * 8].copy())


def test_q8_k_is_a_float32_scale_times_bytes() -> None:
    generator = np.random.default_rng(3)
    scales = generator.standard_normal((3, 1)).astype(np.float32)
    steps = generator.integers(-128, 128, (3, 256), dtype=np.int8)
    sums = np.full((3, 32), 255, np.uint8)
    blocks = np.concatenate([scales.view(np.uint8), steps.view(np.uint8), sums], axis=1)
    assert same_bits(decoded("Q8_K", blocks), scales * steps.astype(np.float32))


def test_no_rows_are_no_numbers() -> None:
    assert decoded("Q4_K", np.zeros((0, 144), np.uint8)).shape == (0, 256)
