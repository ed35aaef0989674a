"""One part in a process of its own: `python -m tests.bench.gpu.child TASK`, a Task as JSON.

Every result is written to a file as it comes, so that what ends the process, be it the clock or the
card, takes away none that is there. Knows no budget.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import msgspec

from forge_common.errors import ForgeError
from tests.bench.gpu.ceilings import EXPECTED
from tests.bench.gpu.parts import PARTS, Place
from tests.bench.gpu.peers import Missing
from tests.bench.gpu.results import Ended, Result
from tests.bench.gpu.roofline import Ceilings


class Task(msgspec.Struct, frozen=True):
    part: str
    folder: str
    results: str  # the file
    ceilings: Ceilings | None


class LastLine(msgspec.Struct, frozen=True, tag=True):
    """What a part ended with, where nobody ended it."""

    ended: Ended
    reason: str = ""


class ResultLine(msgspec.Struct, frozen=True, tag=True):
    result: Result


Line = ResultLine | LastLine


def run(task: Task, place: Place) -> LastLine:
    """What PARTS[task.part] gives, line by line into the file; then how it ended.

    Where nobody knows the ceilings, times are still times, but shares would be of nothing.
    """
    with Path(task.results).open("ab") as file:
        last = LastLine(Ended.DONE)
        try:
            for result in PARTS[task.part].measure(place):
                kept = result if task.ceilings else result.without_share()
                file.write(msgspec.json.encode(ResultLine(kept)) + b"\n")
                file.flush()
        except Missing as error:
            last = LastLine(Ended.UNAVAILABLE, str(error))
        except ForgeError as error:
            last = LastLine(Ended.FAILED, str(error))
        except Exception as error:  # of the device, of the libraries: the other parts go on
            traceback.print_exc()
            last = LastLine(Ended.FAILED, repr(error))
        file.write(msgspec.json.encode(last) + b"\n")
    return last


def read_lines(path: Path) -> list[Line]:
    """A line that was not written to its end counts as absent."""
    lines: list[Line] = []
    for text in path.read_bytes().splitlines() if path.exists() else []:
        try:
            lines.append(msgspec.json.decode(text, type=Line))
        except msgspec.DecodeError:
            break
    return lines


if __name__ == "__main__":
    task = msgspec.json.decode(sys.argv[1], type=Task)
    place = Place(Path(task.folder), task.ceilings or EXPECTED)
    sys.exit(run(task, place).ended is Ended.FAILED)
