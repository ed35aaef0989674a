"""Drafts through the scheduler and an emulated GPU's worker: what a CPU says without any.

The device is behind all the time, so that steps are planned and launched on tokens nobody has read.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from forge_common.protocol.api_scheduler import Submit
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.runner import CudaRunner
from forge_worker.sequence_mirror import SequenceMirror
from tests.builders import make_submit
from tests.cuda_emulator.delayed import DelayedDevice
from tests.integration import test_forced_text, test_speculation
from tests.integration.test_forced_text import ConstrainedEngine
from tests.integration.test_speculation import Engine, assert_same
from tests.scheduler.audit import audit
from tests.worker.cuda.engines import engine_of, sizes_of
from tests.worker.cuda.test_runner import MODELS
from tests.worker.grammars import constraints
from tests.worker.test_drafts import DRAFTING


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """An engine is full of cycles, and an emulated device has no more memory than a real one."""
    yield
    gc.collect()


class BehindRunner(NamedTuple):
    """Steps are launched at once, and answered when they are waited for."""

    runner: CudaRunner

    @property
    def mirror(self) -> SequenceMirror:
        return self.runner.mirror

    def launch(self, batch: RunBatch) -> None:
        self.runner.launch(batch)

    def oldest(self) -> BatchOutput:
        self.runner._in_flight[0].event.wait()
        (output,) = self.runner.finished()
        self.runner.use_spare_time()
        return output


class DeviceEngine(Engine):
    """The other engine's scheduler, whose steps overlap."""

    def make_runner(self):
        path = MODELS / self.model
        sizes = sizes_of(path, Precision.FLOAT32, DRAFTING)
        return BehindRunner(engine_of(DelayedDevice(), path, sizes, constraints()).runner)

    def run(self, submits: list[Submit], lose_after: int | None = None) -> Engine:
        for submit in submits:
            self.scheduler.submit(b"c", submit)
        while not self.scheduler.is_empty:
            while (batch := self.scheduler.schedule()) is not None:
                self.runner.launch(batch.to_run_batch())
            if self.scheduler.counters.num_steps == lose_after:
                self.lose_worker()
                lose_after = None
                continue
            for outputs in self.scheduler.update(self.runner.oldest()).values():
                self.read(outputs)
            audit(self.scheduler)
        return self


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("model", "seed"), [("llama3", 0), ("qwen3", 1)])
def test_random_mixes_say_the_same_with_drafts(model: str, seed: int) -> None:
    submits = test_speculation.random_submits(seed)
    drafted = DeviceEngine(model, 8).run(submits)
    assert_same(drafted, Engine(model, 0).run(submits))
    counters = drafted.scheduler.counters
    assert 0 < counters.num_accepted_tokens < counters.num_draft_tokens


@pytest.mark.usefixtures("eager")
def test_and_when_preempted() -> None:
    submits = test_speculation.random_submits(2, num_requests=5)
    drafted = DeviceEngine("llama3", 8, num_blocks=18).run(submits)
    assert_same(drafted, Engine("llama3", 0).run(submits))
    assert drafted.scheduler.counters.num_preemptions > 0


@pytest.mark.usefixtures("eager")
def test_and_when_the_worker_is_lost() -> None:
    submits = test_speculation.random_submits(5)
    drafted = DeviceEngine("llama3", 8).run(submits, lose_after=9)
    assert_same(drafted, Engine("llama3", 0).run(submits))
    assert drafted.scheduler.counters.num_resumed > 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("lose_after", [None, 10])
def test_what_grammars_force_is_foretold_and_drafted(lose_after: int | None) -> None:
    submits = test_forced_text.random_submits(1)
    drafted = DeviceEngine("llama3", 8).run(submits, lose_after)
    assert_same(drafted, ConstrainedEngine("llama3", 0).run(submits))
    counters = drafted.scheduler.counters
    assert 0 < counters.num_accepted_forced_tokens < counters.num_forced_draft_tokens


def test_a_repetition_is_said_in_fewer_steps_by_the_rule_as_it_stands() -> None:
    submit = make_submit("a", [1, 2, 3], max_tokens=60, temperature=0.0, logit_bias={7: 50.0})
    plain, drafted = (DeviceEngine("llama3", most).run([submit]) for most in (0, 8))
    assert_same(drafted, plain)
    assert drafted.scheduler.counters.num_steps < plain.scheduler.counters.num_steps / 2
