"""What is foretold of a sequence, from what it has put out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from forge_common.grammar.engine import Engine
from forge_common.grammar.program import JsonString, Literals, Object, Property, Rule
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.protocol.scheduler_worker import NewSequence, RunBatch
from forge_common.sampling import SamplingParams
from forge_worker import foresight as module
from forge_worker.constraints import Constraints
from forge_worker.foresight import Followed, Foresight
from tests.worker.grammars import grammar

PIECES = [b'{"', b'":', b'",', b'"}', b'":"', b"na", b"me", b"name", b"age", b'"x']
TOKENS = [b"", b"", *(bytes([code]) for code in range(0x20, 0x7F)), *PIECES]
END, OTHER_END = 0, 1
CANONICAL = {'name":"': [b"name", b'":"'], '","age":"': [b'",', b'"', b"age", b'":"']}


def token_of(piece: bytes) -> int:
    return TOKENS.index(piece)


def encode(text: str) -> list[int]:
    """Of one that knows two texts."""
    for known, spelling in CANONICAL.items():
        if text.endswith(known):
            return [token_of(piece) for piece in spelling]
    return []


PERSON: list[Rule] = [
    Object((Property("name", 1, True), Property("age", 1, True))),
    JsonString(min_length=1, max_length=1),
]


@dataclass
class Story:
    """One sequence, and what is foretold of it."""

    foresight: Foresight
    constraints: Constraints
    row: int = 0
    sequence_id: int = 7
    token_ids: list[int] = field(default_factory=lambda: [5])

    def new(self, params: SamplingParams, *, is_speculative: bool = True) -> NewSequence:
        return NewSequence(self.sequence_id, 0, [5], 1, params, is_speculative)

    def put_out(self, *pieces: bytes) -> list[bytes]:
        new = [END if piece == b"END" else token_of(piece) for piece in pieces]
        self.token_ids += new
        assert self.constraints.advance([self.row] * len(new), new) == {}
        known = np.array(self.token_ids, np.int32)
        likely = self.foresight.likely_tokens(Followed(self.sequence_id, self.row, known, new))
        return [TOKENS[token_id] or b"END" for token_id in likely]


def batch(released: list[int], *new: NewSequence) -> RunBatch:
    return RunBatch(0, released, list(new), [])


def begin(*rules: Rule, max_tokens: int = 64) -> Story:
    constraints = Constraints(lambda: Engine(Vocabulary(TOKENS, [END, OTHER_END], encode)))
    foresight = Foresight(constraints, max_tokens)
    start_over(story := Story(foresight, constraints), *rules)
    return story


def start_over(story: Story, *rules: Rule) -> None:
    """Another sequence in its row."""
    params = SamplingParams(max_tokens=9, seed=1, grammar=grammar(*(rules or PERSON)))
    assert story.constraints.set(story.row, params, []) is None
    story.sequence_id += 1
    story.token_ids = [5]
    story.foresight.meet(batch([story.sequence_id - 1], story.new(params)))


def test_what_is_forced_is_foretold_as_the_tokenizer_has_it() -> None:
    assert begin().put_out(b'{"') == [b"name", b'":"']


def test_what_came_as_foretold_is_foretold_no_more() -> None:
    story = begin()
    story.put_out(b'{"')
    assert story.put_out(b"name") == [b'":"']
    assert story.put_out(b'":"') == []


def test_nothing_is_foretold_of_what_is_free() -> None:
    story = begin()
    assert story.put_out(b'{"', b"name", b'":"') == []


def test_a_text_that_goes_another_way_is_foretold_from_where_tokens_meet_again() -> None:
    story = begin()
    story.put_out(b'{"')
    assert story.put_out(b"n") == [b"a", b"me", b'":"']
    assert story.put_out(b"a") == [b"me", b'":"']
    assert story.put_out(b"m") == [b"e", b'":"']


def test_how_it_was_spelled_is_remembered_for_other_sequences() -> None:
    story = begin()
    for piece in (b'{"', b"na", b"me", b'":', b'"'):
        story.put_out(piece)
    start_over(story)
    assert story.put_out(b'{"') == [b"na", b"me", b'":', b'"']


def test_a_token_that_goes_on_behind_what_is_forced_is_not_remembered() -> None:
    story = begin()
    for piece in (b'{"', b"name", b'":', b'"x'):
        story.put_out(piece)
    start_over(story)
    assert story.put_out(b'{"') == [b"name", b'":']


def test_several_tokens_of_a_step_are_followed_past_the_end_of_what_was_forced() -> None:
    story = begin()
    story.put_out(b'{"')
    assert story.put_out(b"name", b'":"', b"x") == [b'",', b'"', b"age", b'":"']


def test_no_sequence_is_foretold_what_another_one_was_about_to_say() -> None:
    story = begin()
    story.put_out(b'{"')
    start_over(story)
    assert story.put_out(b"{") == [b'"', b"name", b'":"']


def test_a_sequence_that_resumes_begins_where_it_is() -> None:
    story = begin()
    story.put_out(b'{"')
    params = SamplingParams(max_tokens=9, seed=1, grammar=b"as before")
    story.foresight.meet(batch([story.sequence_id], story.new(params)))
    assert b"".join(story.put_out(b"na")) == b'me":"'


def test_of_a_released_sequence_nothing_is_kept() -> None:
    story = begin()
    story.put_out(b'{"')
    story.foresight.meet(batch([story.sequence_id]))
    assert story.put_out(b"name") == []


def test_nothing_is_foretold_of_a_sequence_that_is_not_to_be_drafted() -> None:
    story = begin()
    params = SamplingParams(max_tokens=9, seed=1, grammar=b"as before")
    story.foresight.meet(batch([story.sequence_id], story.new(params, is_speculative=False)))
    assert story.put_out(b'{"') == []


def test_the_end_is_foretold_once_it_is_known_which_token_ends() -> None:
    only = Literals((b"yes", b"no"))
    story = begin(only)
    assert story.put_out(b"y") == [b"e", b"s"]
    assert story.put_out(b"e", b"s") == []
    assert story.put_out(b"END") == [b"END"]
    start_over(story, only)
    assert story.put_out(b"n") == [b"o", b"END"]
    assert story.put_out(b"o") == [b"END"]


def test_no_more_tokens_are_foretold_than_asked_for() -> None:
    assert begin(max_tokens=1).put_out(b'{"') == [b"name"]
    assert begin(max_tokens=0).put_out(b'{"') == []


def test_without_a_grammar_nothing_is_asked_of_any_vocabulary() -> None:
    constraints = Constraints(lambda: pytest.fail("no vocabulary is needed"))
    followed = Followed(1, 0, np.array([5, 6], np.int32), [6])
    foresight = Foresight(constraints, 64)
    plain = SamplingParams(max_tokens=9, seed=1)
    foresight.meet(batch([], NewSequence(1, 0, [5], 1, plain)))
    assert foresight.likely_tokens(followed) == []


def test_a_long_text_is_seen_ahead_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FORCED_BYTES", 3)
    story = begin(Literals((b"abcdefg",)))
    assert story.put_out(b"a") == [b"b", b"c", b"d"]
    assert story.put_out(b"b", b"c", b"d") == [b"e", b"f", b"g"]


def test_habits_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HABITS", 2)
    habits = module.Habits()
    for text in (b"a", b"b", b"a", b"c"):
        habits.learn(text, (1,))
    assert [habits.find(text) for text in (b"a", b"b", b"c")] == [(1,), None, (1,)]


def test_a_grammar_that_cannot_be_followed_any_further_foretells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    story = begin()

    def fail(*_: object) -> bytes:
        raise RuntimeError("broken")

    monkeypatch.setattr("forge_common.grammar.engine.engine.Engine.forced", fail)
    assert story.put_out(b'{"') == []
