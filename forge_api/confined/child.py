"""The confined process's own end: gives up its rights, then answers frames until its input ends.

Past its limits the kernel ends it and the API process starts another. It ends by itself when its
standard input does, so it never outlives the API process. Knows nothing of what is asked.
"""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO, Final, NoReturn

from forge_api.confined.frames import read_frame, write_frame

EXIT_OUT_OF_MEMORY: Final = 12

Answer = Callable[[bytes], bytes]


def answer_frames(answer: Answer, max_cpu_s: float, max_memory_bytes: int) -> None:
    """What `answer` imports must be imported by now: no more files can be opened."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the API process, which may be draining
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    give_up_rights(max_memory_bytes)
    serve(sys.stdin.buffer, sys.stdout.buffer, answer, max_cpu_s)


def give_up_rights(max_memory_bytes: int) -> None:
    """Streams that are open stay so; new files and sockets are refused, and more memory."""
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(requests: BinaryIO, replies: BinaryIO, answer: Answer, max_cpu_s: float) -> None:
    """So many seconds of CPU time for each answer; 0 is no limit."""
    while (body := read_frame(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, max_cpu_s)
        reply = answer(body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        write_frame(replies, reply)


def end_out_of_memory() -> NoReturn:
    """Ends a process whose heap is spent: the next question deserves a fresh one."""
    sys.exit(EXIT_OUT_OF_MEMORY)
