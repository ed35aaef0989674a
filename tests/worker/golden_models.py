"""What HuggingFace's transformers gave for the small random models of `tests/golden/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

MODELS = Path(__file__).parent.parent / "golden" / "models"
NAMES = sorted(path.name for path in MODELS.iterdir())
NUM_PROMPTS = 5
DENSE_PROMPT = 3


@cache
def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(MODELS / name / "golden.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def prompts(name: str) -> dict[int, list[int]]:
    return {i: golden(name)[f"prompt_{i}"].tolist() for i in range(NUM_PROMPTS)}


def relative_error(ours: np.ndarray, reference: np.ndarray) -> float:
    return float(np.abs(ours - reference).max() / np.abs(reference).max())
