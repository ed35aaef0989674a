"""The page's files: open to all, shut to everything from elsewhere, fetched once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import forge_api
from forge_api.handlers.page import read_assets
from tests.api.fakes import Api, FakeEngine, Reply, get, serve, speaks

WEB = Path(forge_api.__file__).parent / "web"
NAMES = sorted(path.name for path in WEB.iterdir())
SOURCES = [name for name in NAMES if name.endswith((".js", ".css", ".html"))]


def fetch(path: str, headers: dict[str, str] | None = None, **http: Any) -> Reply:
    async def test(api: Api) -> Reply:
        return await api.get(path, headers=headers)

    reply: Reply = serve(FakeEngine(speaks("hi")), test, **http)
    return reply


def test_the_root_is_the_page() -> None:
    reply = fetch("/")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.body == (WEB / "index.html").read_bytes()


def test_every_file_is_served_with_its_type_and_the_policy() -> None:
    async def test(api: Api) -> list[Reply]:
        return [await api.get(f"/web/{name}") for name in NAMES]

    replies = serve(FakeEngine(speaks("hi")), test)
    for name, reply in zip(NAMES, replies, strict=True):
        assert reply.body == (WEB / name).read_bytes()
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        kind = reply.headers["Content-Type"]
        assert ("text/javascript" in kind) == name.endswith(".js")


def test_a_known_file_is_not_sent_again() -> None:
    etag = fetch("/web/page.css").headers["ETag"]
    reply = fetch("/web/page.css", {"If-None-Match": etag})
    assert (reply.status, reply.body) == (304, b"")
    assert reply.headers["ETag"] == etag
    assert fetch("/web/page.css", {"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "%2e%2e%2fapp.py", "__init__.py"])
def test_no_other_file_can_be_had(name: str) -> None:
    assert fetch(f"/web/{name}").status == 404


def test_the_page_is_public_and_what_it_asks_for_is_not() -> None:
    assert fetch("/", api_key=("secret",)).status == 200
    assert fetch("/web/main.js", api_key=("secret",)).status == 200
    assert fetch("/v1/models", api_key=("secret",)).status == 401
    assert fetch("/web/../v1/models", api_key=("secret",)).status == 401


@pytest.mark.parametrize("path", ["/", "/web/main.js"])
def test_there_is_no_page_where_it_is_turned_off(path: str) -> None:
    assert get(FakeEngine(speaks("hi")), path, web_page=False).status == 404


def test_nothing_but_what_the_page_is_made_of_is_served() -> None:
    assert sorted(read_assets()) == NAMES


@pytest.mark.parametrize("name", SOURCES)
def test_no_file_names_another_host_or_writes_markup(name: str) -> None:
    text = (WEB / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|[\"'(]//", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert not re.search(r"\bstyle=|\son\w+=|<style|javascript:", text)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_modules_stay_short_and_say_what_they_are(name: str) -> None:
    lines = (WEB / name).read_text().splitlines()
    assert len(lines) <= 250
    assert lines[0].startswith("/**")
