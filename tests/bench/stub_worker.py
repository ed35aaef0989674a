"""A worker without a model: `python -m tests.bench.stub_worker`, with the flags of `forge_worker`.

Answers every RunBatch at once, so that what is measured is the API, the scheduler and the links
between them. Tokens are a function of sequence and step; it reads a model's `config.json` for the
size of its vocabulary, and no weights.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import zmq

from forge_common.checkpoint import Checkpoint
from forge_common.config import WorkerConfig
from forge_common.demo_model import model_location
from forge_common.errors import ConfigError
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import (
    BatchOutput,
    RunBatch,
    SampledSequence,
    Shutdown,
    ToWorker,
    WorkerReady,
)
from forge_common.readiness import Readiness
from forge_common.settings import run_role
from forge_common.transport import ClientChannel

IDENTITY = b"worker-0"
DEFAULT_NUM_BLOCKS = 65536
DEFAULT_MAX_MODEL_LEN = 4096


class Vocabulary(NamedTuple):
    """Tokens are drawn from the middle of it, away from what may be special at its ends."""

    size: int

    def token(self, number: int) -> int:
        return self.size // 4 + number % (self.size // 2)


def answer(batch: RunBatch, vocabulary: Vocabulary) -> BatchOutput:
    sampled = [
        SampledSequence(
            scheduled.sequence_id,
            [vocabulary.token(scheduled.sequence_id + batch.step_id)]
            if scheduled.is_sampling
            else [],
        )
        for scheduled in batch.scheduled
    ]
    return BatchOutput(batch.step_id, sampled, 0.0)


def ready(config: WorkerConfig, vocabulary: Vocabulary) -> WorkerReady:
    max_model_len = config.model.max_model_len or DEFAULT_MAX_MODEL_LEN
    is_paged = config.cache.kv_cache == "paged"
    return WorkerReady(
        protocol_version=PROTOCOL_VERSION,
        num_blocks=config.cache.num_blocks or DEFAULT_NUM_BLOCKS,
        block_size=config.cache.block_size if is_paged else max_model_len,
        max_model_len=max_model_len,
        vocab_size=vocabulary.size,
        process_id=os.getpid(),
    )


def vocabulary_of(config: WorkerConfig) -> Vocabulary:
    with Checkpoint.open(model_location(config.model.model_path)) as checkpoint:
        return Vocabulary(checkpoint.config.vocab_size)


def serve(config: WorkerConfig) -> None:
    if config.links.worker_endpoint is None:
        raise ConfigError("--worker-endpoint must say where the scheduler listens")
    vocabulary = vocabulary_of(config)
    with zmq.Context() as context:
        endpoint = config.links.worker_endpoint
        channel: ClientChannel[ToWorker] = ClientChannel(context, endpoint, ToWorker, IDENTITY)
        channel.send(ready(config, vocabulary))
        Readiness.from_environment().ready("no model")
        answer_until_shutdown(channel, vocabulary)
        channel.close()


def answer_until_shutdown(channel: ClientChannel[ToWorker], vocabulary: Vocabulary) -> None:
    while channel.wait():
        for message in channel.drain():
            if isinstance(message, Shutdown):
                return
            if isinstance(message, RunBatch):
                channel.send(answer(message, vocabulary))


if __name__ == "__main__":
    run_role(WorkerConfig, serve, name="forge-worker", help="Answers every step at once.")
