"""Models with random weights write what they like, until they begin a call: that one is right."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest

from forge_api.tools import FORMATS, ToolCallParser
from forge_common.grammar.call_syntax import FreeReply, ThoughtTags, Tool
from forge_common.grammar.engine import Engine
from forge_common.grammar.program import special_token
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.tool_calls import CallOptions, compile_reply
from forge_common.grammar.vocabulary import Vocabulary
from forge_worker.constraints import Constraints
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from tests.api.tools import replies
from tests.worker.fakes import LIMITS, FakeSequence, step
from tests.worker.test_drafts import DraftedSequence
from tests.worker.test_same_tokens import model_of

VOCAB_SIZE = 96  # that of the golden models
END = 2
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"enum": ["x", "}", "]"]}},
    "required": ["a"],
    "additionalProperties": False,
}
TOOLS = (Tool("f", SCHEMA), Tool("now", {"type": "object", "maxProperties": 0}))
SCHEMAS = {tool.name: tool.parameters for tool in TOOLS}
OPENINGS = {
    "hermes": ["<tool_call>", "</tool_call>", "<tool", "_call>{", "</"],
    "llama3_json": ["<|python_tag|>", '\n{"name":', "parameters", '{"', "; {"],
    "mistral": ["[TOOL_CALLS]", "[ARGS]", "CALLS][", "[TOOL_", "f{"],
    "pythonic": ["<|python_start|>", "<|python_end|>", "\n[f(", "\n[now(", "a=", ")]"],
    "gemma3": ["\n```tool_code\n", "```", "now()", 'f(b="', '\n{"name":', "parameters"],
    "phi4": ["functools[", "<|tool_call|>", "<|/tool_call|>", "[{", "tools["],
}
SPECIAL = {"<tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>", "<|/tool_call|>"} | {
    "<|python_start|>",
    "<|python_end|>",
}
PIECES = ['"name', '": "', '"arguments', '": {', "<think>", "</think>", "now", '"f"', '"}', "}}"]
# All that calls are made of.
SINGLE = 'abcdefghijklmnopqrstuvwxyz0123456789_ \n"{}[]():=,;<>/|-.`ACDGILORST'
LONG = LIMITS._replace(max_model_len=256, num_blocks=256, vocab_size=VOCAB_SIZE, max_draft_tokens=8)
MAX_TOKENS = 110
CALL_BIAS = 3.0
BLOCKS = list(range(64))


def texts_of(name: str) -> list[str]:
    texts = ["", "", "", *SINGLE, *PIECES, *OPENINGS[name]]
    return texts + [""] * (VOCAB_SIZE - len(texts))


def runner_of(name: str) -> ModelRunner:
    texts = texts_of(name)
    tokens = [special_token(text.encode()) if text in SPECIAL else text.encode() for text in texts]
    model = model_of("llama3")
    cache = allocate_kv_cache(model.config, model.ops, LONG.num_blocks, LONG.block_size)
    constraints = Constraints(lambda: Engine(Vocabulary(tokens, [END])))
    return ModelRunner(model, cache, LONG, constraints)


def params_of(name: str, seed: int) -> dict[str, object]:
    reply = FreeReply("reply", ThoughtTags("<think>", "</think>"))
    options = CallOptions(SchemaOptions("any", "free"), is_parallel=seed % 2 == 0)
    program = compile_reply(TOOLS, FORMATS[name].syntax, options, reply).program
    openings = {texts_of(name).index(text): CALL_BIAS for text in OPENINGS[name]}
    return {
        "grammar": msgspec.msgpack.encode(program),
        "temperature": 1.5,
        "seed": seed,
        "eos_token_ids": (END,),
        "logit_bias": openings | {END: -1.0},
    }


def text_of(name: str, sequence: FakeSequence) -> str:
    texts = texts_of(name)
    return "".join(texts[token_id] for token_id in sequence.output if token_id != END)


def run(runner: ModelRunner, sequence: FakeSequence) -> None:
    while END not in sequence.output and len(sequence.output) < MAX_TOKENS:
        step(runner, sequence)
    assert not runner.mirror.failures


@pytest.mark.parametrize("name", OPENINGS)
def test_every_call_that_is_begun_is_offered_and_valid(name: str) -> None:
    num_calls = 0
    for seed in range(8):
        sequence = FakeSequence(1, [3, 14, 15], BLOCKS, **params_of(name, seed))
        run(runner_of(name), sequence)
        parser = ToolCallParser(FORMATS[name], frozenset(SCHEMAS))
        text = text_of(name, sequence)
        if "<think>" in text:
            continue
        reply = replies.joined([*parser.push(text), *parser.finish()])
        for called, arguments in zip(reply.names, reply.arguments, strict=True):
            if END in sequence.output or arguments != reply.arguments[-1]:
                jsonschema.validate(json.loads(arguments), SCHEMAS[called])
        assert set(reply.names) <= set(SCHEMAS)
        num_calls += len(reply.names)
    assert num_calls


@pytest.mark.parametrize("name", OPENINGS)
def test_drafts_change_nothing_about_a_free_reply(name: str) -> None:
    for seed in range(2):
        params = params_of(name, seed)
        plain = DraftedSequence(0, params, [], seed)
        drafted = DraftedSequence(0, params, plain.output, seed)
        for sequence in (plain, drafted):
            drafted.truth = plain.output
            sequence.blocks = BLOCKS
            run(runner_of(name), sequence)
        num = min(len(plain.output), len(drafted.output))
        assert drafted.output[:num] == plain.output[:num]
        assert num > 3
