"""load_model: from a model directory to a Model that can run. Knows no process."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.instruction_set import host_instruction_set
from forge_common.sharding import shard_config
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.cpu_cores import LendCore, available_threads
from forge_worker.models.registry import MODEL_CLASSES, Model
from forge_worker.ops.protocol import Ops
from forge_worker.parallel.communicator import Communicator, SingleRank
from forge_worker.parallel.sharded_ops import ShardedOps
from forge_worker.sampler.sampler import MakeSampler, Sampler
from forge_worker.weights.loader import OnProgress, WeightLoader


class HostModel(NamedTuple):
    """A model on the host, what draws its tokens with the same instructions, and who lends a core
    of those that it computes on."""

    model: Model
    make_sampler: MakeSampler
    lend_core: LendCore = nullcontext


def load_model(
    path: Path, device: DeviceSettings, on_progress: OnProgress, max_model_len: int | None = None
) -> Model:
    """As `load_host_model`, for whoever draws no tokens."""
    return load_host_model(path, device, on_progress, max_model_len).model


def load_host_model(
    path: Path, device: DeviceSettings, on_progress: OnProgress, max_model_len: int | None = None
) -> HostModel:
    """`on_progress(bytes_done, bytes_total)` is called after each weight.

    Contexts may be as long as the model's own where `max_model_len` says nothing. ModelError if
    the model is unsound.
    """
    num_threads = device.threads or available_threads()
    instructions = host_instruction_set(device.cpu_kernels)
    if instructions is None:
        ops = NumpyOps(num_threads)
        model = load_shard(path, ops, SingleRank(), on_progress, max_model_len)
        return HostModel(model, partial(Sampler, num_threads=num_threads))
    # What compiles them takes a second to import.
    from forge_worker.cpu.native.start import make_native_sampler, native_ops, recorded

    native = native_ops(instructions, device, num_threads)
    model = load_shard(path, native, SingleRank(), on_progress, max_model_len)
    native.compile()
    has_spare_core = num_threads < available_threads()
    lend_core = nullcontext if has_spare_core else native.pool.lent_core
    return HostModel(recorded(model, native), make_native_sampler(native), lend_core)


def load_shard(
    path: Path,
    ops: Ops,
    communicator: Communicator,
    on_progress: OnProgress,
    max_model_len: int | None = None,
) -> Model:
    """The part of the model that this rank computes, with `ops` that know no other rank."""
    shard = communicator.shard
    with Checkpoint.open(path) as checkpoint:
        whole = checkpoint.config
        served = whole.for_context(max_model_len or whole.max_position_embeddings)
        config = shard_config(served, shard.num_ranks)
        loader = WeightLoader(checkpoint, ops, on_progress, shard)
        met_ops = ops if shard.num_ranks == 1 else ShardedOps(ops, communicator)
        return MODEL_CLASSES[config.architecture](config, loader, met_ops)
