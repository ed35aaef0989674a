"""A child that holds a lifeline ends when its launcher's end of the pipe closes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from forge_common.lifeline import LIFELINE_FD_VARIABLE, ORPHANED_EXIT_CODE, hold_lifeline

CHILD = """
import os, threading
from forge_common.lifeline import hold_lifeline
hold_lifeline(os.environ)
print("holding", flush=True)
threading.Event().wait(30)
"""


def test_child_ends_when_the_pipe_closes() -> None:
    read_fd, write_fd = os.pipe()
    environment = {**os.environ, LIFELINE_FD_VARIABLE: str(read_fd)}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], env=environment, pass_fds=[read_fd], stdout=subprocess.PIPE
    ) as child:
        os.close(read_fd)
        assert child.stdout is not None
        assert child.stdout.readline() == b"holding\n"
        os.close(write_fd)
        assert child.wait(timeout=5) == ORPHANED_EXIT_CODE


def test_without_a_launcher_nothing_is_watched() -> None:
    hold_lifeline({})
    assert "lifeline" not in {thread.name for thread in threading.enumerate()}
