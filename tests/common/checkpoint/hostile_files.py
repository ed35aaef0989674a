"""Reads whatever stands in a model's files as processes do, within bounds of time and memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import TypeVar

from forge_common.checkpoint import Checkpoint
from forge_common.checkpoint.model_files import ModelFiles
from forge_common.errors import ModelError

MAX_SECONDS = 2.0
MAX_BYTES = 32 * 2**20

T = TypeVar("T")


def attempt(read: Callable[[], T]) -> T | None:
    """None where it is refused as it should be: by a ModelError, and by nothing else."""
    with suppress(ModelError):
        return read()
    return None


def read_parts(files: ModelFiles) -> None:
    for part in (files.config, files.generation, files.tensors, files.tokenizer):
        attempt(part)
    attempt(files.tokenizer_config)
    attempt(files.chat_templates)


def read_arrays(path: Path) -> None:
    with Checkpoint.open(path) as checkpoint:
        for name, tensor in checkpoint.tensors.items():
            assert checkpoint.array(name).nbytes == tensor.num_bytes


def check_bounds(read_all: Callable[[Path], None], path: Path) -> None:
    tracemalloc.start()
    started = process_time()
    try:
        read_all(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert process_time() - started < MAX_SECONDS
    assert peak_bytes < MAX_BYTES
