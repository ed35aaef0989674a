"""Confined processes: each limit ends one, and the next takes its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from forge_api.confined import succession
from forge_api.confined.process import ConfinedProcess, ProcessDied, Program
from forge_api.confined.succession import Succession

PROGRAM = Program("tests.api.confined.misbehaving", max_cpu_s=0.1, max_reply_bytes=5_000)


@pytest.fixture
def processes() -> Iterator[Succession]:
    succession = Succession(PROGRAM)
    yield succession
    succession.stop()


def test_questions_are_answered_in_turn(processes: Succession) -> None:
    assert [processes.ask(body) for body in (b"a", b"", b"b")] == [b"a!", b"!", b"b!"]


def test_too_much_time_ends_a_process_and_not_the_next(processes: Succession) -> None:
    with pytest.raises(ProcessDied) as died:
        processes.ask(b"spin")
    assert died.value.is_out_of_time
    assert processes.ask(b"a") == b"a!"


def test_too_much_memory_ends_a_process_and_not_the_next(processes: Succession) -> None:
    with pytest.raises(ProcessDied) as died:
        processes.ask(b"fill")
    assert died.value.is_out_of_memory
    assert processes.ask(b"a") == b"a!"


@pytest.mark.parametrize("body", [b"spin", b"fill"])
def test_a_question_that_goes_beyond_a_limit_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    started: list[ConfinedProcess] = []

    def start(program: Program) -> ConfinedProcess:
        started.append(ConfinedProcess(program))
        return started[-1]

    monkeypatch.setattr(succession, "ConfinedProcess", start)
    processes = Succession(PROGRAM)
    with pytest.raises(ProcessDied):
        processes.ask(body)
    processes.stop()
    assert len(started) == 2  # the one that died, and the next


@pytest.mark.parametrize("body", [b"crash", b"much"])
def test_a_crash_and_a_reply_that_is_too_long_are_the_questions_fault_when_repeated(
    processes: Succession, body: bytes
) -> None:
    with pytest.raises(ProcessDied) as died:
        processes.ask(body)
    assert not died.value.is_out_of_time
    assert processes.ask(b"a") == b"a!"


def test_a_process_found_dead_is_replaced_unnoticed(processes: Succession) -> None:
    before = processes.pid
    os.kill(before, signal.SIGKILL)
    assert processes.ask(b"a") == b"a!"
    assert processes.pid != before


def test_no_file_can_be_opened(processes: Succession) -> None:
    assert processes.ask(b"open") == b"OSError"


def test_stopping_ends_the_process(processes: Succession) -> None:
    processes.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(processes.pid, 0)


def test_a_process_that_was_stopped_is_replaced_when_asked(processes: Succession) -> None:
    processes.stop()
    assert processes.ask(b"a") == b"a!"
