"""From a directory to a model."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from forge_common.config import DeviceSettings
from forge_common.errors import ModelError
from forge_worker.models import load
from forge_worker.models.load import load_host_model, load_model
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


@pytest.mark.parametrize(
    ("settings", "is_lent"),
    [
        (DeviceSettings(threads=1), False),
        (DeviceSettings(threads=2), True),
        (DeviceSettings(threads=2, cpu_kernels="numpy"), False),
    ],
)
def test_core_is_lent_where_native_threads_leave_none_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: DeviceSettings, is_lent: bool
) -> None:
    monkeypatch.setattr(load, "available_threads", lambda: 2)
    loaded = load_host_model(write_tiny_model(tmp_path), settings, lambda done, total: None)
    assert (loaded.lend_core is not nullcontext) is is_lent
