"""A confined process that does what it is told, however bad: `python -m … SECONDS`."""

from __future__ import annotations

import os
import sys

from forge_api.confined.child import answer_frames, end_out_of_memory

MAX_MEMORY_BYTES = 2**28


def answer(body: bytes) -> bytes:
    if b"spin" in body:
        while True:
            pass
    match body:
        case b"fill":
            try:
                return bytes(2**30)
            except MemoryError:
                end_out_of_memory()
        case b"open":
            return refusal_of_open()
        case b"crash":
            os.abort()
        case b"much":
            return bytes(10_000)
        case _:
            return body + b"!"


def refusal_of_open() -> bytes:
    try:
        with open(__file__):
            return b"opened"
    except OSError as error:
        return type(error).__name__.encode()


if __name__ == "__main__":
    answer_frames(answer, float(sys.argv[1]), MAX_MEMORY_BYTES)
