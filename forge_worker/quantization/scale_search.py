"""The scale of a group of numbers, by weighted least squares over a few candidates.

A candidate scale gives each number its nearest step; the steps give the best scale for them in
closed form. Each candidate costs about ten passes over the numbers. Large numbers count more, as
in ggml's quantisers: they are what a model's answers hang on. Knows no format.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.quantization.fields import Floats

# How far the largest number is taken beyond the last step, in steps: found by trying on weights of
# a model, where 20 candidates had an error less than a hundredth smaller.
SYMMETRIC_REACHES = (-0.9, -0.5, -0.2, 0.0, 0.2, 0.5, 0.9)
AFFINE_REACHES = (-1.0, -0.6, -0.3, 0.0, 0.3, 0.6)


class AffineScales(NamedTuple):
    """x ≈ step · scales - least, of m groups: float32 [m] each, neither below 0."""

    scales: Floats
    least: Floats


def symmetric_scales(groups: Floats, zero: int) -> Floats:
    """[m, w] to scales [m], for steps of -zero .. zero - 1; of either sign, so that the largest
    number can lie on the side with one step more."""
    largest = np.take_along_axis(groups, np.abs(groups).argmax(axis=1)[:, None], axis=1)
    weighted = groups * np.abs(groups)
    best, best_gain = np.zeros(len(groups), np.float32), np.zeros(len(groups), np.float32)
    for reach in SYMMETRIC_REACHES:
        steps = groups * _over(np.float32(-zero - reach), largest)
        np.clip(np.rint(steps, out=steps), -zero, zero - 1, out=steps)
        fit = np.einsum("mw,mw->m", weighted, steps)
        norm = np.einsum("mw,mw,mw->m", np.abs(groups), steps, steps)
        scale = _over(fit, norm)
        gain = scale * fit  # by how much the weighted error shrinks
        best = np.where(gain > best_gain, scale, best)
        best_gain = np.maximum(gain, best_gain)
    return best


def affine_scales(groups: Floats, max_step: int) -> AffineScales:
    """[m, w] to scale and least value, for steps of 0 .. max_step; the least value is at most 0."""
    low = np.minimum(groups.min(axis=1, keepdims=True), 0)
    span = groups.max(axis=1, keepdims=True) - low
    sums = _Sums.of(groups)
    best = AffineScales((span[:, 0] / np.float32(max_step)).astype(np.float32), -low[:, 0])
    best_gain = np.full(len(groups), -np.inf, np.float32)
    for reach in AFFINE_REACHES:
        steps = (groups - low) * _over(np.float32(max_step + reach), span)
        np.clip(np.rint(steps, out=steps), 0, max_step, out=steps)
        found, gain = sums.fitted(steps)
        is_better = gain > best_gain
        best = AffineScales(
            np.where(is_better, found.scales, best.scales),
            np.where(is_better, found.least, best.least),
        )
        best_gain = np.where(is_better, gain, best_gain)
    return best


class _Fit(NamedTuple):
    scales: AffineScales
    gain: Floats


class _Sums(NamedTuple):
    """Of m groups: their weights [m, w], and what all candidates share."""

    weights: Floats
    weighted: Floats  # weights · numbers
    total_weight: Floats  # [m]
    total: Floats  # [m], of weights · numbers

    @classmethod
    def of(cls, groups: Floats) -> _Sums:
        spread = np.sqrt(np.einsum("mw,mw->m", groups, groups) / np.float32(groups.shape[1]))
        weights = np.abs(groups) + spread[:, None]
        weighted = weights * groups
        return cls(weights, weighted, weights.sum(axis=1), weighted.sum(axis=1))

    def fitted(self, steps: Floats) -> _Fit:
        """The best scale and least value for these steps; where that one would be above 0, it is
        0. The gain is by how much the weighted squared error shrinks from that of all zeros."""
        weighted_steps = self.weights * steps
        linear = weighted_steps.sum(axis=1)
        square = np.einsum("mw,mw->m", weighted_steps, steps)
        fit = np.einsum("mw,mw->m", self.weighted, steps)
        determinant = self.total_weight * square - linear * linear
        scale = _over(self.total_weight * fit - self.total * linear, determinant)
        offset = _over(square * self.total - linear * fit, determinant)
        is_above = (offset > 0) | (determinant <= 0)
        scale = np.maximum(np.where(is_above, _over(fit, square), scale), 0)
        offset = np.where(is_above, np.float32(0), offset)
        error = scale * (scale * square + 2 * offset * linear - 2 * fit)
        error += offset * (offset * self.total_weight - 2 * self.total)
        return _Fit(AffineScales(scale, -offset), -error)


def _over(numerator: Floats | np.float32, denominator: Floats) -> Floats:
    """The quotient, 0 where the denominator is."""
    shape = np.broadcast_shapes(np.shape(numerator), denominator.shape)
    zeros = np.zeros(shape, np.float32)
    return np.divide(numerator, denominator, out=zeros, where=denominator != 0)
