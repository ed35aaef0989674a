"""A role that is started again when it ends, as real processes: what goes on, and what ends all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.common.supervisor.test_supervisor import (
    RUNS,
    WAIT_S,
    Launch,
    children_of,
    launch,
    said_by,
    wait_until_gone,
    wait_until_ready,
)

__all__ = ["launch"]

RESTARTED = {"restarted": ["worker"]}


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """One line for each start of the worker: its process id."""
    (tmp_path / "starts").touch()
    return tmp_path / "starts"


def counting(starts: Path, code: str) -> str:
    """`number` is how many starts there were before this one."""
    path = repr(str(starts))
    count = (
        f"number = len(open({path}).readlines()); open({path}, 'a').write(f'{{os.getpid()}}\\n')"
    )
    return f"{count}\n{code}"


def pids_of(starts: Path) -> list[int]:
    return [int(line) for line in starts.read_text().splitlines()]


def wait_for_starts(starts: Path, number: int) -> list[int]:
    deadline = time.monotonic() + WAIT_S
    while len(pids := pids_of(starts)) < number:
        assert time.monotonic() < deadline, f"{len(pids)} starts, not {number}"
        time.sleep(0.01)
    return pids


def kill_the_last(starts: Path) -> None:
    os.kill(pids_of(starts)[-1], signal.SIGKILL)


def end(process: subprocess.Popen[str]) -> list[str]:
    process.terminate()
    return said_by(process)


def test_killed_worker_starts_again_and_nobody_else_does(launch: Launch, starts: Path) -> None:
    process = launch(("worker", 0, counting(starts, RUNS)), ("api", 2, RUNS), **RESTARTED)
    wait_until_ready(process)
    before = set(children_of(process))
    kill_the_last(starts)
    first, second = wait_for_starts(starts, 2)
    assert set(children_of(process)) == before - {first} | {second}
    said = end(process)
    assert process.returncode == 0
    assert any("worker: was killed by SIGKILL; it starts again in 0.0 s" in line for line in said)


def test_readiness_is_announced_once(launch: Launch, starts: Path) -> None:
    process = launch(("worker", 0, counting(starts, RUNS)), **RESTARTED)
    wait_until_ready(process)
    kill_the_last(starts)
    wait_for_starts(starts, 2)
    time.sleep(0.2)
    process.terminate()
    assert process.communicate(timeout=WAIT_S)[0] == ""


def test_each_start_is_told_how_often_it_was_started_again(
    launch: Launch, starts: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    note = f"open({str(told)!r}, 'a').write(os.environ['FORGE_NUM_RESTARTS'] + ' ')"
    process = launch(("worker", 0, counting(starts, f"{note}; {RUNS}")), **RESTARTED)
    wait_until_ready(process)
    kill_the_last(starts)
    deadline = time.monotonic() + WAIT_S
    while told.read_text().split() != ["0", "1"]:
        assert time.monotonic() < deadline, told.read_text()
        time.sleep(0.01)
    end(process)


def test_worker_that_fails_in_its_work_starts_again(launch: Launch, starts: Path) -> None:
    fails = "ready()\nif number == 0: fail('out of memory'); sys.exit(6)\ntime.sleep(30)"
    process = launch(("worker", 0, counting(starts, fails)), **RESTARTED)
    wait_for_starts(starts, 2)
    said = end(process)
    assert process.returncode == 0
    assert any("worker: out of memory; it starts again" in line for line in said)


def test_worker_that_says_it_failed_and_hangs_is_killed(launch: Launch, starts: Path) -> None:
    hangs = "ready()\nif number == 0: fail('stuck')\ntime.sleep(30)"
    launch(("worker", 0, counting(starts, hangs)), **RESTARTED)
    first, _ = wait_for_starts(starts, 2)
    wait_until_gone([first])


def test_start_that_fails_ends_all_with_its_sentence(launch: Launch, starts: Path) -> None:
    fails = "if number == 0: ready(); sys.exit(6)\nfail('no such model'); sys.exit(3)"
    process = launch(("worker", 0, counting(starts, fails)), ("api", 2, RUNS), **RESTARTED)
    assert said_by(process)[-1] == "reason: worker: no such model"
    assert process.returncode == 3
    assert len(pids_of(starts)) == 2


def test_worker_that_was_never_ready_ends_all_as_ever(launch: Launch, starts: Path) -> None:
    fails = "fail('no such model'); sys.exit(3)"
    process = launch(("worker", 0, counting(starts, fails)), **RESTARTED)
    assert said_by(process)[-1] == "reason: worker: no such model"
    assert (process.returncode, len(pids_of(starts))) == (3, 1)


def test_worker_killed_while_it_starts_again_gets_another_chance(
    launch: Launch, starts: Path
) -> None:
    loads = "if number != 1: ready()\ntime.sleep(30)"
    process = launch(("worker", 0, counting(starts, loads)), **RESTARTED)
    wait_until_ready(process)
    for number in (2, 3):
        kill_the_last(starts)
        wait_for_starts(starts, number)
    end(process)
    assert process.returncode == 0


def test_used_up_budget_ends_all_in_one_sentence(launch: Launch, starts: Path) -> None:
    dies = "ready(); os.kill(os.getpid(), signal.SIGKILL)"
    process = launch(("worker", 0, counting(starts, dies)), ("api", 2, RUNS), **RESTARTED)
    last = said_by(process)[-1]
    assert last == (
        "reason: worker: was killed by SIGKILL, after it was restarted 5 times within 10 minutes"
    )
    assert process.returncode == 128 + signal.SIGKILL
    assert len(pids_of(starts)) == 6


def test_start_that_takes_too_long_ends_all_also_later(launch: Launch, starts: Path) -> None:
    hangs = "if number == 0: ready(); time.sleep(0.2); sys.exit(6)\ntime.sleep(30)"
    process = launch(("worker", 0, counting(starts, hangs)), start_timeout_s=1.0, **RESTARTED)
    assert "worker: was not ready within 1 s" in said_by(process)[-1]


def test_late_start_is_not_measured_by_the_first_ones_deadline(
    launch: Launch, starts: Path
) -> None:
    slow = "time.sleep(0 if number == 0 else 1.8); ready(); time.sleep(1.5 if number == 0 else 30)"
    process = launch(("worker", 0, counting(starts, slow)), start_timeout_s=3.0, **RESTARTED)
    wait_for_starts(starts, 2)
    time.sleep(2.0)
    end(process)
    assert process.returncode == 0


def test_other_roles_end_all_as_ever(launch: Launch, starts: Path) -> None:
    dies = "ready(); time.sleep(0.1); sys.exit(4)"
    process = launch(("worker", 0, RUNS), ("scheduler", 1, dies), **RESTARTED)
    assert said_by(process)[-1] == "reason: scheduler: ended unexpectedly with exit code 4"
    assert process.returncode == 4


def test_child_that_its_peers_gave_up_is_killed_and_starts_again(
    launch: Launch, starts: Path
) -> None:
    hangs = "ready()\nif number == 0: os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(30)"
    path = repr(str(starts))
    tells = (
        f"while not (pids := open({path}).read().split()): time.sleep(0.01)\n"
        "peer_lost(int(pids[0])); ready(); time.sleep(30)"
    )
    process = launch(("worker", 0, counting(starts, hangs)), ("scheduler", 1, tells), **RESTARTED)
    first, _ = wait_for_starts(starts, 2)
    wait_until_gone([first])
    said = end(process)
    assert any("worker is of no use to its peers any more" in line for line in said)


def test_what_is_no_child_is_not_killed(launch: Launch) -> None:
    tells = f"peer_lost({os.getpid()}); peer_lost(os.getpid()); " + RUNS
    process = launch(("worker", 0, RUNS), ("scheduler", 1, tells), **RESTARTED)
    wait_until_ready(process)
    time.sleep(1.3)
    assert len(children_of(process)) == 2


def test_worker_that_dies_while_requests_finish_starts_again(launch: Launch, starts: Path) -> None:
    path = repr(str(starts))
    waits = f"while len(open({path}).readlines()) < 2: time.sleep(0.01)\n  time.sleep(0.2)"
    drains = (
        f"def drain(*_):\n  {waits}\n  sys.exit(0)\nsignal.signal(signal.SIGTERM, drain)\n{RUNS}"
    )
    worker = "exit_slowly(0)\n" + RUNS
    process = launch(("worker", 0, counting(starts, worker)), ("scheduler", 1, drains), **RESTARTED)
    wait_until_ready(process)
    process.terminate()
    time.sleep(0.1)
    kill_the_last(starts)
    assert "worker    | bye" in said_by(process)  # the second one was asked to end, as ever
    assert process.returncode == 0
    wait_until_gone(pids_of(starts))


def test_worker_that_is_dismissed_while_all_end_is_not_called_back(
    launch: Launch, starts: Path
) -> None:
    path = repr(str(starts))
    dismiss = f"os.kill(int(open({path}).read()), signal.SIGTERM); time.sleep(0.3); sys.exit(0)"
    drains = f"def drain(*_): {dismiss}\nsignal.signal(signal.SIGTERM, drain)\n{RUNS}"
    leaves = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + RUNS
    process = launch(("worker", 0, counting(starts, leaves)), ("scheduler", 1, drains), **RESTARTED)
    wait_until_ready(process)
    end(process)
    assert (process.returncode, len(pids_of(starts))) == (0, 1)


def test_stop_while_a_restart_is_due_ends_all(launch: Launch, starts: Path) -> None:
    process = launch(
        ("worker", 0, counting(starts, RUNS)),
        ("api", 2, RUNS),
        first_restart_delay_s=20.0,
        **RESTARTED,
    )
    wait_until_ready(process)
    kill_the_last(starts)
    wait_until_gone(pids_of(starts))
    end(process)
    assert (process.returncode, len(pids_of(starts))) == (0, 1)
