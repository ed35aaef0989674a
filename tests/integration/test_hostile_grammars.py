"""A stream keeps its pace while others bring slow grammars, and those get a clear end."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from threading import Event, Thread

import msgspec
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.client import ForgeClient, SamplingParams
from forge_common.demo_model import demo_model_path
from forge_common.errors import ForgeError, RequestError, RequestErrorKind
from forge_common.grammar.program import Choice, Literals, Program, Sequence
from forge_common.grammar.spec import Ebnf, GrammarSpec, JsonSchema, Regex, compile_spec
from tests.integration.conftest import start_forge
from tests.integration.launched_forge import LaunchedForge

pytestmark = pytest.mark.integration

MAX_GAP_S = 0.8  # on a machine that does other things as well; it was 1.2 and more
WATCHED_S = 3.0
NUM_CHOICES = 16
PROMPT = [5, 6, 7]
SLOW: dict[str, GrammarSpec] = {
    "distinct items": JsonSchema(
        {
            "type": "array",
            "items": {"enum": [f"item {number}" for number in range(2000)]},
            "uniqueItems": True,
            "minItems": 50,
        }
    ),
    "a long chain": Ebnf(
        "root ::= r0\n"
        + "\n".join(f"r{rank} ::= [a-z]* r{rank + 1}" for rank in range(2000))
        + '\nr2000 ::= "x"'
    ),
    "a growing pattern": Regex("[a-z ]*a[a-z ]{200}"),
}
with Checkpoint.open(demo_model_path()) as checkpoint:
    END_IDS = checkpoint.generation.eos_token_ids


@pytest.fixture(scope="module")
def forge() -> Iterator[LaunchedForge]:
    forge = start_forge().wait_until_ready()
    generate(forge, packed(JsonSchema({"type": "object"})), max_tokens=2)  # reads the vocabulary
    yield forge
    forge.destroy()


def packed(spec: GrammarSpec) -> bytes:
    return msgspec.msgpack.encode(compile_spec(spec))


def generate(forge: LaunchedForge, grammar: bytes | None, max_tokens: int = 60) -> list[float]:
    """When each of its outputs came; without a grammar there is no other end."""
    end_ids = () if grammar is None else END_IDS
    sampling = SamplingParams(
        max_tokens=max_tokens, seed=1, temperature=1.5, grammar=grammar, eos_token_ids=end_ids
    )
    with ForgeClient.connect(forge.client_endpoint, timeout_s=30.0) as client:
        return [time.monotonic() for _ in client.generate(PROMPT, sampling)]


class Attack:
    """Asks for the same again and again, until the time is over."""

    def __init__(self, forge: LaunchedForge, grammar: bytes) -> None:
        self._forge, self._grammar = forge, grammar
        self._is_over = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Attack:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        sampling = SamplingParams(
            max_tokens=60,
            seed=1,
            num_choices=NUM_CHOICES,
            temperature=1.5,
            grammar=self._grammar,
            eos_token_ids=END_IDS,
        )
        with ForgeClient.connect(self._forge.client_endpoint, timeout_s=30.0) as client:
            while not self._is_over.is_set():
                with suppress(ForgeError):
                    for _ in client.generate(PROMPT, sampling):
                        if self._is_over.is_set():
                            return


@pytest.mark.parametrize("name", SLOW)
def test_neighbour_keeps_its_pace(forge: LaunchedForge, name: str) -> None:
    grammar = packed(SLOW[name])
    gaps: list[float] = []
    with Attack(forge, grammar):
        until = time.monotonic() + WATCHED_S
        while time.monotonic() < until:
            came = generate(forge, None, max_tokens=200)
            gaps += [later - earlier for earlier, later in pairwise(came)]
    assert len(gaps) > 20
    assert max(gaps) < MAX_GAP_S


def test_grammar_that_costs_too_much_is_the_clients_error(forge: LaunchedForge) -> None:
    parts = [Sequence((3002, 0)) for _ in range(3000)]
    alike = (Literals((b"1",)), Literals((b"1", b"11")))
    program = Program((Choice(tuple(range(1, 3002))), *parts, *alike))
    for _ in range(2):
        with pytest.raises(RequestError) as caught:
            generate(forge, msgspec.msgpack.encode(program))
        error = caught.value
        assert (error.kind, error.param) == (RequestErrorKind.INVALID, "grammar")
        assert error.code == "grammar_too_costly"


def test_program_that_means_nothing_is_the_clients_error(forge: LaunchedForge) -> None:
    with pytest.raises(RequestError, match="cannot be followed") as caught:
        generate(forge, msgspec.msgpack.encode(Program((Sequence((0,)),))))
    assert (caught.value.kind, caught.value.code) == (RequestErrorKind.INVALID, "invalid_grammar")


def test_contradiction_with_a_grammar_names_the_other_field(forge: LaunchedForge) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        forge.post("/v1/completions", prompt="a", min_tokens=9, max_tokens=20, regex="ab")
    error = msgspec.json.decode(caught.value.read())["error"]
    assert (caught.value.code, error["type"]) == (400, "invalid_request_error")
    assert (error["param"], error["code"]) == ("min_tokens", "no_token_left")
