"""A rank beyond the first: load a part of the model, then run each step that rank 0 hands on.

What it answers to a step nobody reads; that it runs at all is what the other ranks need. It ends
when its link does. Knows no scheduler.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections import deque
from functools import partial
from pathlib import Path

import msgspec

from forge_common.errors import WorkerError
from forge_common.sharding import Shard
from forge_worker.constraints import Constraints
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.grammar_budget import UNHURRIED
from forge_worker.grammar_engine import engine_for
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_shard
from forge_worker.parallel.rank_link import RankLink
from forge_worker.parallel.rank_messages import (
    READY,
    Assignment,
    RankStep,
    checksum,
)
from forge_worker.parallel.star import StarPoint
from forge_worker.runner import Runner
from forge_worker.sampler.sampler import Sampler

logger = logging.getLogger(__name__)


def serve_rank(link_fd: int) -> None:
    """Until rank 0 closes the link. Raises ForgeError where it cannot go on."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # rank 0 decides
    link = RankLink(socket.socket(fileno=link_fd), other_rank=0)
    message = link.receive_message()
    if message is None:
        return
    assignment = msgspec.msgpack.decode(message, type=Assignment)
    runner = load_rank(assignment, link)
    link.send_message(READY)
    follow(link, runner)


def load_rank(assignment: Assignment, link: RankLink) -> ModelRunner:
    rank, job = assignment.rank, assignment.job
    communicator = StarPoint(link, Shard(rank, job.num_ranks))
    ops = NumpyOps(job.num_threads)
    model = load_shard(Path(job.model_path), ops, communicator, _say_nothing)
    limits = job.limits
    kv_cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    logger.info("rank %d of %d is loaded", rank, job.num_ranks)
    constraints = Constraints(engine_for(Path(job.model_path)), UNHURRIED)
    make_sampler = partial(Sampler, num_threads=job.num_threads)
    return ModelRunner(model, kv_cache, limits, constraints, make_sampler)


def follow(link: RankLink, runner: Runner) -> None:
    """WorkerError where this rank drew other tokens than rank 0: it would go on with nonsense."""
    ours: deque[int] = deque()
    theirs: deque[int] = deque()
    while (message := link.receive_message()) is not None:
        step = msgspec.msgpack.decode(message, type=RankStep)
        theirs.extend(step.drawn)
        ours.extend(checksum(output) for output in runner.finished())
        while ours and theirs:
            if ours.popleft() != theirs.popleft():
                raise WorkerError("this rank and rank 0 have drawn different tokens")
        runner.launch(step.batch)


def _say_nothing(bytes_done: int, bytes_total: int) -> None:
    """Rank 0 reports how far the worker is."""
