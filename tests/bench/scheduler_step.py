"""What one scheduler step costs: 256 sequences decoding, no worker, no socket.

Counts what the scheduler process does for a step: schedule, encode the RunBatch, decode the answer,
update, encode one Outputs message.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from time import perf_counter

from forge_common.protocol.api_scheduler import Outputs, SchedulerMessage, Submit
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    FromWorker,
    RunBatch,
    SampledSequence,
)
from forge_common.sampling import SamplingParams
from forge_common.transport import Codec
from forge_scheduler.scheduler import Limits, Scheduler
from tests.bench.report import Figure

NUM_SEQUENCES = 256
NUM_STEPS = 400
PROMPT_TOKENS = 32


def measure() -> Iterator[Figure]:
    scheduler = _scheduler_with_running_sequences()
    to_worker: Codec[FromWorker] = Codec(FromWorker)
    to_client: Codec[SchedulerMessage] = Codec(SchedulerMessage)
    seconds = []
    for _ in range(NUM_STEPS):
        started = perf_counter()
        batch = scheduler.schedule()
        if batch is None:
            raise RuntimeError("nothing runs")
        run_batch = batch.to_run_batch()
        to_worker.encode(run_batch)
        asked = perf_counter() - started
        answer = to_worker.encode(_answer(run_batch))
        started = perf_counter()
        output = to_worker.decode(answer)
        if not isinstance(output, BatchOutput):
            raise TypeError(output)
        for outputs in scheduler.update(output).values():
            to_client.encode(Outputs(outputs))
        seconds.append(asked + perf_counter() - started)
    steady = sorted(seconds[NUM_STEPS // 4 :])
    yield Figure(
        f"scheduler step, {NUM_SEQUENCES} running sequences, median",
        statistics.median(steady) * 1e3,
        "ms",
        "< 1 ms",
    )
    yield Figure("the same, 99th percentile", steady[int(len(steady) * 0.99)] * 1e3, "ms")


def _scheduler_with_running_sequences() -> Scheduler:
    limits = Limits(
        max_batch_size=NUM_SEQUENCES,
        max_prefill_tokens=NUM_SEQUENCES * PROMPT_TOKENS,
        max_model_len=4096,
        vocab_size=32000,
        max_steps_in_flight=1,
    )
    scheduler = Scheduler(limits, num_blocks=NUM_SEQUENCES * 64, block_size=16)
    sampling = SamplingParams(max_tokens=2000, seed=1)
    for number in range(NUM_SEQUENCES):
        prompt = [number, *range(PROMPT_TOKENS - 1)]
        scheduler.submit(b"client", Submit(f"request-{number}", prompt, sampling))
    batch = scheduler.schedule()
    if batch is None:
        raise RuntimeError("nothing was admitted")
    scheduler.update(_answer(batch.to_run_batch()))
    return scheduler


def _answer(run_batch: RunBatch) -> BatchOutput:
    return BatchOutput(
        run_batch.step_id,
        [
            SampledSequence(scheduled.sequence_id, [7] if scheduled.is_sampling else [])
            for scheduled in run_batch.scheduled
        ],
        0.0,
    )
