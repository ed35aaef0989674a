"""From settings to NativeOps, and to a model whose steps are recorded. Knows no files."""

from __future__ import annotations

import logging
from functools import partial

from forge_common.config import DeviceSettings
from forge_common.instruction_set import InstructionSet
from forge_common.kv_format import native_kv_format
from forge_common.weight_format import WeightChoice
from forge_worker.cpu.native.kernels import Kernels
from forge_worker.cpu.native.ops import NativeOps, NumberChoice
from forge_worker.cpu.native.recorded_model import RecordedModel
from forge_worker.cpu.native.sampler import NativeSampler
from forge_worker.cpu_cores import allowed_cores, cores_text
from forge_worker.models.registry import Model
from forge_worker.sampler.sampler import MakeSampler

logger = logging.getLogger(__name__)


def native_ops(
    instructions: InstructionSet, settings: DeviceSettings, num_threads: int
) -> NativeOps:
    weights = WeightChoice(settings.dtype, settings.quantize)
    choice = NumberChoice(weights, native_kv_format(settings))
    logger.info(
        "native kernels: %s on %d threads (cores %s), weights %s, KV %s",
        instructions.name,
        num_threads,
        cores_text(allowed_cores()) or "of any number",
        weights.text,
        choice.kv,
    )
    return NativeOps(Kernels(instructions), choice, num_threads)


def make_native_sampler(ops: NativeOps) -> MakeSampler:
    """Of samplers on the threads of `ops`."""
    return partial(NativeSampler, pool=ops.pool, kernel=ops.kernels.sample())


def recorded(model: Model, ops: NativeOps) -> Model:
    """`model`, whose operations `ops` are, unless what it launches differs from step to step."""
    return model if model.config.layer_experts else RecordedModel(model, ops)
