"""How a deployment starts, ends, and what is left of it: real processes, a few lines each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.supervisor.fake_roles import Deployment

RUNS = "ready(); time.sleep(30)"
WAIT_S = 10.0

Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def launch() -> Iterator[Launch]:
    started: list[subprocess.Popen[str]] = []

    def start(
        *roles: tuple[str, int, str], prefix: Sequence[str] = (), **settings: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.common.supervisor.fake_roles"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(Deployment(list(roles), **settings)).decode())
        process.stdin.close()
        process.stdin = None  # so that communicate() does not flush it
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "all ready\n"


def is_running(pid: int) -> bool:
    """Not when only its exit status is left, which is for init to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + WAIT_S
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {pids}"
        time.sleep(0.01)


def said_by(process: subprocess.Popen[str]) -> list[str]:
    _, text = process.communicate(timeout=WAIT_S)
    return text.splitlines()


def children_of(process: subprocess.Popen[str]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def test_ready_once_every_role_is(launch: Launch) -> None:
    process = launch(("a", 0, RUNS), ("b", 1, "time.sleep(0.2);" + RUNS))
    wait_until_ready(process)
    assert len(children_of(process)) == 2


def test_lines_carry_the_name_of_their_role(launch: Launch) -> None:
    process = launch(("a", 0, RUNS), ("long", 1, "print('hello'); fail('enough'); sys.exit(3)"))
    assert "long | hello" in said_by(process)


def test_stop_signal_drains_the_highest_stage_first(launch: Launch) -> None:
    slowly = "exit_slowly(0.1); ready(); time.sleep(30)"
    process = launch(("worker", 0, slowly), ("scheduler", 1, slowly), ("api", 2, slowly))
    wait_until_ready(process)
    process.terminate()
    goodbyes = [line for line in said_by(process) if line.endswith("| bye")]
    assert [line.split()[0] for line in goodbyes] == ["api", "scheduler", "worker"]
    assert process.returncode == 0


def test_interrupt_drains_too(launch: Launch) -> None:
    process = launch(("a", 0, RUNS))
    wait_until_ready(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_S) == 0


def test_end_of_the_terminal_drains_too_however_often_it_is_told(launch: Launch) -> None:
    process = launch(("a", 0, "exit_slowly(0.3); ready(); time.sleep(30)"))
    wait_until_ready(process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    process.send_signal(signal.SIGHUP)
    assert "a | bye" in said_by(process)
    assert process.returncode == 0


READS_AGAIN = "signal.signal(signal.SIGHUP, lambda *_: print('again', flush=True)); ready()"


def test_hangup_is_handed_to_roles_that_read_files_again(launch: Launch) -> None:
    roles = ("a", 0, f"{READS_AGAIN}; time.sleep(0.5)\nwhile True: time.sleep(1)"), ("b", 1, RUNS)
    process = launch(*roles, reloaded=["a"])
    wait_until_ready(process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert len(children_of(process)) == 2
    process.terminate()
    assert said_by(process).count("a | again") == 2
    assert process.returncode == 0


def test_hangup_before_a_role_is_ready_waits_until_it_is(launch: Launch) -> None:
    process = launch(("a", 0, f"time.sleep(0.5); {READS_AGAIN}; time.sleep(30)"), reloaded=["a"])
    deadline = time.monotonic() + WAIT_S
    while not children_of(process):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    wait_until_ready(process)
    time.sleep(0.2)
    process.terminate()
    assert said_by(process).count("a | again") == 1


def test_hangup_is_handed_on_under_nohup_too(launch: Launch) -> None:
    roles = ("a", 0, f"{READS_AGAIN}\nwhile True: time.sleep(1)")
    process = launch(roles, reloaded=["a"], prefix=["nohup"])
    wait_until_ready(process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    process.terminate()
    assert said_by(process).count("a | again") == 1


def test_nohup_outlives_its_terminal(launch: Launch) -> None:
    process = launch(("a", 0, RUNS), prefix=["nohup"])
    wait_until_ready(process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert children_of(process)
    process.terminate()
    assert process.wait(WAIT_S) == 0


def test_second_signal_ends_all_now(launch: Launch) -> None:
    process = launch(("a", 0, "exit_slowly(30);" + RUNS))
    wait_until_ready(process)
    process.terminate()
    time.sleep(0.2)
    process.terminate()
    assert process.wait(WAIT_S) == 128 + signal.SIGTERM


def test_child_that_outstays_the_drain_is_killed(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = launch(("a", 0, "exit_slowly(30); ready(); time.sleep(30)"), drain_timeout_s=0.0)
    wait_until_ready(process)
    process.terminate()
    assert process.wait(WAIT_S) == 0


def test_first_failure_gives_exit_code_and_last_line(launch: Launch) -> None:
    fails = "fail('no such model'); print('a parting word'); sys.exit(3)"
    process = launch(("a", 0, RUNS), ("worker", 1, fails))
    assert said_by(process)[-1] == "reason: worker: no such model"
    assert process.returncode == 3


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """A pipe by whose opening one role waits for another."""
    os.mkfifo(tmp_path / "fifo")
    return str(tmp_path / "fifo")


def test_reason_wins_over_failures_that_follow_from_it(launch: Launch, fifo: str) -> None:
    tells = f"with open({fifo!r}, 'w'): fail('out of memory')"
    follows = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); open({fifo!r}).read(); sys.exit(4)"
    worker = f"{tells}\ntime.sleep(0.1); os._exit(5)"
    process = launch(("worker", 0, worker), ("api", 2, follows))
    assert said_by(process)[-1] == "reason: worker: out of memory"
    assert process.returncode == 5


def test_death_is_the_cause_though_others_tell_it_first(launch: Launch, fifo: str) -> None:
    dies = f"open({fifo!r}, 'w').write(str(os.getpid())); time.sleep(30)"
    kills = "os.kill(worker, signal.SIGKILL); sys.exit(4)"  # dead at once, whatever the load
    feels = f"worker = int(open({fifo!r}).read()); fail('the worker is gone'); {kills}"
    process = launch(("worker", 0, dies), ("scheduler", 1, feels))
    assert said_by(process)[-1] == "reason: worker: was killed by SIGKILL"


def test_death_by_signal_is_told_as_a_shell_tells_it(launch: Launch) -> None:
    process = launch(("worker", 0, "os.kill(os.getpid(), signal.SIGSEGV)"))
    assert said_by(process)[-1] == "reason: worker: was killed by SIGSEGV"
    assert process.returncode == 128 + signal.SIGSEGV


def test_role_that_ends_by_itself_is_a_failure(launch: Launch) -> None:
    process = launch(("worker", 0, "ready()"))
    assert said_by(process)[-1] == "reason: worker: ended unexpectedly with exit code 0"
    assert process.returncode == 1


def test_role_that_never_gets_ready_is_a_failure(launch: Launch) -> None:
    process = launch(("a", 0, RUNS), ("b", 1, "time.sleep(30)"), start_timeout_s=0.5)
    assert "b: was not ready within 0.5 s (--start-timeout-s)" in said_by(process)[-1]
    assert process.returncode == 1


def test_progress_is_told(launch: Launch) -> None:
    loads = "progress(1, 4); time.sleep(0.2); progress(4 * 2**20, 4 * 2**20);"
    process = launch(("worker", 0, loads + "fail('enough'); sys.exit(3)"))
    assert any("worker | loaded 4.0 MiB of weights in 0.2 s" in line for line in said_by(process))


def test_killed_launcher_leaves_nothing(launch: Launch) -> None:
    process = launch(("a", 0, RUNS), ("b", 1, RUNS))
    wait_until_ready(process)
    children = children_of(process)
    process.kill()
    began = time.monotonic()
    wait_until_gone(children)
    assert time.monotonic() - began < 1.0


def test_stopped_child_does_not_outlive_a_killed_launcher(launch: Launch) -> None:
    process = launch(("a", 0, RUNS))
    wait_until_ready(process)
    (child,) = children_of(process)
    os.kill(child, signal.SIGSTOP)
    process.kill()
    wait_until_gone([child])


@pytest.fixture
def new_pid_namespace() -> list[str]:
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    tool = shutil.which(prefix[0])
    if tool is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("PID namespaces are not to be had here")
    return prefix


def test_orphans_are_collected_by_the_launcher_of_a_container(
    launch: Launch, new_pid_namespace: list[str]
) -> None:
    orphan = "subprocess.run(['sh', '-c', 'sleep 0.2 & exit 0']); time.sleep(0.6);"
    count = "print('zombies:', sum(' Z ' in open(p).read() for p in glob('/proc/[0-9]*/stat')));"
    code = f"from glob import glob; {orphan} {count} fail('enough'); sys.exit(3)"
    process = launch(("a", 0, code), prefix=new_pid_namespace)
    assert "a | zombies: 0" in said_by(process)


def test_what_a_dead_child_started_is_killed(launch: Launch) -> None:
    starts = "p = subprocess.Popen(['sleep', '30']); print(p.pid, flush=True); sys.exit(3)"
    process = launch(("a", 0, starts))
    lines = said_by(process)
    wait_until_gone([int(lines[0].split("|")[1])])
