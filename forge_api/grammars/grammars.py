"""Grammars: what a request asks for → the bytes of its Program, each kind compiled once.

Equal specs share one entry of the cache, and one compilation while it runs; when all who wait for
one have left, it is not begun. The event loop only waits. Knows nothing of what grammars mean.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Final

import msgspec

from forge_api.errors import DEFAULT_RETRY_AFTER_S, RetryLater
from forge_api.grammars.cache import OutcomeCache
from forge_api.grammars.calls import AskedCalls
from forge_api.grammars.compiler import NUM_PROCESSES, Compiler, CompilerState
from forge_api.grammars.fields import AskedGrammar
from forge_api.grammars.messages import Compiled, Outcome, Refused
from forge_api.metrics import GrammarMetrics
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.grammar.spec import JsonSchema

MAX_SPEC_BYTES: Final = 4 * 2**20
MAX_COMPILING: Final = 64  # each of them may take seconds
KEY_BYTES: Final = 32
# Numbers go over as they were written: a float would round them.
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


class Flight:
    """A compilation that runs, or waits to, and how many wait for it."""

    def __init__(self, task: asyncio.Task[Outcome]) -> None:
        self.task = task
        self.num_waiting = 0

    async def outcome(self) -> Outcome:
        self.num_waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self.num_waiting -= 1
            if not self.num_waiting and not self.task.done():
                self.task.cancel()


class Grammars:
    """Belongs to one event loop."""

    def __init__(
        self,
        metrics: GrammarMetrics,
        compiler: Compiler | None = None,
        cache: OutcomeCache | None = None,
    ) -> None:
        self.metrics = metrics
        self._compiler = compiler or Compiler()
        self._cache = cache or OutcomeCache()
        self._flights: dict[bytes, Flight] = {}
        self._threads = ThreadPoolExecutor(NUM_PROCESSES, "grammar")

    @property
    def num_compiling(self) -> int:
        """That run, or wait to."""
        return len(self._flights)

    @property
    def compiler_state(self) -> CompilerState:
        return self._compiler.state

    def start(self) -> None:
        """So that the first request does not wait for a process to start."""
        self._compiler.start()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._compiler.close()

    async def compile(self, asked: AskedGrammar) -> bytes:
        """The Program's MessagePack. Raises RequestError that names the field."""
        return (await self._compiled(asked)).program

    async def compile_calls(self, calls: AskedCalls) -> Compiled:
        """The same. Schemas that need not be kept to fail nothing, whatever is wrong with them."""
        try:
            return await self._compiled(calls.asked)
        except RequestError as error:
            if not calls.lenient or error.kind is not RequestErrorKind.INVALID:
                raise
        without = await self._compiled(calls.without_lenient_schemas().asked)
        return msgspec.structs.replace(without, loosened=tuple(calls.lenient))

    async def _compiled(self, asked: AskedGrammar) -> Compiled:
        spec = encoded(asked)
        key = blake2b(spec, digest_size=KEY_BYTES).digest()
        outcome = self._cache.get(key)
        self.metrics.looked_up(is_hit=outcome is not None or key in self._flights)
        if outcome is None:
            outcome = await self._flight(key, spec).outcome()
        if isinstance(outcome, Refused):
            raise refusal(asked, outcome)
        return outcome

    def _flight(self, key: bytes, spec: bytes) -> Flight:
        flight = self._flights.get(key)
        if flight is None or flight.task.cancelling():
            if len(self._flights) >= MAX_COMPILING:
                raise RetryLater(
                    "Too many grammars are being compiled at the moment",
                    code="too_many_grammars",
                    retry_after_s=DEFAULT_RETRY_AFTER_S,
                )
            flight = self._flights[key] = Flight(asyncio.create_task(self._compile(key, spec)))
            flight.task.add_done_callback(lambda _: self._end(key, flight))
        return flight

    def _end(self, key: bytes, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _compile(self, key: bytes, spec: bytes) -> Outcome:
        loop = asyncio.get_running_loop()
        try:
            timed = await loop.run_in_executor(self._threads, self._compiler.compile, spec)
        except RequestError:
            self.metrics.failed()
            raise
        name = "compiled" if isinstance(timed.outcome, Compiled) else "refused"
        self.metrics.compiled(name, timed.seconds)
        self._cache.put(key, timed.outcome)
        self.metrics.cache_bytes.set(self._cache.num_bytes)
        return timed.outcome


def encoded(asked: AskedGrammar) -> bytes:
    """Equal for equal specs, however they were spaced; the order of keys is part of a spec."""
    try:
        spec = _ENCODER.encode(asked.spec)
    except (UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise refusal(asked, Refused(f"it cannot be encoded: {error}")) from error
    if len(spec) > MAX_SPEC_BYTES:
        reason = f"it takes more than {MAX_SPEC_BYTES} bytes"
        raise refusal(asked, Refused(reason, is_too_large=True))
    return spec


def refusal(asked: AskedGrammar, refused: Refused) -> RequestError:
    param = asked.param if refused.tool is None else asked.tool_params[refused.tool]
    is_schema = refused.tool is not None or isinstance(asked.spec, JsonSchema)
    code = "unsupported_schema" if is_schema else "invalid_grammar"
    return RequestError(
        f"`{param}` cannot be honoured: {refused.message}",
        param=param,
        code="grammar_too_large" if refused.is_too_large else code,
    )
