"""A rank runs what rank 0 hands on, and compares what both drew as soon as both know it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import msgspec
import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch, SampledSequence
from forge_worker.parallel.follower import follow
from forge_worker.parallel.rank_link import RankLink
from forge_worker.parallel.rank_messages import RankStep, checksum


def output_of(step_id: int, token_id: int) -> BatchOutput:
    return BatchOutput(step_id, [SampledSequence(1, [token_id])], 0.0)


class LateRunner:
    """Draws the number of the step, and knows of it `delay` steps later."""

    def __init__(self, delay: int) -> None:
        self.launched: list[int] = []
        self._delay = delay
        self._num_told = 0

    def launch(self, batch: RunBatch) -> None:
        self.launched.append(batch.step_id)

    def finished(self) -> list[BatchOutput]:
        known = self.launched[self._num_told : max(0, len(self.launched) - self._delay)]
        self._num_told += len(known)
        return [output_of(step_id, step_id) for step_id in known]


@pytest.fixture
def links() -> Iterator[tuple[RankLink, RankLink]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield RankLink(ours, 1), RankLink(theirs, 0)


def hand_on(link: RankLink, drawn_of_steps: list[list[int]]) -> None:
    """Steps 0 and up; beside each, the tokens of steps that rank 0 knows since the one before."""
    for step_id, drawn in enumerate(drawn_of_steps):
        sums = tuple(checksum(output_of(0, token_id)) for token_id in drawn)
        link.send_message(msgspec.msgpack.encode(RankStep(RunBatch(step_id, [], [], []), sums)))
    link.close()


@pytest.mark.parametrize("delay", [0, 1, 3])
@pytest.mark.parametrize(
    "drawn", [[[], [0], [1], [2], [3]], [[], [], [0, 1], [], [2, 3]], [[]] * 5]
)
def test_every_step_is_run_whoever_knows_first(links, delay: int, drawn: list[list[int]]) -> None:
    runner = LateRunner(delay)
    hand_on(links[0], drawn)
    follow(links[1], runner)
    assert runner.launched == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("delay", [0, 1])
def test_other_tokens_end_it_before_a_step_is_built_on_them(links, delay: int) -> None:
    runner = LateRunner(delay)
    hand_on(links[0], [[], [0], [7], [2]])
    with pytest.raises(WorkerError, match="different tokens"):
        follow(links[1], runner)
    assert runner.launched == [0, 1, 2][: 2 + delay]


def test_checksum_is_of_all_tokens_and_of_nothing_else() -> None:
    first = checksum(BatchOutput(1, [SampledSequence(1, [5]), SampledSequence(2, [])], 0.5))
    assert first == checksum(BatchOutput(2, [SampledSequence(3, [5]), SampledSequence(4, [])], 0.7))
    assert first != checksum(BatchOutput(1, [SampledSequence(1, []), SampledSequence(2, [5])], 0.5))
