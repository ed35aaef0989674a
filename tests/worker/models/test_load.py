"""From a directory to a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.config import DeviceSettings
from forge_common.errors import ModelError
from forge_worker.models.load import load_model
from tests.worker.tiny_models import make_tiny_model, write_tiny_model


def test_model_knows_its_config(tmp_path: Path) -> None:
    assert make_tiny_model(tmp_path).config.vocab_size == 40


def test_tied_model_keeps_one_copy(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path, tie_word_embeddings=True)
    assert np.shares_memory(model.lm_head, model.embed_tokens)
    assert model.lm_head.shape == model.embed_tokens.shape


def test_broken_directory_is_a_model_error(tmp_path: Path) -> None:
    (write_tiny_model(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ModelError):
        load_model(tmp_path, DeviceSettings(), lambda done, total: None)
