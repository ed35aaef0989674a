"""What the compiling process answers, asked here without a process."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_api.grammars import process
from forge_api.grammars.messages import Compiled, Failed, Refused, Reply
from forge_api.grammars.process import CompilerDesk
from forge_common.grammar.spec import Choices, Ebnf, JsonObject, JsonSchema, Regex
from tests.api.grammars.programs import allows


def answer(question: Any) -> Reply:
    body = question if isinstance(question, bytes) else msgspec.json.encode(question)
    return msgspec.msgpack.decode(CompilerDesk().answer(body), type=Reply)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (JsonSchema({"const": 1.5}), "1.5"),
        (JsonObject(), '{"a":[]}'),
        (Regex("a+"), "aa"),
        (Choices(("a", "é")), "é"),
        (Ebnf('root ::= "a" root?'), "aaa"),
    ],
)
def test_each_kind_is_compiled(spec: Any, text: str) -> None:
    reply = answer(spec)
    assert isinstance(reply, Compiled)
    assert allows(reply.program, text)
    assert not allows(reply.program, text + "x")


def test_decimals_stay_exact() -> None:
    reply = answer(b'{"type":"JsonSchema","schema":{"const":0.1000000000000000000000001}}')
    assert isinstance(reply, Compiled)
    assert allows(reply.program, "0.1000000000000000000000001")
    assert not allows(reply.program, "0.1")


def test_a_refusal_says_where_and_why() -> None:
    reply = answer(JsonSchema({"properties": {"a": {"pattern": "(a)\\1"}}}))
    assert isinstance(reply, Refused)
    assert not reply.is_too_large
    assert "pattern" in reply.message
    assert "/properties/a" in reply.message


@pytest.mark.parametrize(
    "spec",
    [
        JsonSchema(False),
        JsonSchema({"minimum": 2, "maximum": 1, "type": "integer"}),
        JsonSchema({"type": 5}),
        JsonSchema(3),
        Regex("("),
        Regex("a" * 2**17),
        Ebnf("root ::= nobody"),
        Ebnf('root ::= root "a"'),
        b'{"type":"Nothing"}',
    ],
)
def test_what_cannot_be_compiled_is_refused(spec: Any) -> None:
    assert isinstance(answer(spec), Refused)


def test_deep_nesting_is_refused() -> None:
    schema: Any = {}
    for _ in range(500):
        schema = {"items": schema}
    reply = answer(JsonSchema(schema))
    assert isinstance(reply, Refused)
    assert reply.is_too_large


def test_a_program_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_GRAMMAR_BYTES", 10)
    reply = answer(Choices(("a" * 20,)))
    assert isinstance(reply, Refused)
    assert reply.is_too_large


def test_a_fault_of_the_compiler_is_not_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_loosely(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(process, "compile_loosely", compile_loosely)
    reply = answer(JsonObject())
    assert isinstance(reply, Failed)
    assert "oops" in reply.message


def test_without_memory_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_loosely(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(process, "compile_loosely", compile_loosely)
    with pytest.raises(SystemExit):
        answer(JsonObject())
