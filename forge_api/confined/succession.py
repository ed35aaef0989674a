"""Succession: a confined process and, when it died, the next one in its place.

Blocks; one thread at a time. Knows nothing of what is asked.
"""

from __future__ import annotations

from forge_api.confined.process import ConfinedProcess, ProcessDied, Program
from forge_common.errors import RequestError, RequestErrorKind


class Succession:
    """`greeting` is the first thing each process is asked; None where it needs none."""

    def __init__(self, program: Program, greeting: bytes | None = None) -> None:
        self._program = program
        self._greeting = greeting
        self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def first_reply(self) -> bytes:
        """Of the first process to its greeting. Raises ProcessDied."""
        return self._process.receive()

    def ask(self, body: bytes) -> bytes:
        """Once more when the process was found dead, unless this very question ended it.

        Raises ProcessDied where it did; the next process is there by then.
        """
        try:
            return self._process.ask(body)
        except ProcessDied as error:
            self.replace()
            if error.is_out_of_time or error.is_out_of_memory:
                raise
        try:
            return self._process.ask(body)
        except ProcessDied:
            self.replace()
            raise

    def replace(self) -> None:
        self.stop()
        self._process = self._start()
        if self._greeting is None:
            return
        try:
            self._process.receive()
        except ProcessDied as error:
            raise RequestError(
                "A helper process of Forge does not start", kind=RequestErrorKind.INTERNAL
            ) from error

    def stop(self) -> None:
        self._process.stop()

    def _start(self) -> ConfinedProcess:
        process = ConfinedProcess(self._program)
        if self._greeting is not None:
            process.send(self._greeting)
        return process
