"""The process that compiles grammars: `python -m forge_api.grammars.process SECONDS`.

It may use so many seconds of CPU time a grammar, and is confined (`forge_api/confined`). Automata
that grammars share, those of formats above all, stay warm in it. Knows nothing of requests.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from decimal import Decimal
from typing import Final

import msgspec

from forge_api.confined.child import answer_frames, end_out_of_memory
from forge_api.grammars.messages import Compiled, Failed, Refused, Reply
from forge_common.grammar.automata.formats import FORMATS
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.spec import (
    Choices,
    Ebnf,
    GrammarSpec,
    JsonObject,
    JsonSchema,
    Regex,
    compile_loosely,
    compile_spec,
)
from forge_common.sampling import MAX_GRAMMAR_BYTES

MAX_MEMORY_BYTES: Final = 2**30
MAX_MESSAGE_CHARACTERS: Final = 1000
LESS_URGENT: Final = 5  # than the streams that run
REHEARSAL: Final[tuple[GrammarSpec, ...]] = (
    JsonSchema(
        {
            "type": "object",
            "properties": {
                "at": {"type": "string", "format": "date-time"},
                "id": {"type": "string", "format": "uuid"},
                "name": {"type": "string", "pattern": r"^\p{Lu}[\w ]*$", "maxLength": 20},
                "sizes": {"type": "array", "items": {"type": "number", "minimum": 0.5}},
            },
        }
    ),
    *(JsonSchema({"type": "string", "format": name}) for name in FORMATS),
    JsonObject(),
    Regex("[a-z]+"),
    Choices(("a", "b")),
    Ebnf('root ::= "a" root | "b"'),
)


class CompilerDesk:
    """Answers frames."""

    def __init__(self) -> None:
        self._decoder: msgspec.json.Decoder[GrammarSpec] = msgspec.json.Decoder(
            GrammarSpec, float_hook=Decimal
        )
        self._automata = AutomatonStore()

    def answer(self, body: bytes) -> bytes:
        """The reply's frame. A process without memory left ends instead."""
        try:
            return msgspec.msgpack.encode(self._reply(body))
        except MemoryError:
            end_out_of_memory()

    def rehearse(self) -> None:
        """Lets Python import what it only imports on first use, while it can still open files.

        Also works out the formats, some of which take long.
        """
        for spec in REHEARSAL:
            compile_spec(spec, self._automata)

    def _reply(self, body: bytes) -> Reply:
        try:
            program, loosened = compile_loosely(self._decoder.decode(body), self._automata)
        except GrammarError as error:
            is_too_large = isinstance(error, GrammarTooLarge)
            return Refused(printable(error.message), is_too_large, error.tool)
        except msgspec.ValidationError as error:
            return Refused(printable(str(error)))
        except RecursionError:
            return Refused("it is nested too deep", is_too_large=True)
        except MemoryError:
            raise
        except Exception:
            return Failed(traceback.format_exc())
        encoded = msgspec.msgpack.encode(program)
        if len(encoded) > MAX_GRAMMAR_BYTES:
            return Refused(
                f"compiled it takes more than {MAX_GRAMMAR_BYTES} bytes", is_too_large=True
            )
        return Compiled(encoded, loosened)


def printable(message: str) -> str:
    return message[:MAX_MESSAGE_CHARACTERS].encode(errors="replace").decode()


def main() -> None:
    os.nice(LESS_URGENT)
    desk = CompilerDesk()
    desk.rehearse()
    gc.freeze()  # full collections need not look through what stays
    answer_frames(desk.answer, float(sys.argv[1]), MAX_MEMORY_BYTES)


if __name__ == "__main__":
    main()
