"""What keeps Forge from starting is one sentence and an exit code, before anything is served."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from forge_common.errors import ConfigError, ModelError
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge
from tests.integration.small_model import write_small_model

pytestmark = pytest.mark.integration


def test_wrong_path(launch: Launch) -> None:
    ended = launch(model=Path("/absent")).wait_until_ended()
    assert ended.lines == ["forge-launch: error: /absent: there is no such model directory"]
    assert ended.exit_code == ModelError.EXIT_CODE


def test_unknown_architecture(launch: Launch, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "architectures": ["Foo"]}))
    ended = launch(model=model).wait_until_ended()
    assert len(ended.lines) == 1
    assert "architecture Foo is unknown; known: LlamaForCausalLM" in ended.last_line
    assert ended.exit_code == ModelError.EXIT_CODE


def change_tensors(model: Path, **changes: np.ndarray[Any, Any] | None) -> None:
    tensors = load_file(model / "model.safetensors")
    for name, tensor in changes.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, model / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model.norm.weight": None}, "tensor `model.norm.weight` is missing"),
        ({"model.extra": np.zeros(3, np.float32)}, "tensor `model.extra` belongs to no part"),
        ({"model.norm.weight": np.zeros(3, np.float32)}, "has shape [3], the config implies [32]"),
    ],
)
def test_wrong_tensors(
    launch: Launch, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    model = write_small_model(tmp_path)
    change_tensors(model, **changes)
    ended = launch(model=model).wait_until_ended()
    assert ended.last_line.startswith("forge-launch: error: worker: ")
    assert sentence in ended.last_line
    assert ended.exit_code == ModelError.EXIT_CODE
    assert not any("is ready" in line for line in ended.lines)


def test_truncated_weights(launch: Launch, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    ended = launch(model=model).wait_until_ended()
    assert "it is incomplete" in ended.last_line
    assert ended.exit_code == ModelError.EXIT_CODE


def test_too_little_memory(launch: Launch) -> None:
    ended = launch("--kv-cache-memory-gib", "4000").wait_until_ended()
    assert len(ended.lines) == 1
    assert "lower --num-blocks or --kv-cache-memory-gib" in ended.last_line
    assert ended.exit_code == ModelError.EXIT_CODE


def test_port_in_use(launch: Launch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = launch("--port", port, FORGE_PROT="1").wait_until_ended()
    assert len(ended.lines) == 2
    assert "warning launch: nothing reads the environment variable FORGE_PROT" in ended.lines[0]
    assert "FORGE_PROT; did you mean FORGE_PORT?" in ended.lines[0]
    assert "Address already in use; choose another with --port" in ended.last_line
    assert ended.exit_code == ConfigError.EXIT_CODE


def test_another_forge_at_the_port(launch: Launch) -> None:
    first = launch("--api-workers", "2").wait_until_ready()
    ended = launch("--port", first.url.rpartition(":")[2], "--api-workers", "2").wait_until_ended()
    assert ended.exit_code == ConfigError.EXIT_CODE


def test_model_without_a_tokenizer(launch: Launch, tmp_path: Path) -> None:
    model = write_small_model(tmp_path)
    (model / "tokenizer.json").unlink()
    ended = launch(model=model).wait_until_ended()
    assert ended.lines == [f"forge-launch: error: {model}: there is no tokenizer.json"]
    assert ended.exit_code == ModelError.EXIT_CODE


def test_plan_is_printed_and_nothing_starts(launch: Launch) -> None:
    ended = launch("--plan").wait_until_ended()
    assert ended.exit_code == 0
    assert ended.lines[0].startswith("Memory plan for small")
    assert len(ended.lines) == 7


def test_flag_beats_environment_beats_file(launch: Launch, tmp_path: Path) -> None:
    toml = tmp_path / "forge.toml"
    toml.write_text(
        "[model]\nserved_model_name = 'file'\n[cache]\nnum_blocks = 10\nblock_size = 8\n"
    )
    variables = {"FORGE_SERVED_MODEL_NAME": "variable", "FORGE_NUM_BLOCKS": "20"}
    argv = ["--config", str(toml), "--num-blocks", "30", "--plan"]
    lines = launch(*argv, **variables).wait_until_ended().lines
    assert lines[0] == "Memory plan for variable"
    assert "30 blocks of 8 tokens" in lines[3]


def test_settings_reach_the_roles(launch: Launch) -> None:
    forge: LaunchedForge = launch(
        FORGE_SERVED_MODEL_NAME="mine",
        FORGE_NUM_BLOCKS="50",
        FORGE_BLOCK_SIZE="8",
    ).wait_until_ready()
    assert forge.model == "mine"
    assert any("50 blocks of 8 tokens" in line for line in forge.lines)
