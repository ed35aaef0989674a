"""Quantised weights as other tools write them, packed from integers that are known.

Each maker gives the tensors of one weight by their endings, and the float32 numbers that they mean
by the formula of the format. Written from the descriptions of the formats, with none of the code
that reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forge_worker.weights.names import expected_tensors
from tests.common.checkpoint.files import write_json, write_safetensors
from tests.worker.tiny_models import SHAPE, random_tensors, write_model_config

NUMPY_NAMES = {"float32": "F32", "float16": "F16", "int32": "I32", "int64": "I64", "int8": "I8"}
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
PROJECTIONS = ("_proj", ".w1", ".w2", ".w3")
MODEL = {**SHAPE, "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4}


class Raw(NamedTuple):
    """What NumPy has no type for: bits, and the name of their format."""

    dtype: str
    bits: np.ndarray


Tensors = dict[str, Any]  # an array or a Raw, by name


class Quantized(NamedTuple):
    parts: Tensors
    values: np.ndarray  # float32 [outputs, inputs]


Maker = Callable[[np.random.Generator, int, int], Quantized]


def save(path: Path, tensors: Tensors) -> None:
    header, data = {}, b""
    for name, array in tensors.items():
        raw = array if isinstance(array, Raw) else Raw(NUMPY_NAMES[array.dtype.name], array)
        stored = np.ascontiguousarray(raw.bits).tobytes()
        header[name] = {
            "dtype": raw.dtype,
            "shape": list(raw.bits.shape),
            "data_offsets": [len(data), len(data) + len(stored)],
        }
        data += stored
    write_safetensors(path, header, data)


def bfloat16(values: np.ndarray) -> Raw:
    """Of numbers that bfloat16 has."""
    bits = values.astype(np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return Raw("BF16", (bits >> 16).astype(np.uint16))


def words(integers: np.ndarray, bits: int) -> np.ndarray:
    """[n, k] to int32 [n, ceil(k · bits / 32)], the first in the lowest bits."""
    num = 32 // bits
    rows, columns = integers.shape
    filled = np.zeros((rows, -(-columns // num) * num), np.uint32)
    filled[:, :columns] = integers
    packed = np.zeros((rows, filled.shape[1] // num), np.uint32)
    for place in range(num):
        packed |= filled[:, place::num] << np.uint32(bits * place)
    return packed.view(np.int32)


def meant(levels: np.ndarray, zeros: Any, scales: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(q - z) · s, with zero points and scales [outputs, groups]."""
    spread = zeros[:, order] if isinstance(zeros, np.ndarray) else zeros
    return (levels - spread).astype(np.float32) * scales.astype(np.float32)[:, order]


def half_scales(generator: np.random.Generator, *shape: int) -> np.ndarray:
    return (generator.uniform(0.2, 1.0, shape) * 0.05).astype(np.float16)


