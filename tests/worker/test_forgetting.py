"""After a scheduler that is gone, nothing of it is left in a runner but the model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.forgetting import ForgettingRunner
from tests.worker.fakes import FakeSequence, fake_runner


def start(*sequences: FakeSequence) -> RunBatch:
    new = [sequence.introduction() for sequence in sequences]
    return RunBatch(0, [], new, [sequence.schedule() for sequence in sequences])


def test_rows_of_all_that_ran_are_free_again_and_answers_are_dropped() -> None:
    inner = fake_runner()
    runner = ForgettingRunner(inner)
    runner.launch(start(*(FakeSequence(number, [1, 2, 3], [number]) for number in range(3))))
    runner.forget_all()
    assert runner.finished() == []
    assert [inner.mirror.row_of(number) for number in range(3)] == [None] * 3
    for _ in range(30):  # more than there are rows
        runner.launch(start(FakeSequence(7, [1, 2, 3], [0])))
        runner.forget_all()


def test_same_tokens_afterwards_under_the_same_numbers() -> None:
    runner = ForgettingRunner(fake_runner())
    outputs = []
    for _ in range(2):
        runner.launch(start(FakeSequence(1, [1, 2, 3], [4])))
        outputs.append(runner.finished()[0].sequences)
        runner.forget_all()
    assert outputs[0] == outputs[1]


def test_steps_in_flight_are_waited_for_and_only_what_is_known_is_released() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.released: list[list[int]] = []
            self.num_looks = 0

        def launch(self, batch: RunBatch) -> None:
            self.released.append(batch.released)

        def finished(self) -> list[BatchOutput]:
            """All at once, and late, as on a device."""
            self.num_looks += 1
            return [BatchOutput(0, [], 0.0)] * 3 if self.num_looks == 5 else []

        def use_spare_time(self) -> None: ...

        def waking(self, wake: Callable[[], None]) -> AbstractContextManager[object]:
            return nullcontext()

    recorder = Recorder()
    runner = ForgettingRunner(recorder)
    first, second = (FakeSequence(number, [1], [number]) for number in (1, 2))
    runner.launch(start(first, second))
    runner.launch(RunBatch(1, [1], [], [second.schedule()]))
    runner.forget_all()
    assert recorder.released == [[], [1], [2]]
