"""What drafts gain where a schema forces long keys: alone, and sixteen at a time, on the CPU.

The 110 M model has random weights and a vocabulary of 32,000 (trained at the first run, as in
`grammar.bpe`), and is scripted as in `speculation`: it says the value as its tokenizer writes it,
which is how a model says what its prompt shows. The demo model says what it says: keys that it
never saw it spells now so, now so. Each of its requests is about somebody else. Runs with and
without drafts alternate; medians.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.demo_model import model_location
from forge_common.grammar.engine import Engine
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.sampling import SamplingParams
from forge_common.tokenizer import Tokenizer
from forge_worker.constraints import Constraints
from forge_worker.cpu_cores import available_threads
from forge_worker.grammar_engine import engine_for
from forge_worker.models.load import load_host_model
from tests.bench.grammar import bpe
from tests.bench.grammar.cases import closed_object
from tests.bench.random_model import SHAPE_110M, write_random_model
from tests.bench.report import Figure, alternate
from tests.bench.speculation import CHAT, MAX_DRAFT_TOKENS, Load, ScriptedModel, Served

ROUNDS = 3
MAX_TOKENS = 200
BATCH_SIZE = 16
NAMES = ("Alice", "Bob", "Carol", "Dan", "Emmy", "Frank", "Grace", "Hedy")
VALUE: dict[str, Any] = {
    "shipping_address_line_one": "12 Long Lane",
    "is_recurring_customer": True,
    "preferred_payment_method": "bank_transfer",
    "number_of_previous_orders": 31,
    "estimated_delivery_window": "9 to 12",
}
SCHEMA = closed_object(
    {
        "shipping_address_line_one": {"type": "string", "maxLength": 20},
        "is_recurring_customer": {"type": "boolean"},
        "preferred_payment_method": {"enum": ["credit_card", "bank_transfer"]},
        "number_of_previous_orders": {"type": "integer", "minimum": 0, "maximum": 99},
        "estimated_delivery_window": {"type": "string", "maxLength": 10},
    }
)
GRAMMAR = msgspec.msgpack.encode(compile_schema(SCHEMA, SchemaOptions()))


class Setup(NamedTuple):
    """A model, and what is asked of it."""

    name: str
    model: ScriptedModel
    constraints: Constraints
    loads: list[Load]
    end_ids: tuple[int, ...]


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        write_random_model(Path(directory), SHAPE_110M)
        setups = [_scripted(Path(directory)), _demo()]
    for setup in setups:
        yield from _compare(f"{setup.name}, long keys", setup, _one_by_one)
        yield from _compare(f"{setup.name}, long keys, {BATCH_SIZE} at a time", setup, _together)


def _scripted(directory: Path) -> Setup:
    tokenizer = bpe.load(bpe.file_of_size(SHAPE_110M.vocab_size))

    def encode(text: str) -> list[int]:
        return list(tokenizer.encoder.encode(text).ids)

    tokens = tokenizer.tokens + [b""] * (SHAPE_110M.vocab_size - len(tokenizer.tokens))
    vocabulary = Vocabulary(tokens, [tokenizer.end_id], encode)
    said = [*encode(json.dumps(VALUE, separators=(",", ":"))), tokenizer.end_id]
    load = Load(encode(f"Write down the order.\n{json.dumps(SCHEMA)}\n"), said)
    constraints = Constraints(lambda: Engine(vocabulary))
    return Setup("110M", _model(directory), constraints, [load], (tokenizer.end_id,))


def _demo() -> Setup:
    directory = model_location(None)
    tokenizer = Tokenizer.open(directory)
    with Checkpoint.open(directory) as checkpoint:
        end_ids = checkpoint.generation.eos_token_ids
    loads = [
        Load(tokenizer.encode(CHAT.format(f"Give me JSON about {name}.")), []) for name in NAMES
    ]
    constraints = Constraints(engine_for(directory))
    return Setup("demo model", _model(directory), constraints, loads, end_ids)


def _model(directory: Path) -> ScriptedModel:
    device = DeviceSettings(backend="cpu", threads=available_threads())
    return ScriptedModel(load_host_model(directory, device, lambda done, total: None))


Run = Callable[[Served, list[Load], SamplingParams], list[int]]


def _one_by_one(served: Served, loads: list[Load], sampling: SamplingParams) -> list[int]:
    return served.run(loads, sampling)


def _together(served: Served, loads: list[Load], sampling: SamplingParams) -> list[int]:
    return served.run_together((loads * BATCH_SIZE)[:BATCH_SIZE], sampling)


def _compare(name: str, setup: Setup, run: Run) -> Iterator[Figure]:
    sampling = SamplingParams(
        max_tokens=MAX_TOKENS, seed=1, temperature=0.0, grammar=GRAMMAR, eos_token_ids=setup.end_ids
    )
    plain, drafted = (
        Served(setup.model, most, setup.constraints) for most in (0, MAX_DRAFT_TOKENS)
    )
    if run(plain, setup.loads, sampling) != run(drafted, setup.loads, sampling):
        raise RuntimeError(f"{name}: drafts have changed what was said")
    seconds = alternate(
        {
            "plain": lambda: run(plain, setup.loads, sampling),
            "drafted": lambda: run(drafted, setup.loads, sampling),
        },
        ROUNDS,
    )
    counters, num_rounds = drafted.scheduler.counters, ROUNDS + 2
    num_tokens = counters.num_output_tokens / num_rounds
    yield Figure(f"{name}: without drafts", num_tokens / seconds["plain"], "tokens/s")
    yield Figure("… with drafts", num_tokens / seconds["drafted"], "tokens/s")
    yield Figure("… ratio", seconds["plain"] / seconds["drafted"], "×", "≥ 1×")
    yield Figure("… said a run", num_tokens, "tokens")
    yield Figure("… drafted", counters.num_draft_tokens / num_rounds, "tokens")
    yield Figure("… of them forced", counters.num_forced_draft_tokens / num_rounds, "tokens")
    yield Figure("… … and accepted", counters.num_accepted_forced_tokens / num_rounds, "tokens")
