"""Ranks as processes: the same answers as one rank gives, and an end of all when one ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_shard
from forge_worker.parallel.communicator import Communicator, SingleRank
from forge_worker.parallel.rank_link import RankGone
from forge_worker.parallel.rank_messages import RankJob
from forge_worker.parallel.ranks import LeadingRunner, Ranks
from forge_worker.runner import Runner
from tests.worker.fakes import LIMITS, FakeSequence, no_grammars
from tests.worker.tiny_models import write_tiny_model

NUM_RANKS = 3
HEADS = {"num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8, "vocab_size": 42}
JOB_LIMITS = LIMITS._replace(vocab_size=42)
SAMPLED = {"temperature": 1.2, "top_p": 0.95, "repetition_penalty": 1.1, "seed": 5}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path, **HEADS)


@pytest.fixture
def ranks(path: Path) -> Iterator[Ranks]:
    with Ranks(RankJob(NUM_RANKS, str(path), JOB_LIMITS, num_threads=1)) as ranks:
        yield ranks


def runner_of(path: Path, communicator: Communicator) -> ModelRunner:
    model = load_shard(path, NumpyOps(), communicator, lambda done, total: None)
    cache = allocate_kv_cache(model.config, model.ops, JOB_LIMITS.num_blocks, JOB_LIMITS.block_size)
    return ModelRunner(model, cache, JOB_LIMITS, no_grammars())


def leading(path: Path, ranks: Ranks) -> LeadingRunner:
    runner = runner_of(path, ranks.communicator)
    ranks.wait_until_ready()
    return LeadingRunner(runner, ranks)


def generate(runner: Runner, num_steps: int) -> list[list[int]]:
    """Two sequences, one of which joins later; the end of the first is told as well."""
    first = FakeSequence(1, [3, 1, 4, 1, 5, 9, 2, 6], list(range(12)), **SAMPLED)
    second = FakeSequence(2, list(range(30)), list(range(20, 36)), temperature=0.0)
    for step in range(num_steps):
        batch = [first] if step < 3 else [first, second]
        new = [sequence.introduction() for sequence in batch if sequence.num_sent_blocks == 0]
        runner.launch(RunBatch(step, [], new, [sequence.schedule() for sequence in batch]))
        (output,) = runner.finished()
        for sequence, sampled in zip(batch, output.sequences, strict=True):
            sequence.take(sampled)
    runner.launch(RunBatch(num_steps, [1, 2], [], []))
    assert len(runner.finished()) == 1
    return [first.output, second.output]


def test_processes_answer_as_one_rank_does(path: Path, ranks: Ranks) -> None:
    alone = generate(runner_of(path, SingleRank()), num_steps=24)
    assert generate(leading(path, ranks), num_steps=24) == alone
    assert len(set(alone[0])) > 5


def test_rank_that_ends_ends_the_step(path: Path, ranks: Ranks) -> None:
    runner = leading(path, ranks)
    generate(runner, num_steps=4)
    os.kill(ranks.process_ids[1], signal.SIGKILL)
    with pytest.raises(RankGone, match="rank 2"):
        generate(runner, num_steps=4)


def test_rank_that_cannot_load_is_told_of(path: Path) -> None:
    (path / "model.safetensors").write_bytes(b"")
    job = RankJob(2, str(path), JOB_LIMITS, num_threads=1)
    with Ranks(job) as ranks, pytest.raises(WorkerError, match="rank 1 of this worker did not"):
        ranks.wait_until_ready()


def test_processes_end_in_peace_when_rank_0_lets_go(path: Path, ranks: Ranks) -> None:
    leading(path, ranks)
    assert ranks.exit_codes == [None, None]
    ranks.close()
    assert ranks.exit_codes == [0, 0]


class Liar:
    """A runner that misreports what it drew."""

    def __init__(self, runner: Runner) -> None:
        self.launch, self.waking = runner.launch, runner.waking
        self.use_spare_time = runner.use_spare_time
        self._runner = runner

    def finished(self) -> list[BatchOutput]:
        outputs = self._runner.finished()
        for output in outputs:
            output.sequences[0].token_ids[0] += 1
        return outputs


def test_rank_that_drew_otherwise_gives_up(path: Path, ranks: Ranks) -> None:
    liar = Liar(runner_of(path, ranks.communicator))
    ranks.wait_until_ready()
    runner, sequence = LeadingRunner(liar, ranks), FakeSequence(1, [3, 1, 4], list(range(12)))
    runner.launch(RunBatch(0, [], [sequence.introduction()], [sequence.schedule()]))
    assert len(runner.finished()) == 1
    with pytest.raises(RankGone):
        runner.launch(RunBatch(1, [], [], [sequence.schedule()]))
