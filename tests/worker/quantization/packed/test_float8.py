"""All bytes, by the definition of the format."""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.packed.float8 import e4m3_values
from tests.quantized_files import e4m3


def test_every_byte_is_the_number_it_means() -> None:
    expected = np.array([e4m3(code) for code in range(256)], np.float32)
    assert np.array_equal(e4m3_values(), expected, equal_nan=True)


def test_bounds_are_those_of_the_format() -> None:
    values = e4m3_values()
    assert np.nanmax(values) == 448
    assert values[1] == 2.0**-9
    assert np.isnan(values).sum() == 2
    assert np.signbit(values[0x80])
