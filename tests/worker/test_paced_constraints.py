"""Whatever a grammar costs, its own row waits, and its masks are what they would have been."""

from __future__ import annotations

from random import Random

import msgspec
import numpy as np
import pytest

from forge_common.errors import RequestErrorKind
from forge_common.grammar.engine import Engine
from forge_common.grammar.program import Literals, Program
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.protocol.message import Failure
from forge_common.sampling import SamplingParams
from forge_worker.constraints import Constraints
from forge_worker.grammar_budget import UNHURRIED, Pace
from forge_worker.sampler.grammar_mask import forbidden_tokens
from tests.worker.generation import END, VOCAB_SIZE, engine
from tests.worker.test_hostile_grammars import HEAVY

SLOW = Pace(refill_s=0.0005, share=0.0, burst_s=0.001, attempt_s=0.0003, slice_s=0.0003, max_long=2)
CHEAP = msgspec.msgpack.encode(Program((Literals((b"aaaaaaaaaaaaaaaaaaaaaaaa",)),)))
SHOWN = ("60 keys in any order", "300 variants")
NUM_TOKENS = 6
MAX_STEPS = 20_000


def packed(name: str) -> bytes:
    return msgspec.msgpack.encode(HEAVY[name]())


def params(grammar: bytes, eos_token_ids: tuple[int, ...] = (END,)) -> SamplingParams:
    return SamplingParams(max_tokens=99, seed=1, grammar=grammar, eos_token_ids=eos_token_ids)


def paced(pace: Pace = SLOW, shared: Engine | None = None) -> Constraints:
    made = shared or engine()
    return Constraints(lambda: made, pace)


class Text:
    """A row that draws some allowed token whenever it has a mask."""

    def __init__(self, found: Constraints, row: int, grammar: bytes) -> None:
        self.token_ids: list[int] = []
        self.masks: list[bytes] = []
        self.num_delays = 0
        self.row = row
        self._found = found
        self._random = Random(row)
        assert found.set(row, params(grammar), []) is None

    def take(self, words: np.ndarray | None) -> None:
        if words is None:
            self.num_delays += 1
            return
        self.masks.append(words.tobytes())
        allowed = np.flatnonzero(~forbidden_tokens(words, VOCAB_SIZE)).tolist()
        token_id = self._random.choice([token for token in allowed if token != END] or [END])
        self.token_ids.append(token_id)
        assert self._found.advance([self.row], [token_id]) == {}


def write(found: Constraints, *texts: Text, num_tokens: int = NUM_TOKENS) -> None:
    for _ in range(MAX_STEPS):
        going = [text for text in texts if len(text.token_ids) < num_tokens]
        if not going:
            return
        found.begin_step(len(going) + 1)
        masks = found.masks([text.row for text in going])
        assert masks.errors == {}
        for text in going:
            text.take(masks.words.get(text.row))
            assert (text.row in masks.words) is not (text.row in masks.delayed)
    pytest.fail("it does not come to an end")


@pytest.mark.parametrize("name", SHOWN)
def test_masks_worked_out_in_turns_are_those_worked_out_at_once(name: str) -> None:
    at_once, in_turns = paced(UNHURRIED), paced()
    expected, found = Text(at_once, 1, packed(name)), Text(in_turns, 1, packed(name))
    write(at_once, expected)
    write(in_turns, found)
    assert expected.num_delays == 0 < found.num_delays
    assert (found.token_ids, found.masks) == (expected.token_ids, expected.masks)


def test_neighbour_gets_a_token_in_every_step() -> None:
    found = paced()
    heavy = [Text(found, row, packed(name)) for row, name in enumerate(SHOWN)]
    neighbour = Text(found, 9, CHEAP)
    write(found, *heavy, neighbour)
    assert neighbour.num_delays == 0 < min(text.num_delays for text in heavy)


def test_what_several_rows_ask_is_worked_out_once() -> None:
    grammar = packed("60 keys in any order")
    alone, several = paced(), paced()
    one = Text(alone, 1, grammar)
    write(alone, one, num_tokens=1)
    many = [Text(several, row, grammar) for row in range(8)]
    write(several, *many, num_tokens=1)
    assert max(text.num_delays for text in many) < 3 * one.num_delays + 10


def test_resumed_in_the_middle_it_goes_on_with_the_same_masks() -> None:
    grammar = packed("300 variants")
    before, after = paced(), paced()
    whole = Text(before, 1, grammar)
    write(before, whole, num_tokens=2 * NUM_TOKENS)
    known, rest = whole.token_ids[:NUM_TOKENS], whole.token_ids[NUM_TOKENS:]
    assert after.set(1, params(grammar), known) is None
    for token_id, expected in zip(rest, whole.masks[NUM_TOKENS:], strict=True):
        assert mask_of(after, 1) == expected
        assert after.advance([1], [token_id]) == {}


def mask_of(found: Constraints, row: int) -> bytes:
    for _ in range(MAX_STEPS):
        found.begin_step(2)
        words = found.masks([row]).words
        if words:
            return words[row].tobytes()
    return pytest.fail("there is none")


def test_row_that_leaves_takes_its_unfinished_mask_along() -> None:
    found = paced()
    leaving = Text(found, 1, packed("60 keys in any order"))
    staying = Text(found, 2, packed("300 variants"))
    for _ in range(3):
        found.begin_step(3)
        found.masks([1, 2])
    found.clear(leaving.row)
    found.set(leaving.row, params(CHEAP), [])
    write(found, staying)


@pytest.mark.parametrize("pace", [SLOW, Pace(), UNHURRIED])
def test_what_costs_too_much_is_the_clients_error_each_time_it_is_asked(pace: Pace) -> None:
    """Also when half of it was worked out by those before, and after a restart."""
    shared, grammar = engine(), packed("choices that begin alike")
    failures = [failure_of(paced(pace, shared), grammar) for _ in range(2)]
    again = paced(pace, shared)
    failures += [failure_of(again, grammar) for _ in range(3)]
    assert len(set(failures)) == 1
    assert failures[0].kind is RequestErrorKind.INVALID
    assert (failures[0].param, failures[0].code) == ("grammar", "grammar_too_costly")


def failure_of(found: Constraints, grammar: bytes) -> Failure:
    failure = found.set(0, params(grammar), [])
    for _ in range(MAX_STEPS):
        if failure is not None:
            return failure
        found.begin_step(2)
        failure = found.masks([0]).errors.get(0)
    return pytest.fail("it is never refused")


def test_ends_are_those_that_the_request_names() -> None:
    tokens = [b"", b"", b"", *(bytes([byte]) for byte in range(256))]
    shared = Engine(Vocabulary(tokens, [0, 1]))
    grammar = msgspec.msgpack.encode(Program((Literals((b"a",)),)))

    def ends(*eos_token_ids: int) -> set[int]:
        found = Constraints(lambda: shared)
        found.set(0, params(grammar, eos_token_ids=eos_token_ids), [3 + ord("a")])
        words = found.masks([0]).words[0]
        return set(np.flatnonzero(~forbidden_tokens(words, len(tokens))).tolist())

    assert ends(0, 1) == ends() == {0, 1}
    assert ends(1) == {1}
    assert ends(2) == {2}