def coarse_scales(generator: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers that bfloat16 has."""
    wide = (generator.uniform(0.2, 1.0, shape) * 0.05).astype(np.float32)
    return (wide.view(np.uint32) & 0xFFFF0000).view(np.float32)


def gptq(
    bits: int = 4,
    group_size: int = 32,
    *,
    is_symmetric: bool = True,
    is_ordered: bool = False,
    is_second_format: bool = False,
    has_bias: bool = False,
) -> Maker:
    def make(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        size = inputs if group_size == -1 else group_size
        num_groups = -(-inputs // size)
        levels = generator.integers(0, 2**bits, (outputs, inputs))
        order = np.arange(inputs) // size
        if is_ordered:
            order = generator.permutation(order)
        zeros = generator.integers(1, 2**bits, (outputs, num_groups))
        if is_symmetric:
            zeros[:] = 2 ** (bits - 1)
        scales = half_scales(generator, outputs, num_groups)
        parts = {
            "qweight": words(levels, bits).T,
            "qzeros": words(zeros.T - (not is_second_format), bits),
            "scales": scales.T,
            "g_idx": order.astype(np.int32),
        }
        if has_bias:
            parts["bias"] = np.zeros(outputs, np.float16)
        return Quantized(parts, meant(levels, zeros, scales, order))

    return make


def awq(group_size: int = 32) -> Maker:
    def make(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        size = inputs if group_size == -1 else group_size
        order = np.arange(inputs) // size
        levels = generator.integers(0, 16, (outputs, inputs))
        zeros = generator.integers(0, 16, (outputs, order[-1] + 1))
        scales = half_scales(generator, outputs, order[-1] + 1)
        parts = {
            "qweight": words(interleaved(levels.T), 4),
            "qzeros": words(interleaved(zeros.T), 4),
            "scales": scales.T,
        }
        return Quantized(parts, meant(levels, zeros, scales, order))

    return make


def interleaved(columns: np.ndarray) -> np.ndarray:
    """Of every eight columns, those that AWQ has first."""
    eights = columns.reshape(len(columns), -1, 8)
    return eights[:, :, AWQ_ORDER].reshape(columns.shape)


def packed(
    bits: int = 4,
    group_size: int | None = 32,
    *,
    is_symmetric: bool = True,
    is_ordered: bool = False,
    has_bfloat16_scales: bool = True,
) -> Maker:
    def make(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        middle = 2 ** (bits - 1)
        order = np.arange(inputs) // (group_size or inputs)
        if is_ordered:
            order = generator.permutation(order)
        num_groups = order.max() + 1
        levels = generator.integers(-middle, middle, (outputs, inputs))
        scales = coarse_scales(generator, outputs, num_groups)
        parts: Tensors = {
            "weight_packed": words(levels + middle, bits),
            "weight_scale": bfloat16(scales) if has_bfloat16_scales else scales,
            "weight_shape": np.array([outputs, inputs]),
        }
        zeros = np.zeros((outputs, num_groups), np.int64)
        if not is_symmetric:
            zeros = generator.integers(-middle, middle, zeros.shape)
            parts["weight_zero_point"] = words((zeros + middle).T, bits).T
        if is_ordered:
            parts["weight_g_idx"] = order.astype(np.int32)
        return Quantized(parts, meant(levels, zeros, scales, order))

    return make


def int8(group_size: int | None = None, *, is_symmetric: bool = True) -> Maker:
    def make(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        order = np.arange(inputs) // (group_size or inputs)
        levels = generator.integers(-128, 128, (outputs, inputs))
        scales = coarse_scales(generator, outputs, order[-1] + 1) / 16
        parts: Tensors = {"weight": levels.astype(np.int8), "weight_scale": bfloat16(scales)}
        zeros = np.zeros(scales.shape, np.int64)
        if not is_symmetric:
            zeros = generator.integers(-128, 128, scales.shape)
            parts["weight_zero_point"] = zeros.astype(np.int8)
        return Quantized(parts, meant(levels, zeros, scales, order))

    return make


def fp8(grid: tuple[int | None, int | None], name: str = "weight_scale_inv") -> Maker:
    """float32 scales, one for each block of `grid`, None for all rows or columns."""

    def make(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        codes = generator.integers(0, 0x70, (outputs, inputs)).astype(np.uint8)
        codes |= generator.integers(0, 2, codes.shape).astype(np.uint8) << 7
        rows = np.arange(outputs) // (grid[0] or outputs)
        columns = np.arange(inputs) // (grid[1] or inputs)
        scales = generator.uniform(1e-3, 2e-3, (rows[-1] + 1, columns[-1] + 1)).astype(np.float32)
        values = np.vectorize(e4m3)(codes.astype(int)).astype(np.float32) * scales[rows][:, columns]
        stored = scales.reshape(()) if grid == (None, None) else scales
        return Quantized({"weight": Raw("F8_E4M3", codes), name: stored}, values)

    return make


def e4m3(code: int) -> float:
    sign = -1.0 if code & 0x80 else 1.0
    exponent, mantissa = (code >> 3) & 15, code & 7
    if (code & 0x7F) == 0x7F:
        return float("nan")
    if exponent == 0:
        return sign * mantissa * 2.0**-9
    return float(sign * (1 + mantissa / 8) * 2.0 ** (exponent - 7))


class ModelPair(NamedTuple):
    quantized: Path
    plain: Path  # the same numbers in float32


def write_pair(
    directory: Path,
    stated: dict[str, Any],
    make: Maker,
    modules: tuple[str, ...] = PROJECTIONS,
    **changes: object,
) -> ModelPair:
    """A tiny model whose `modules` are quantised, by how they end, and it with what these mean."""
    pair = ModelPair(directory / "quantized", directory / "plain")
    generator = np.random.default_rng(5)
    for path in pair:
        path.mkdir()
    config = write_model_config(pair.plain, **{**MODEL, **changes})
    shape = {**MODEL, **changes, "quantization_config": stated}
    write_json(pair.quantized / "config.json", shape)
    plain: Tensors = dict(random_tensors(config))
    quantized: Tensors = {}
    for name, (*_, last) in expected_tensors(config).items():
        module, _, _ = name.rpartition(".")
        if not module.endswith(modules) or plain[name].ndim != 2:
            quantized.setdefault(name, plain[name])
            continue
        made = make(generator, len(plain[name]), last)
        plain[name] = made.values
        quantized.update({f"{module}.{ending}": part for ending, part in made.parts.items()})
    save(pair.plain / "model.safetensors", plain)
    save(pair.quantized / "model.safetensors", quantized)
    return pair
