"""Q4_K and Q5_K: 8 groups of 32 numbers of 4 or 5 bits, each with a scale and a least value of 6.

    Q4_K    f16 d │ f16 dmin │ u6 scale[8], u6 least[8] in 12 bytes │ u4 q[256]
    Q5_K    f16 d │ f16 dmin │ u6 scale[8], u6 least[8] in 12 bytes │ u1 h[256] │ u4 q[256]
    x = (q + 16 · h) · d·scale - dmin·least

    bytes 0-3 of the 12    scale[i]     in the low six bits; above them bits 5-4 of scale[i + 4]
    bytes 4-7              least[i]     in the low six bits; above them bits 5-4 of least[i + 4]
    bytes 8-11             scale[i + 4] bits 3-0 in the low half, least[i + 4] in the high half

Byte i of a run of 32 holds the low bits of numbers i and i + 32; byte i of h a bit of each group.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.quantization.fields import Bytes, Floats, half_bytes, halves, packed, planes
from forge_worker.quantization.q8 import reciprocal
from forge_worker.quantization.scale_search import affine_scales

NUM_GROUPS = 8
GROUP = 32
GROUP_MAX = 63  # of scales and least values
LOW_SIX = np.uint8(63)


class Groups(NamedTuple):
    """Of n blocks, in units of d and dmin: uint8 [n, 8] each."""

    scales: Bytes
    least: Bytes


class Header(NamedTuple):
    """What comes before the numbers of a block, and the step and least value it gives a group."""

    raw: Bytes  # [n, 16]
    steps: Floats  # [n, 8]
    least: Floats  # [n, 8], to be subtracted


def decode_q4_k(blocks: Bytes) -> Floats:
    return _decoded(blocks, planes(blocks[:, 16:], GROUP, 4))


def decode_q5_k(blocks: Bytes) -> Floats:
    high = planes(blocks[:, 16:48], GROUP, 1)
    return _decoded(blocks, planes(blocks[:, 48:], GROUP, 4) | high << np.uint8(4))


def encode_q4_k(values: Floats) -> Bytes:
    """[n, 256] to blocks: scale and least value of each group by weighted least squares.

    A number is usually within half a step, 1/30 of its group's range; more where the groups of a
    block differ so much that six bits are too coarse for the smallest scale.
    """
    header = _header(values, 15)
    return np.concatenate([header.raw, packed(_steps(values, header, 15), GROUP, 4)], axis=1)


def encode_q5_k(values: Floats) -> Bytes:
    """As `encode_q4_k`, with steps half as wide."""
    header = _header(values, 31)
    steps = _steps(values, header, 31)
    high, low = packed(steps >> np.uint8(4), GROUP, 1), packed(steps & np.uint8(15), GROUP, 4)
    return np.concatenate([header.raw, high, low], axis=1)


def unpack_groups(field: Bytes) -> Groups:
    """Of the 12 bytes [n, 12]."""
    first, second, last = field[:, :4], field[:, 4:8], field[:, 8:]
    above_first, above_second = first >> np.uint8(6), second >> np.uint8(6)
    scales = (last & np.uint8(15)) | above_first << np.uint8(4)
    least = last >> np.uint8(4) | above_second << np.uint8(4)
    return Groups(
        np.concatenate([first & LOW_SIX, scales], axis=1),
        np.concatenate([second & LOW_SIX, least], axis=1),
    )


def pack_groups(groups: Groups) -> Bytes:
    """The inverse of `unpack_groups`."""
    (low_scales, scales), (low_least, least) = (np.hsplit(part, 2) for part in groups)
    first = low_scales | scales >> np.uint8(4) << np.uint8(6)
    second = low_least | least >> np.uint8(4) << np.uint8(6)
    last = (scales & np.uint8(15)) | (least & np.uint8(15)) << np.uint8(4)
    return np.concatenate([first, second, last], axis=1)


def _decoded(blocks: Bytes, steps: Bytes) -> Floats:
    groups = unpack_groups(blocks[:, 4:16])
    decoded: Floats = steps.reshape(len(blocks), NUM_GROUPS, GROUP).astype(np.float32)
    decoded *= (halves(blocks[:, :2]) * groups.scales.astype(np.float32))[..., None]
    decoded -= (halves(blocks[:, 2:4]) * groups.least.astype(np.float32))[..., None]
    return decoded.reshape(len(blocks), -1)


def _header(values: Floats, max_step: int) -> Header:
    scales, least = affine_scales(values.reshape(-1, GROUP), max_step)
    parts = [_rounded(part.reshape(-1, NUM_GROUPS)) for part in (scales, least)]
    (scale, group_scales), (min_scale, group_least) = parts
    raw = [scale, min_scale, pack_groups(Groups(group_scales, group_least))]
    return Header(
        np.concatenate(raw, axis=1),
        halves(scale) * group_scales.astype(np.float32),
        halves(min_scale) * group_least.astype(np.float32),
    )


class Rounded(NamedTuple):
    unit: Bytes  # float16 [n, 2]
    multiples: Bytes  # [n, 8], of six bits


def _rounded(wanted: Floats) -> Rounded:
    unit = half_bytes(wanted.max(axis=1, keepdims=True) / np.float32(GROUP_MAX))
    multiples = np.clip(np.rint(wanted * reciprocal(halves(unit))), 0, GROUP_MAX)
    return Rounded(unit, multiples.astype(np.uint8))


def _steps(values: Floats, header: Header, max_step: int) -> Bytes:
    """The nearest step of every number, given what its group's scale became: uint8 [n, 256]."""
    steps = values.reshape(-1, NUM_GROUPS, GROUP) + header.least[..., None]
    steps *= reciprocal(header.steps)[..., None]
    np.rint(steps, out=steps)
    np.clip(steps, 0, max_step, out=steps)
    return steps.astype(np.uint8).reshape(len(values), -1)
