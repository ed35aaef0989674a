"""Steps of nothing but tokens, for operations that look at no cache."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from forge_worker.cpu.native.ops import NativeOps, NativeStep
from tests.worker.forward import Work, make_inputs
from tests.worker.tiny_models import write_model_config

BLOCK_SIZE = 16


def begin(ops: NativeOps, token_ids: Sequence[int], **changes: object) -> NativeStep:
    """Of one sequence; the logits of its last token alone are wanted."""
    blocks = list(range(-(-len(token_ids) // BLOCK_SIZE)))
    inputs = make_inputs([Work(list(token_ids), 0, blocks)], BLOCK_SIZE, all_rows=False)
    with TemporaryDirectory() as directory:
        config = write_model_config(Path(directory), **changes)
    return ops.begin_step(inputs, config, BLOCK_SIZE)
