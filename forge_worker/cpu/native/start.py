"""From settings to NativeOps, and to a model whose steps are recorded. Knows no files."""

from __future__ import annotations

import logging

from forge_common.config import DeviceSettings
from forge_common.instruction_set import InstructionSet
from forge_common.weight_format import WeightChoice
from forge_worker.cpu.native.kernels import Kernels
from forge_worker.cpu.native.ops import NativeOps
from forge_worker.cpu.native.recorded_model import RecordedModel
from forge_worker.models.registry import Model

logger = logging.getLogger(__name__)


def native_ops(
    instructions: InstructionSet, settings: DeviceSettings, num_threads: int
) -> NativeOps:
    choice = WeightChoice(settings.dtype, settings.quantize)
    logger.info(
        "native kernels: %s on %d threads, weights %s",
        instructions.name,
        num_threads,
        choice.text,
    )
    return NativeOps(Kernels(instructions), choice, num_threads)


def recorded(model: Model, ops: NativeOps) -> Model:
    """`model`, whose operations `ops` are, unless what it launches differs from step to step."""
    is_alike = ops.is_recordable and not model.config.layer_experts
    return RecordedModel(model, ops) if is_alike else model
