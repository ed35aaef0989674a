"""Drafts that cannot be run, or need not be, are left out, and nobody is told."""

from __future__ import annotations

from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.constraints import Constraints
from forge_worker.cuda.draft_plan import DraftPlan, DraftPlanner
from forge_worker.masks import Masks
from forge_worker.sampler.table import SamplingTable
from forge_worker.sequence_mirror import SequenceMirror, host_tables
from tests.worker.fakes import LIMITS, FakeSequence
from tests.worker.grammars import END, VOCAB_SIZE, Literals, constraints, grammar, tokens

PROMPT = [5, 6, 7]
DRAFTING = LIMITS._replace(vocab_size=VOCAB_SIZE, max_batch_size=3, max_draft_tokens=5)
YES_OR_NO = grammar(Literals((b"yes", b"no")))


def ids(text: str) -> list[int]:
    return [tokens().index(character.encode()) for character in text]


class Site:
    """A few sequences that have run their prompt but for its last token."""

    def __init__(self, *grammars: bytes | None) -> None:
        self.grammars: Constraints = constraints()
        sampling = SamplingTable(DRAFTING.max_batch_size, VOCAB_SIZE)
        self.mirror = SequenceMirror(DRAFTING, host_tables(DRAFTING, sampling, self.grammars))
        self.planner = DraftPlanner(self.mirror, self.grammars)
        self.new = [
            FakeSequence(number, PROMPT, [], grammar=program).introduction()
            for number, program in enumerate(grammars)
        ]

    def plan(self, *drafts: list[int], masks: Masks | None = None, num_known: int = 1) -> DraftPlan:
        parts = [
            ScheduledSequence(
                number,
                3 - num_known,
                num_known + len(some),
                [3 * number, 3 * number + 1],
                True,
                some,
            )
            for number, some in enumerate(drafts)
        ]
        batch = RunBatch(0, [], self.new, parts)
        self.new = []
        scheduled = self.mirror.apply(batch)
        self.planner.meet(batch)
        found = self.grammars.masks(scheduled.rows.tolist())
        return self.planner.plan(batch, scheduled, masks or found)

    def row_of(self, sequence_id: int) -> int:
        row = self.mirror.row_of(sequence_id)
        assert row is not None
        return row


def counts(plan: DraftPlan) -> list[int]:
    return plan.scheduled.num_draft_tokens.tolist()


def test_drafts_without_a_grammar_are_run_as_they_are() -> None:
    plan = Site(None, None).plan([9, 8], [7])
    assert counts(plan) == [2, 1]
    assert plan.words == {}


def test_drafts_for_which_there_is_no_room_are_left_out() -> None:
    """Six rows, three of which are the sequences' own."""
    plan = Site(None, None, None).plan([9, 8], [7, 6], [5])
    assert counts(plan) == [2, 1, 0]
    assert plan.scheduled.draft_token_ids.tolist() == [9, 8, 7]


def test_drafts_of_a_grammar_are_run_as_far_as_it_allows_them() -> None:
    plan = Site(None, YES_OR_NO).plan([9], ids("yeo"))
    assert counts(plan) == [1, 2]
    assert list(plan.words) == [DRAFTING.max_batch_size + draft for draft in (1, 2)]
    assert counts(Site(YES_OR_NO).plan([*ids("no"), END])) == [3]


def test_a_sequence_that_has_no_mask_yet_has_no_drafts() -> None:
    site = Site(YES_OR_NO, None)
    rows = [site.mirror._free_rows[-1]]
    delayed = Masks({}, {}, {rows[0]})
    assert counts(site.plan(ids("no"), [7], masks=delayed)) == [0, 1]
    assert site.row_of(0) == rows[0]


def test_a_sequence_that_has_failed_has_no_drafts() -> None:
    site = Site(None, None)
    site.mirror.failures[site.mirror._free_rows[-1]] = Failure("it is so")
    assert counts(site.plan([9], [7])) == [0, 1]


def test_a_sequence_with_more_to_compute_than_a_token_has_no_drafts() -> None:
    assert counts(Site(None).plan([9, 8], num_known=2)) == [0]


def test_a_sequence_whose_drafts_were_no_numbers_has_no_more_until_it_is_new() -> None:
    site = Site(None, None)
    site.planner.distrust(1)
    assert counts(site.plan([9], [7])) == [1, 1]  # introduced in this step
    site.planner.distrust(1)
    parts = [ScheduledSequence(number, 2, 2, [], True, [9]) for number in (0, 1)]
    batch = RunBatch(1, [], [], parts)
    plan = site.planner.plan(batch, site.mirror.apply(batch), Masks({}, {}, set()))
    assert counts(plan) == [1, 0]
