"""Grammars that are heavy to walk end their own sequence at worst; what runs beside goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Choice, Literals, Program, Sequence
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import Choices, Ebnf, GrammarSpec, JsonSchema, Regex, compile_spec
from forge_common.grammar.vocabulary import Vocabulary
from forge_worker.model_runner import ModelRunner
from tests.worker.generation import (
    END,
    TOKENS,
    Job,
    Writing,
    cpu_runner,
    engine,
    state_after,
    write,
)
from tests.worker.written_schemas import WritableSchemas

MAX_STEP_S = 1.5  # with full garbage collections of a whole test run; alone the worst is 0.06
MAX_BYTES = 8 * 2**20
NUM_SCHEMAS = 200


def schema(schema: Any, options: SchemaOptions | None = None) -> Callable[[], Program]:
    return lambda: compile_spec(JsonSchema(schema, options or SchemaOptions()))


def spec(given: GrammarSpec) -> Callable[[], Program]:
    return lambda: compile_spec(given)


def keys(num_keys: int) -> dict[str, Any]:
    return {f"key_{index}": {"type": "integer"} for index in range(num_keys)}


def nested_arrays(num_alike: int) -> dict[str, Any]:
    """Every bracket may begin any of the alternatives."""
    inner = {"$ref": "#/$defs/a"}
    alike = [{"type": "array", "items": inner, "minItems": least} for least in range(num_alike)]
    return {**inner, "$defs": {"a": {"anyOf": alike}}}


def variants(num_variants: int) -> dict[str, Any]:
    objects = [
        {
            "type": "object",
            "properties": {"k": {"type": "string"}, f"x{index}": {"type": "integer"}},
            "required": ["k", f"x{index}"],
            "additionalProperties": False,
        }
        for index in range(num_variants)
    ]
    return {"type": "array", "items": {"anyOf": objects}, "minItems": 1}


def choices_that_begin_alike() -> Program:
    parts = [Sequence((3002, 0)) for _ in range(3000)]
    return Program(
        (Choice(tuple(range(1, 3002))), *parts, Literals((b"1",)), Literals((b"1", b"11")))
    )


ANY_ORDER = SchemaOptions("any", "free")
HEAVY: dict[str, Callable[[], Program]] = {
    "deep recursion": schema(nested_arrays(1)),
    "recursion in six ways": schema(nested_arrays(6)),
    "nothing but ambiguity": spec(Ebnf('root ::= "a" root root | "a"')),
    "counts in counts": spec(
        Ebnf('root ::= (x{0,1000}){0,1000}\nx ::= ("a" | "aa"){1,1000} y?\ny ::= "b" root?')
    ),
    "60 keys in any order": schema({"properties": keys(60), "type": "object"}, ANY_ORDER),
    "a growing pattern": schema({"type": "string", "pattern": "(a|b)*a(a|b){60}$"}),
    "a growing regex": spec(Regex("(?:.*a.{12}){3}")),
    "60,000 choices": spec(Choices(tuple(f"{n * 7919 % 10**6:06}" for n in range(60_000)))),
    "100,000 literals": lambda: Program((Literals(tuple(b'"%06d"' % n for n in range(10**5))),)),
    "items by the billion": schema(
        {"type": "array", "items": {"minLength": 10**9, "type": "string"}, "minItems": 10**9}
    ),
    "counted by the billion": schema(
        {
            "type": "array",
            "items": {"type": ["integer", "null"]},
            "contains": {"type": "integer"},
            "minContains": 10**9,
        }
    ),
    "a long pattern": schema({"type": "string", "pattern": "^(ab|cde)*$", "minLength": 10**9}),
    "300 variants": schema(variants(300)),
    "a thousand that differ": schema(
        {"type": "array", "items": {"enum": list(range(1000))}, "uniqueItems": True}
    ),
    "choices that begin alike": choices_that_begin_alike,
}
TOO_HEAVY = {"choices that begin alike"}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> ModelRunner:
    return cpu_runner(tmp_path_factory.mktemp("model"), engine())


@pytest.fixture(scope="module")
def undisturbed(runner: ModelRunner) -> list[int]:
    (written,) = write(runner, [Job(None, 1)])
    return written.token_ids


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_heavy_to_walk_ends_itself_at_worst(
    runner: ModelRunner, undisturbed: list[int], name: str
) -> None:
    program = HEAVY[name]()
    hostile = [Job(program, seed, {"temperature": 1.5}, 60) for seed in range(2)]
    writing = Writing(runner, [Job(None, 1), *hostile], num_slots=3)
    while not writing.is_over:
        began = time.process_time()
        writing.step()
        assert time.process_time() - began < MAX_STEP_S
    writing.close()
    assert writing.written[0].token_ids == undisturbed
    for index in (1, 2):
        written = writing.written[index]
        assert (written.error is not None) == (name in TOO_HEAVY)
        assert written.error or state_after(program, written.text) is not None


def test_unique_items_cost_no_more_than_their_number() -> None:
    """And not its square: each behind each of the others, which took seconds."""
    program = HEAVY["a thousand that differ"]()
    state = engine().start(program).advance_bytes(b"[1,2,")
    assert state is not None
    began = time.process_time()
    state.mask()
    assert time.process_time() - began < 2.0


def test_bytes_stay_within_the_budget_under_two_hundred_schemas(tmp_path: Path) -> None:
    small = Engine(Vocabulary(TOKENS, [END]), MAX_BYTES)
    schemas, automata = WritableSchemas(12), AutomatonStore()
    programs: list[Program] = []
    while len(programs) < NUM_SCHEMAS:
        try:
            programs.append(compile_spec(JsonSchema(schemas.schema()), automata))
        except GrammarError:
            continue
    jobs = [Job(program, seed, max_tokens=40) for seed, program in enumerate(programs)]
    writing = Writing(cpu_runner(tmp_path, small), jobs, num_slots=16)
    largest = 0
    while not writing.is_over:
        writing.step()
        largest = max(largest, small.num_cached_bytes)
    assert not any(written.error for written in writing.written.values())
    assert MAX_BYTES / 2 < largest < MAX_BYTES * 1.2
