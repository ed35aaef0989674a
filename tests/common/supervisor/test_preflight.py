"""What is wrong is said in one sentence before any process starts."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest

from forge_common.config import HttpSettings, LaunchConfig, LinkSettings, ModelSettings
from forge_common.demo_model import demo_model_path
from forge_common.errors import ConfigError, ModelError
from forge_common.supervisor.preflight import check_port, find_model, plan_for, settle_links
from tests.gguf_models import write_gguf_model


def find(model_path: str | None, name: str | None = None) -> tuple[Path, str]:
    return find_model(ModelSettings(model_path=model_path, served_model_name=name))


def test_no_path_means_the_demo_model() -> None:
    assert find(None) == (demo_model_path(), "forge-demo")


def test_directory_names_its_model(tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").touch()
    assert find(str(tmp_path / "llama")) == (tmp_path / "llama", "llama")
    assert find(str(tmp_path / "llama"), "mine").name == "mine"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent", "there is no such model directory"),
        ("model.gguf", r"model\.gguf: there is no such file"),
        ("file", "is a file; give a model directory"),
        (".", r"is no model directory: it has no config\.json"),
    ],
)
def test_wrong_path_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=sentence):
        find(str(tmp_path / name))


def test_gguf_file_names_its_model_and_is_planned_by_its_header(tmp_path: Path) -> None:
    path = write_gguf_model(demo_model_path(), tmp_path / "demo-Q8_0.gguf", "Q8_0")
    assert find(str(path)) == (path, "demo-Q8_0")
    assert find(str(tmp_path)) == (tmp_path, "demo-Q8_0")
    plan, original = (
        plan_for(find_model(ModelSettings(model_path=model)), LaunchConfig())
        for model in (str(path), None)
    )
    assert plan.weights_bytes < 0.6 * original.weights_bytes  # 8.5 bits a number, not 16
    assert plan.longest_context == original.longest_context


def test_gguf_file_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    keys = {"tokenizer.ggml.model": "bert"}
    path = write_gguf_model(demo_model_path(), tmp_path / "m.gguf", **keys)
    with pytest.raises(ModelError, match="tokenizer bert is unknown"):
        plan_for(find_model(ModelSettings(model_path=str(path))), LaunchConfig())


def test_hub_id_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"owner/name: .*forge-server\[hub\]"):
        find("owner/name")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("tokenizer.json", None, r": there is no tokenizer\.json"),
        ("tokenizer.json", "{", r"tokenizer\.json is not valid JSON"),
        ("tokenizer_config.json", "{,}", r"tokenizer_config\.json is not valid JSON"),
    ],
)
def test_wrong_tokenizer_is_known_before_any_process_starts(
    tmp_path: Path, name: str, text: str | None, sentence: str
) -> None:
    shutil.copytree(demo_model_path(), tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=sentence):
        plan_for(find_model(ModelSettings(model_path=str(tmp_path))), LaunchConfig())


def test_free_port_is_kept_and_zero_takes_one() -> None:
    port = check_port(HttpSettings(port=0))
    assert port > 0
    assert check_port(HttpSettings(port=port)) == port


@pytest.mark.parametrize("shared", [0, 1])
def test_port_in_use_is_refused_though_it_could_be_shared(shared: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ConfigError,
            match=f"listen on 127.0.0.1:{port}: Address already in use; choose another with --port",
        ):
            check_port(HttpSettings(port=port))


def test_host_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        check_port(HttpSettings(host="192.0.2.1"))


def test_links_are_sockets_of_the_run_directory_unless_stated() -> None:
    config = LaunchConfig(links=LinkSettings(worker_endpoint="tcp://127.0.0.1:1"))
    settled = settle_links(config, Path("/run/forge"))
    assert settled.links.client_endpoint == "ipc:///run/forge/clients.sock"
    assert settled.links.worker_endpoint == "tcp://127.0.0.1:1"
    assert settled.launch.run_dir == "/run/forge"
