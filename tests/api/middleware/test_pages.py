"""The pages on access and middlewares, and the example of a keys file, say what works."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from forge_api.access.keys_file import read_keys_file
from forge_api.app import PIPELINE
from tests.api.fakes import HELLO, FakeEngine, serve, speaks

ROOT = Path(__file__).parents[3]


def block(page: str, language: str) -> str:
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0]


def test_middleware_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page_example.py").write_text(block("middleware.md", "python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = tmp_path / "keys.toml"
    keys.write_text('[keys.batch]\nkey = "b"\n[keys.other]\nkey = "o"\n')
    keys.chmod(0o600)

    async def ask(api: Any) -> list[Any]:
        chats = [
            await api.post(
                "/v1/chat/completions", HELLO, headers={"Authorization": f"Bearer {key}"}
            )
            for key in "bo"
        ]
        return [*chats, await api.get("/livez")]

    refused, served, probe = serve(
        FakeEngine(speaks("hi")),
        ask,
        api_keys_file=str(keys),
        middleware=("page_example:close_chats_to_batch_jobs",),
    )
    assert (refused.status, refused.error["code"]) == (403, "not_for_chats")
    assert (served.status, served.headers["X-Served-By"]) == (200, "forge")
    assert probe.status == 200


def test_page_lists_the_pipeline_in_its_order() -> None:
    rows = (ROOT / "docs" / "middleware.md").read_text().split("|---|---|")[1].split("**yours**")[0]
    listed = [name for row in rows.splitlines() for name in re.findall(r"`([a-z_]+)`", row[:60])]
    ours = [middleware.__name__ for middleware in PIPELINE]
    assert [name for name in listed if name in ours] == ours


def test_keys_of_the_page_and_of_the_example_can_be_read(tmp_path: Path) -> None:
    example = (ROOT / "deploy" / "keys.toml").read_text()
    assert tomllib.loads(example) == {}
    for text in (block("access.md", "toml"), re.sub(r"(?m)^# (?=\[|\w+ = )", "", example)):
        path = tmp_path / "keys.toml"
        path.write_text(text)
        path.chmod(0o600)
        assert len(read_keys_file(path)) == 2
