"""A GGUF file is served like the model directory it was made of."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from forge_common.demo_model import demo_model_path
from tests.gguf_models import write_gguf_model
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge

pytestmark = pytest.mark.integration

MESSAGES = [{"role": "user", "content": "What is 17 + 25?"}]
DEFAULTS = {"general.sampling.temp": 0.4, "general.sampling.top_p": 0.95}


def said(forge: LaunchedForge, **parameters: Any) -> Any:
    body = {"messages": MESSAGES, "max_tokens": 24, "seed": 7, **parameters}
    return forge.post("/v1/chat/completions", **body)["choices"][0]["message"]["content"]


def test_texts_are_those_of_the_model_directory(tmp_path: Path, launch: Launch) -> None:
    path = write_gguf_model(demo_model_path(), tmp_path / "demo-F32.gguf", **DEFAULTS)
    ours = launch(model=path).wait_until_ready()
    original = launch(model=demo_model_path()).wait_until_ready()
    assert ours.model == "demo-F32"
    for parameters in ({}, {"temperature": 0}, {"temperature": 1.2, "seed": 3}):
        assert said(ours, **parameters) == said(original, **parameters)
    prompt = "Forge is"
    tokens = [forge.post("/tokenize", prompt=prompt)["tokens"] for forge in (ours, original)]
    assert tokens[0] == tokens[1]


def test_directory_with_a_quantised_file_is_served(tmp_path: Path, launch: Launch) -> None:
    write_gguf_model(demo_model_path(), tmp_path / "demo-Q8_0.gguf", "Q8_0")
    forge = launch(model=tmp_path).wait_until_ready()
    assert forge.model == "demo-Q8_0"
    assert "42" in said(forge, temperature=0)


def test_broken_file_ends_the_start_with_a_sentence(tmp_path: Path, launch: Launch) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0))
    ended = launch(model=path).wait_until_ended()
    assert ended.exit_code != 0
    assert "the count of tensors says" in ended.last_line
