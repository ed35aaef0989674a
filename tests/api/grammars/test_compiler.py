"""The compiler: what is slow or dies costs its own grammar, and the next is compiled as ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import msgspec
import pytest

from forge_api.grammars import compiler as module
from forge_api.grammars.compiler import Compiler
from forge_api.grammars.messages import Compiled, Outcome, Refused
from forge_common.errors import RequestError, RequestErrorKind
from tests.api.grammars.programs import allows

MISBEHAVING = "tests.api.confined.misbehaving"
FRIENDLY = b'{"type":"Choices","texts":["a","b"]}'
SLOW = msgspec.json.encode(
    {
        "type": "JsonSchema",
        "schema": {
            "properties": {
                str(number): {
                    "type": "string",
                    "pattern": f"^[a-z]{{1,{number}}}[^a]{{1,40}}$",
                    "maxLength": 90,
                }
                for number in range(1, 400)
            }
        },
    }
)


@pytest.fixture
def compiler() -> Iterator[Compiler]:
    compiler = Compiler(max_cpu_s=0.1)
    yield compiler
    compiler.close()


def is_friendly(outcome: Outcome) -> bool:
    return isinstance(outcome, Compiled) and allows(outcome.program, "a")


def test_a_grammar_is_compiled_and_timed(compiler: Compiler) -> None:
    timed = compiler.compile(FRIENDLY)
    assert is_friendly(timed.outcome)
    assert 0 < timed.seconds < 10


def test_a_slow_grammar_is_refused_and_the_next_compiled(compiler: Compiler) -> None:
    outcome = compiler.compile(SLOW).outcome
    assert outcome == Refused("compiling it takes more than 0.1 seconds", is_too_large=True)
    assert is_friendly(compiler.compile(FRIENDLY).outcome)


def test_a_killed_process_is_not_noticed(compiler: Compiler) -> None:
    compiler.start()
    [pid] = compiler.pids
    os.kill(pid, signal.SIGKILL)
    assert is_friendly(compiler.compile(FRIENDLY).outcome)
    assert compiler.pids != [pid]


def test_one_process_serves_grammar_after_grammar(compiler: Compiler) -> None:
    compiler.compile(FRIENDLY)
    pids = compiler.pids
    compiler.compile(FRIENDLY)
    assert compiler.pids == pids
    assert len(pids) == 1


def test_closing_ends_the_processes(compiler: Compiler) -> None:
    compiler.compile(FRIENDLY)
    [pid] = compiler.pids
    compiler.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.fixture
def misbehaving(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    monkeypatch.setattr(module, "MODULE", MISBEHAVING)
    return Compiler(max_cpu_s=0.1)


@pytest.mark.parametrize("body", [b"fill", b"spin"])
def test_what_takes_too_much_is_refused(misbehaving: Compiler, body: bytes) -> None:
    outcome = misbehaving.compile(body).outcome
    misbehaving.close()
    assert isinstance(outcome, Refused)
    assert outcome.is_too_large


@pytest.mark.parametrize("body", [b"crash", b"nonsense"])
def test_a_process_that_fails_is_forges_fault(misbehaving: Compiler, body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        misbehaving.compile(body)
    misbehaving.close()
    assert caught.value.kind is RequestErrorKind.INTERNAL
