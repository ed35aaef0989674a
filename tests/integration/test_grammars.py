"""Texts of a real deployment are what their grammar says, also when its worker is replaced."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.client import ForgeClient, SamplingParams
from forge_common.demo_model import demo_model_path
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.tokenizer import Tokenizer
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge
from tests.integration.test_worker_loss import kill_worker

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 199},
        "tags": {"type": "array", "items": {"enum": ["a", "é", "✓"]}, "minItems": 2, "maxItems": 4},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}
GRAMMAR = msgspec.msgpack.encode(compile_schema(SCHEMA, SchemaOptions()))
with Checkpoint.open(demo_model_path()) as checkpoint:
    END_IDS = checkpoint.generation.eos_token_ids
SEEDS = range(6)


def text_of(forge: LaunchedForge, tokenizer: Tokenizer, seed: int) -> str:
    sampling = SamplingParams(
        max_tokens=200,
        seed=seed,
        temperature=1.5,
        grammar=GRAMMAR,
        eos_token_ids=END_IDS,
    )
    with ForgeClient.connect(forge.client_endpoint, timeout_s=30.0) as client:
        outputs = client.generate(tokenizer.encode("A person:"), sampling)
        token_ids = [token_id for output in outputs for token_id in output.token_ids]
    return tokenizer.decode(token_ids, skip_special_tokens=True)


def is_valid(text: str) -> bool:
    value = json.loads(text)
    return (
        list(value) == ["name", "age", "tags"]
        and len(value["name"]) <= 12
        and 0 <= value["age"] < 200
        and 2 <= len(value["tags"]) <= 4
        and set(value["tags"]) <= {"a", "é", "✓"}
    )


def test_hot_texts_of_the_demo_model_are_valid_also_over_a_lost_worker(launch: Launch) -> None:
    forge = launch(model=None).wait_until_ready()
    tokenizer = Tokenizer.open(demo_model_path())
    undisturbed = [text_of(forge, tokenizer, seed) for seed in SEEDS]
    assert all(is_valid(text) for text in undisturbed)
    with ThreadPoolExecutor(len(SEEDS)) as threads:
        running = [threads.submit(text_of, forge, tokenizer, seed) for seed in SEEDS]
        kill_worker(forge)
        assert [text.result() for text in running] == undisturbed
