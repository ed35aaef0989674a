"""A role's tie to its launcher: when the launcher dies, however it dies, so does the role.

Two ties, since each has a hole: PR_SET_PDEATHSIG (Linux; at once, even inside a long native call)
and the read end of a pipe that only the launcher can write to (everywhere; covers a launcher that
died before the role came this far). Neither costs CPU. Knows nothing of what the role does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Mapping

LIFELINE_FD_VARIABLE = "FORGE_LIFELINE_FD"
ORPHANED_EXIT_CODE = 1
PR_SET_PDEATHSIG = 1


def hold_lifeline(environment: Mapping[str, str]) -> None:
    """Watch the pipe named in `FORGE_LIFELINE_FD`; without it nothing happens."""
    stated = environment.get(LIFELINE_FD_VARIABLE)
    if not stated:
        return
    fd = int(stated)
    os.set_inheritable(fd, False)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    threading.Thread(target=_exit_at_end_of, args=(fd,), name="lifeline", daemon=True).start()


def _exit_at_end_of(fd: int) -> None:
    while os.read(fd, 1):
        pass
    os._exit(ORPHANED_EXIT_CODE)
