"""Which backend runs the model, and in what precision: the meaning of `--backend` and `--dtype`.

The launcher and a worker that was started by hand decide alike. `auto` is the GPU where there is
one and CuPy is installed. Knows no model's arithmetic and starts nothing on a device.
"""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from typing import Literal, NamedTuple

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError
from forge_common.nvidia_gpus import Gpu, find_gpu

BackendName = Literal["cpu", "cuda"]
PrecisionName = Literal["float32", "bfloat16", "float16"]
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

logger = logging.getLogger(__name__)


class Backend(NamedTuple):
    name: BackendName
    gpu: Gpu | None  # where the model runs, if on one that could be asked


def choose_backend(settings: DeviceSettings) -> Backend:
    """What `--backend` comes to on this machine; `cuda` is believed, and may fail to open later."""
    if settings.backend == "cpu":
        return Backend("cpu", None)
    gpu = find_gpu(settings.device, os.environ)
    if settings.backend == "cuda":
        return Backend("cuda", gpu)
    if gpu is None:
        return Backend("cpu", None)
    if find_spec("cupy") is None:
        logger.warning("%s is left idle: CUDA needs `pip install forge-server[cuda13]`", gpu.name)
        return Backend("cpu", None)
    return Backend("cuda", gpu)


def choose_precision(
    settings: DeviceSettings, backend: Backend, checkpoint: Checkpoint
) -> PrecisionName:
    """Of activations. On a GPU, of weights too, and of KV unless it is to be narrower: `auto` keeps
    half precision as the files have it, and what is wider becomes bfloat16. Where weights are
    quantised, the others say it.
    """
    if backend.name == "cpu":
        return "float32"
    if settings.quantize != "none":
        raise ConfigError(f"--quantize {settings.quantize} needs --backend cpu")
    if settings.dtype != "auto":
        return settings.dtype
    plain = [tensor for tensor in checkpoint.tensors.values() if tensor.packed is None]
    largest = max(plain, key=lambda tensor: tensor.num_bytes, default=None)
    return "float16" if largest is not None and largest.dtype == "F16" else "bfloat16"
