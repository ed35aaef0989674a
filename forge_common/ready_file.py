"""A file that says which process is ready, for whoever has no better way to ask it.

    {"process_id":7,"start_ticks":81234}

`FORGE_READY_FILE` names it. The process is told by its number and by when it started, since
numbers come back: what an earlier process left behind, in a container that was started again say,
counts for nothing. Linux only (/proc). Does not know whether the process gets on with its work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

READY_FILE_VARIABLE = "FORGE_READY_FILE"
PROC = Path("/proc")
STANDING_STILL = {"T": "is stopped", "t": "is held by a debugger", "Z": "has ended"}


class ReadyProcess(Struct, frozen=True):
    process_id: int
    start_ticks: int  # of the kernel's clock, since the machine started


class ProcessState(NamedTuple):
    letter: str  # as proc(5) has it
    start_ticks: int


def ready_file(environment: Mapping[str, str]) -> Path | None:
    stated = environment.get(READY_FILE_VARIABLE)
    return Path(stated) if stated else None


def write_ready_file(path: Path) -> None:
    """Says that this process is ready, all at once. OSError where the file cannot be written."""
    process_id = os.getpid()
    state = _state_of(process_id)
    if state is None:
        raise FileNotFoundError(f"there is no {PROC}/{process_id}/stat")
    text = msgspec.json.encode(ReadyProcess(process_id, state.start_ticks))
    unfinished = path.with_name(f".{path.name}.{process_id}")
    unfinished.write_bytes(text)
    unfinished.replace(path)


def why_not_ready(path: Path) -> str | None:
    """None while the process that wrote the file runs, else the reason in words."""
    try:
        ready = msgspec.json.decode(path.read_bytes(), type=ReadyProcess)
    except FileNotFoundError:
        return f"it is not ready yet: there is no {path}"
    except (OSError, msgspec.DecodeError) as error:
        return f"{path}: {error}"
    state = _state_of(ready.process_id)
    if state is None or state.start_ticks != ready.start_ticks:
        return f"the process {ready.process_id}, which was ready, is gone"
    if state.letter in STANDING_STILL:
        return f"the process {ready.process_id} {STANDING_STILL[state.letter]}"
    return None


def _state_of(process_id: int) -> ProcessState | None:
    try:
        text = (PROC / str(process_id) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may hold anything
    return ProcessState(fields[0], int(fields[19]))
