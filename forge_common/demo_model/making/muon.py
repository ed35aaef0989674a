"""The Muon optimiser (Keller Jordan, 2024): momentum, then the nearest orthogonal matrix as the
step.

For hidden matrices only; embeddings and norms take Adam. It does not know the model.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


def orthogonalized(update: Tensor, steps: int = 5) -> Tensor:
    """Newton–Schulz iteration in bfloat16; the quintic's coefficients are those of the Muon paper."""
    x = update.bfloat16()
    x = x.T if (is_tall := x.shape[0] > x.shape[1]) else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if is_tall else x).float()


class Muon(Optimizer):
    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for matrix in group["params"]:
                self._move(matrix, group)

    def _move(self, matrix: Tensor, group: dict[str, float]) -> None:
        state = self.state[matrix]
        average = state.setdefault("average", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - group["momentum"])
        step = orthogonalized(matrix.grad.lerp(average, group["momentum"]))
        scale = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
        matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(step, alpha=-group["lr"] * scale)
