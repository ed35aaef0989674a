"""The same numbers in both files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forge_common.checkpoint import Checkpoint
from tests.bench.cpu.models import SHAPES, with_vocabulary, write_gguf_model, write_model

TINY = {
    **SHAPES["110M"],
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 5000,
}


def test_both_files_hold_the_same_model(tmp_path: Path) -> None:
    write_model(tmp_path, TINY)
    write_gguf_model(tmp_path, tmp_path / "model.gguf", with_vocabulary)
    with Checkpoint.open(tmp_path) as ours, Checkpoint.open(tmp_path / "model.gguf") as theirs:
        assert ours.tensors.keys() == theirs.tensors.keys()
        head, matrix = "model.embed_tokens.weight", "model.layers.1.mlp.down_proj.weight"
        for name in (head, matrix):
            np.testing.assert_array_equal(ours.array(name), theirs.array(name))
        for field in ("hidden_size", "num_layers", "num_kv_heads", "vocab_size", "ropes"):
            assert getattr(ours.config, field) == getattr(theirs.config, field)
