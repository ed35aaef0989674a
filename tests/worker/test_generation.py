"""Models with random weights write under schemas, patterns, choices and EBNF: all of it is valid.

Nobody ever meets an empty mask, an end comes only where one may, and what is cut by its length is
the beginning of a text.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import Choices, Ebnf, JsonSchema, Regex, compile_spec
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.model_runner import ModelRunner
from tests.cuda_emulator import EmulatedDevice
from tests.worker.cuda.engines import engine_of, sizes_of
from tests.worker.generation import (
    LIMITS,
    VOCAB_SIZE,
    Job,
    Written,
    constraints_of,
    cpu_runner,
    engine,
    state_after,
    write,
)
from tests.worker.tiny_models import write_tiny_model
from tests.worker.written_schemas import NotJudged, WritableSchemas, assert_valid

NUM_SCHEMAS = 160
WAYS: list[dict[str, object]] = [
    {"temperature": 1.5},
    {"temperature": 1.5, "top_p": 0.6, "frequency_penalty": 0.5},
    {"temperature": 1.5, "top_k": 1},
    {"temperature": 0.0},
]
OPTIONS = [
    SchemaOptions("schema", "compact"),
    SchemaOptions("any", "free"),
    SchemaOptions("any", "compact"),
    SchemaOptions("schema", "free"),
    SchemaOptions("any", "free"),
]


class Asked(NamedTuple):
    schema: object
    program: Program


def asked(seed: int, num_schemas: int) -> Iterator[Asked]:
    schemas, automata = WritableSchemas(seed), AutomatonStore()
    for index in range(num_schemas):
        schema = schemas.schema()
        try:
            spec = JsonSchema(schema, OPTIONS[index % len(OPTIONS)])
            yield Asked(schema, compile_spec(spec, automata))
        except GrammarError:
            continue


def jobs(programs: list[Program]) -> list[Job]:
    return [Job(program, seed, WAYS[seed % len(WAYS)]) for seed, program in enumerate(programs)]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> ModelRunner:
    return cpu_runner(tmp_path_factory.mktemp("model"), engine())


def assert_as_bytes_allow(program: Program, written: Written) -> None:
    assert written.error is None
    state = state_after(program, written.text)
    assert state is not None
    assert state.is_accepting or not written.is_finished


def test_texts_under_hundreds_of_schemas_are_valid(runner: ModelRunner) -> None:
    everything = list(asked(1, NUM_SCHEMAS))
    num_valid = 0
    texts = write(runner, jobs([one.program for one in everything]))
    for (schema, program), written in zip(everything, texts, strict=True):
        assert_as_bytes_allow(program, written)
        if written.is_finished:
            num_valid += is_valid(schema, written.text)
    assert len(everything) > NUM_SCHEMAS * 0.9
    assert num_valid > NUM_SCHEMAS * 0.7


def is_valid(schema: object, text: bytes) -> bool:
    """Fails where it is not; False where nobody can tell: its numbers are too far out."""
    try:
        assert_valid(schema, text)
    except NotJudged:
        return False
    return True


REGEXES = ["(ab|é)+x?", "[^a-z]{3,5}", "(😀|€){2}[0-9]*", "(a|aa)*b", '\\{"k":(1|22)\\}', ".{0,9}"]
CHOICES = (Choices(("yes", "no", "nö", "😀")), Choices(('{"', '{"}', "a")), Choices(("",)))


@pytest.mark.parametrize("pattern", REGEXES)
def test_texts_of_a_pattern_match_it(runner: ModelRunner, pattern: str) -> None:
    program = compile_spec(Regex(pattern))
    for written in write(runner, jobs([program] * 8)):
        assert_as_bytes_allow(program, written)
        assert not written.is_finished or re.fullmatch(pattern, written.text.decode(), re.DOTALL)


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_texts_of_a_choice_are_among_it(runner: ModelRunner, choices: Choices) -> None:
    program = compile_spec(choices)
    for written in write(runner, jobs([program] * 8)):
        assert written.is_finished
        assert written.text.decode() in choices.texts


def is_palindrome(text: str) -> bool:
    return text == text[::-1] and set(text) <= set("aé1")


def is_sum(text: str) -> bool:
    return bool(ast.parse(text, mode="eval"))


def is_table(text: str) -> bool:
    rows = [row.split(",") for row in text.removesuffix("\n").split("\n")]
    return all(len(row) == 2 and row[0].isascii() and len(row[1]) <= 3 for row in rows)


GRAMMARS: dict[str, Callable[[str], object]] = {
    'root ::= "a" root "a" | "é" root "é" | "1" | ""': is_palindrome,
    'root ::= x ("+" x)*\nx ::= [1-9] [0-9]{0,3} | "(" root ")" | "[" (root ",")* "]"': is_sum,
    'root ::= row+\nrow ::= [a-z0-9]{0,4} "," [^,\\n]{0,3} "\\n"': is_table,
    'root ::= "{" ("\\"a\\":" v)? "}"\nv ::= root | "[" (v ("," v)*)? "]" | "null"': json.loads,
}


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_texts_of_an_ebnf_grammar_are_what_it_describes(runner: ModelRunner, grammar: str) -> None:
    program = compile_spec(Ebnf(grammar))
    num_finished = 0
    for written in write(runner, jobs([program] * 12)):
        assert_as_bytes_allow(program, written)
        num_finished += written.is_finished
        assert not written.is_finished or GRAMMARS[grammar](written.text.decode()) is not False
    assert num_finished


@pytest.fixture(scope="module")
def emulated() -> Device:
    return EmulatedDevice()


def test_the_device_writes_the_tokens_of_the_cpu(
    emulated: Device, runner: ModelRunner, tmp_path: Path
) -> None:
    path = write_tiny_model(tmp_path, vocab_size=VOCAB_SIZE)
    sizes = sizes_of(path, Precision.FLOAT32, LIMITS, max_tokens=160)
    device = engine_of(emulated, path, sizes, constraints_of(engine()))
    programs = [one.program for one in asked(7, 12)]
    short = [job._replace(max_tokens=40) for job in jobs(programs)]
    assert write(device, short) == write(runner, short)
