"""A hub id becomes a local directory, with only the files that Forge reads."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from forge_common.errors import ModelError
from forge_common.supervisor.hub import fetch, is_hub_id


@pytest.mark.parametrize("text", ["owner/name", "Qwen/Qwen3-0.6B"])
def test_hub_ids(text: str) -> None:
    assert is_hub_id(text)


@pytest.mark.parametrize("text", ["name", "./name", "../name", "/a/b", "a/b/c", "a/b c"])
def test_paths_are_no_hub_ids(text: str) -> None:
    assert not is_hub_id(text)


def pretend(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    hub = SimpleNamespace(snapshot_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)


def test_only_what_forge_reads_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def download(hub_id: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        asked.update(hub_id=hub_id, wanted=allow_patterns, unwanted=ignore_patterns)
        return "/cache/x"

    pretend(monkeypatch, download)
    assert fetch("owner/name") == Path("/cache/x")
    assert asked["hub_id"] == "owner/name"
    assert asked["wanted"] == ["*.json", "*.safetensors", "*.jinja"]
    assert asked["unwanted"] == ["*/*", "consolidated*"]


def test_refusal_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(hub_id: str, **patterns: list[str]) -> str:
        raise OSError("404 not found\nand much more")

    pretend(monkeypatch, refuse)
    with pytest.raises(ModelError, match=r"^owner/name: cannot .* hub: 404 not found$"):
        fetch("owner/name")
