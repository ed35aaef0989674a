"""Launcher: runs kernels at once, and while a step is recorded also notes them for repetition.

A step of a model is the same launches every time, with other numbers in the same places: recorded
once, it is repeated by one call, which saves what Python takes for each. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from forge_worker.cpu.native.kernel import Kernel
from forge_worker.cpu.native.pool import Launches, NativePool, Record


@dataclass(frozen=True, slots=True)
class Program:
    """Launches, and the records that they read."""

    launches: Launches
    records: tuple[Record, ...]


@dataclass(slots=True)
class _Recording:
    launches: list[tuple[Kernel, Record, int]] = field(default_factory=list)

    def program(self) -> Program:
        records = tuple(record for _, record, _ in self.launches)
        return Program(Launches(self.launches), records)


class Launcher:
    def __init__(self, pool: NativePool) -> None:
        self._pool = pool
        self._recording: _Recording | None = None

    @property
    def num_threads(self) -> int:
        return self._pool.num_threads

    def reserve_scratch(self, num_bytes: int) -> None:
        self._pool.reserve_scratch(num_bytes)

    def launch(self, kernel: Kernel, arguments: Sequence[int], count_address: int) -> None:
        """As many tasks as the int64 at `count_address` says."""
        self.launch_record(kernel, Record(arguments), count_address)

    def launch_tasks(self, kernel: Kernel, arguments: Sequence[int], num_tasks: int) -> None:
        record = Record([*arguments, num_tasks])
        self.launch_record(kernel, record, record.address + 8 * len(arguments))

    def launch_record(self, kernel: Kernel, record: Record, count_address: int) -> None:
        launch = (kernel, record, count_address)
        if self._recording is not None:
            self._recording.launches.append(launch)
        self._pool.run_all(Launches([launch]))

    @contextmanager
    def recording(self) -> Iterator[list[Program]]:
        """The program of all launches inside is in the list afterwards, unless something failed."""
        programs: list[Program] = []
        self._recording = recording = _Recording()
        try:
            yield programs
        finally:
            self._recording = None
        programs.append(recording.program())

    def repeat(self, program: Program) -> None:
        self._pool.run_all(program.launches)
