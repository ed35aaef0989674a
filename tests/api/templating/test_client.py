"""The template process: hostile programs end, and the next prompt is made as if nothing was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from forge_api.confined.process import Program, start
from forge_api.templating.client import MODULE, TemplateClient
from forge_common.errors import ModelError, RequestError

FRIENDLY = "hello {{ name }}"
NESTED_LOOPS = "{% set r = range(99999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}"
BILLION_LAUGHS = "{% set x = 'ha' %}" + "{% set x = [x, x] %}" * 40 + "{{ x }}"
DOUBLING = "{% set x = 'a' * 1000 %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}"


@contextmanager
def client_of(hostile: str, max_cpu_s: float = 0.1) -> Iterator[TemplateClient]:
    client = TemplateClient({"friendly": FRIENDLY, "hostile": hostile}, max_cpu_s)
    try:
        client.load()
        yield client
    finally:
        client.close()


def process_id(client: Any) -> int:
    return int(client._processes.pid)


@pytest.mark.parametrize("hostile", [NESTED_LOOPS, "{{ 7 ** (10 ** x) }}"])
def test_a_template_that_takes_too_long_is_ended(hostile: str) -> None:
    with client_of(hostile) as client:
        with pytest.raises(RequestError, match="too long to render") as caught:
            client.render("hostile", {"x": 8})
        assert caught.value.param == "messages"
        assert client.render("friendly", {"name": "x"}) == "hello x"


@pytest.mark.parametrize("hostile", ["{{ 'a' * (10 ** x) }}", DOUBLING])
def test_a_template_that_takes_too_much_memory_is_refused(hostile: str) -> None:
    with client_of(hostile, max_cpu_s=1.0) as client:
        with pytest.raises(RequestError):
            client.render("hostile", {"x": 12})
        assert client.render("friendly", {"name": "x"}) == "hello x"


def test_a_structure_that_unfolds_without_end_is_refused() -> None:
    with client_of(BILLION_LAUGHS) as client:
        with pytest.raises(RequestError):
            client.render("hostile", {})
        assert client.render("friendly", {"name": "x"}) == "hello x"


def test_a_killed_process_is_not_noticed() -> None:
    with client_of("") as client:
        before = process_id(client)
        os.kill(before, signal.SIGKILL)
        assert client.render("friendly", {"name": "x"}) == "hello x"
        assert process_id(client) != before


def test_signals_for_the_group_do_not_end_it() -> None:
    with client_of("") as client:
        before = process_id(client)
        os.kill(before, signal.SIGTERM)
        os.kill(before, signal.SIGINT)
        assert client.render("friendly", {"name": "x"}) == "hello x"
        assert process_id(client) == before


def test_what_a_template_says_reaches_the_client() -> None:
    raising = client_of("{{ raise_exception('roles must alternate') }}")
    with raising as client, pytest.raises(RequestError, match=r"^roles must alternate$"):
        client.render("hostile", {})


def test_a_failing_template_is_explained() -> None:
    failing = client_of("{{ missing.attribute }}")
    with failing as client, pytest.raises(RequestError, match="'missing' is undefined"):
        client.render("hostile", {})


def test_values_that_cannot_be_encoded_are_refused() -> None:
    with client_of("") as client, pytest.raises(RequestError, match="cannot be encoded"):
        client.render("friendly", {"name": "\ud800"})


@pytest.mark.parametrize("source", ["{% if %}", "{{ x", "{% unknown %}", "{{ 'a' | nofilter }}"])
def test_a_template_that_does_not_parse_is_a_model_error(source: str) -> None:
    with pytest.raises(ModelError, match="not usable"), client_of(source):
        pass


def test_a_template_that_compiles_for_ever_is_a_model_error() -> None:
    with pytest.raises(ModelError), client_of("{{ 7 ** (10 ** 8) }}"):
        pass


def test_the_process_can_open_no_file() -> None:
    client = TemplateClient({"friendly": FRIENDLY})
    client.load()
    with open(f"/proc/{process_id(client)}/limits") as limits:
        files = next(line for line in limits if line.startswith("Max open files"))
    client.close()
    assert files.split()[3:5] == ["3", "3"]


def test_the_process_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGE_API_KEY", "secret")
    with client_of("") as client, open(f"/proc/{process_id(client)}/environ") as environment:
        assert "secret" not in environment.read()


def test_the_process_ends_when_its_owner_is_gone() -> None:
    process = start(Program(MODULE, max_cpu_s=1.0))
    process.stream.close()
    assert process.popen.wait(timeout=10) == 0
