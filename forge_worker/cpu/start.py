"""From settings to a model on the host: plan and load. Knows no sockets."""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter

from forge_common.backend import Backend
from forge_common.backend_memory import memory_of
from forge_common.checkpoint import Checkpoint
from forge_common.config import WorkerConfig
from forge_common.memory_plan import MemoryPlan, plan_memory
from forge_common.protocol.scheduler_worker import MAX_DRAFT_TOKENS
from forge_worker.constraints import Constraints
from forge_worker.grammar_engine import engine_for
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.loaded_model import LoadedModel
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_host_model
from forge_worker.sequence_mirror import Limits
from forge_worker.weights.loader import OnProgress

HOST = Backend("cpu", None)

logger = logging.getLogger(__name__)


def load_on_host(config: WorkerConfig, path: Path, on_progress: OnProgress) -> LoadedModel:
    """ModelError or ConfigError, one sentence each."""
    started = perf_counter()
    plan = _plan(path, config)
    loaded = load_host_model(path, config.device, on_progress, plan.max_model_len)
    model = loaded.model
    kv_cache = allocate_kv_cache(model.config, model.ops, plan.num_blocks, plan.block_size)
    limits = Limits(
        max_batch_size=config.batch.max_batch_size,
        max_model_len=plan.max_model_len,
        block_size=plan.block_size,
        num_blocks=plan.num_blocks,
        vocab_size=model.config.vocab_size,
        max_draft_tokens=MAX_DRAFT_TOKENS,
    )
    logger.info("loaded %s in %.2f s", path, perf_counter() - started)
    constraints = Constraints(engine_for(path), lend_core=loaded.lend_core)
    runner = ModelRunner(model, kv_cache, limits, constraints, loaded.make_sampler)
    return LoadedModel(runner, limits)


def _plan(path: Path, config: WorkerConfig) -> MemoryPlan:
    with Checkpoint.open(path) as checkpoint:
        memory = memory_of(config.device, HOST, checkpoint)
        return plan_memory(
            checkpoint, config.cache, config.batch, config.model.max_model_len, memory
        )
