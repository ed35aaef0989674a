"""Grammars on the event loop: cached, compiled once for all who wait, dropped when none does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from forge_api.grammars.cache import OutcomeCache
from forge_api.grammars.compiler import NUM_PROCESSES, Compiler, TimedOutcome
from forge_api.grammars.fields import AskedGrammar
from forge_api.grammars.grammars import MAX_COMPILING, Grammars
from forge_api.grammars.messages import Compiled, Outcome, Refused
from forge_api.metrics import GrammarMetrics, Metrics
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.grammar.spec import GrammarSpec, JsonSchema, Regex
from tests.api.fakes import until


class FakeCompiler(Compiler):
    """Answers when the test says so, with what it says."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        super().__init__()
        self.outcome = outcome
        self.begun: list[bytes] = []
        self.may_answer = threading.Event()

    def compile(self, spec: bytes) -> TimedOutcome:
        self.begun.append(spec)
        self.may_answer.wait(5.0)
        if self.outcome is None:
            raise RequestError("it died", kind=RequestErrorKind.INTERNAL)
        return TimedOutcome(self.outcome, 0.02)


def asked(spec: GrammarSpec | None = None) -> AskedGrammar:
    return AskedGrammar("field", spec or Regex("a+"))


def metric(metrics: GrammarMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"forge_grammar_{name}", labels)


def run(compiler: FakeCompiler, test: Callable[[Grammars], Awaitable[Any]], **options: Any) -> Any:
    async def body() -> Any:
        grammars = Grammars(Metrics().grammars, compiler, **options)
        try:
            return await test(grammars)
        finally:
            compiler.may_answer.set()
            grammars.close()

    return asyncio.run(asyncio.wait_for(body(), 10.0))


def test_equal_specs_are_compiled_once() -> None:
    compiler = FakeCompiler(Compiled(b"p"))

    async def test(grammars: Grammars) -> list[bytes]:
        waiting = [asyncio.create_task(grammars.compile(asked())) for _ in range(5)]
        await until(lambda: compiler.begun)
        compiler.may_answer.set()
        programs = await asyncio.gather(*waiting)
        programs.append(await grammars.compile(asked()))
        assert metric(grammars.metrics, "cache_misses_total") == 1
        assert metric(grammars.metrics, "cache_hits_total") == 5
        assert metric(grammars.metrics, "compile_seconds_count", outcome="compiled") == 1
        assert metric(grammars.metrics, "cache_bytes") == 513
        return programs

    assert run(compiler, test) == [b"p"] * 6
    assert len(compiler.begun) == 1


@pytest.mark.parametrize(
    ("one", "other", "num_compiled"),
    [
        (JsonSchema({"a": 1, "b": 2}), JsonSchema({"b": 2, "a": 1}), 2),
        (JsonSchema({"const": Decimal("1.5")}), JsonSchema({"const": "1.5"}), 2),
        (Regex("a"), Regex("a"), 1),
    ],
)
def test_specs_are_equal_when_they_mean_the_same(
    one: GrammarSpec, other: GrammarSpec, num_compiled: int
) -> None:
    compiler = FakeCompiler(Compiled(b"p"))
    compiler.may_answer.set()

    async def test(grammars: Grammars) -> None:
        await grammars.compile(asked(one))
        await grammars.compile(asked(other))

    run(compiler, test)
    assert len(compiler.begun) == num_compiled


@pytest.mark.parametrize(
    ("spec", "refused", "code"),
    [
        (JsonSchema({}), Refused("not: why (at /a)"), "unsupported_schema"),
        (Regex("a"), Refused("not: why (at /a)"), "invalid_grammar"),
        (Regex("a"), Refused("not: why (at /a)", is_too_large=True), "grammar_too_large"),
    ],
)
def test_a_refusal_names_the_field_and_is_kept(
    spec: GrammarSpec, refused: Refused, code: str
) -> None:
    compiler = FakeCompiler(refused)
    compiler.may_answer.set()

    async def test(grammars: Grammars) -> None:
        for _ in range(2):
            with pytest.raises(RequestError, match=r"`field`.*not: why \(at /a\)") as caught:
                await grammars.compile(asked(spec))
            assert (caught.value.param, caught.value.code) == ("field", code)
        assert metric(grammars.metrics, "compile_seconds_count", outcome="refused") == 1

    run(compiler, test)
    assert len(compiler.begun) == 1


def test_a_fault_of_forge_is_not_kept() -> None:
    compiler = FakeCompiler(None)
    compiler.may_answer.set()

    async def test(grammars: Grammars) -> float | None:
        with pytest.raises(RequestError, match="it died"):
            await grammars.compile(asked())
        compiler.outcome = Compiled(b"p")
        assert await grammars.compile(asked()) == b"p"
        return metric(grammars.metrics, "failures_total")

    assert run(compiler, test) == 1


def test_what_does_not_fit_the_budget_is_compiled_again() -> None:
    compiler = FakeCompiler(Compiled(bytes(2000)))
    compiler.may_answer.set()

    async def test(grammars: Grammars) -> None:
        for _ in range(2):
            await grammars.compile(asked())

    run(compiler, test, cache=OutcomeCache(1000))
    assert len(compiler.begun) == 2


def test_who_leaves_does_not_take_it_from_the_others() -> None:
    compiler = FakeCompiler(Compiled(b"p"))

    async def test(grammars: Grammars) -> bytes:
        first, second = (asyncio.create_task(grammars.compile(asked())) for _ in range(2))
        await until(lambda: compiler.begun)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        compiler.may_answer.set()
        return await second

    assert run(compiler, test) == b"p"


def test_what_nobody_waits_for_is_not_begun() -> None:
    compiler = FakeCompiler(Compiled(b"p"))

    async def test(grammars: Grammars) -> None:
        tasks = [
            asyncio.create_task(grammars.compile(asked(Regex("a" * number))))
            for number in range(1, NUM_PROCESSES + 2)
        ]
        await until(lambda: len(compiler.begun) == NUM_PROCESSES)
        tasks[-1].cancel()
        await asyncio.gather(tasks[-1], return_exceptions=True)
        compiler.may_answer.set()
        await asyncio.gather(*tasks[:-1])
        assert await grammars.compile(asked(Regex("b"))) == b"p"

    run(compiler, test)
    assert len(compiler.begun) == NUM_PROCESSES + 1  # those of before, and the last


def test_too_many_at_once_are_told_to_come_again() -> None:
    compiler = FakeCompiler(Compiled(b"p"))

    async def test(grammars: Grammars) -> None:
        tasks = [
            asyncio.create_task(grammars.compile(asked(Regex("a" * number))))
            for number in range(1, MAX_COMPILING + 1)
        ]
        await until(lambda: len(compiler.begun) == NUM_PROCESSES)
        with pytest.raises(RequestError) as caught:
            await grammars.compile(asked(Regex("b")))
        assert caught.value.kind is RequestErrorKind.OVERLOADED
        compiler.may_answer.set()
        await asyncio.gather(*tasks)

    run(compiler, test)


@pytest.mark.parametrize("text", ["x" * 2**23, "\ud800"])
def test_what_cannot_be_sent_is_refused_at_once(text: str) -> None:
    compiler = FakeCompiler(Compiled(b"p"))

    async def test(grammars: Grammars) -> None:
        with pytest.raises(RequestError) as caught:
            await grammars.compile(asked(Regex(text)))
        assert caught.value.param == "field"

    run(compiler, test)
    assert not compiler.begun
