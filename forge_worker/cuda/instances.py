"""Every kernel source that a model needs, known before any of it is compiled.

So that all can be compiled side by side at the start, and by a test without a GPU. Wrappers that
work out constants of their own are made over a device that only notes what it is asked for: none
can be forgotten or differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from forge_common.expert_workspace import expert_room
from forge_worker.cuda.attention import attention_sources
from forge_worker.cuda.cublaslt import CublasLtGemm
from forge_worker.cuda.device import DeviceInfo, Kernel, KernelSource
from forge_worker.cuda.embedding import Embedding
from forge_worker.cuda.finite import finite_source
from forge_worker.cuda.grouped import GroupedProducts, grouped_shapes
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.logit_cap import LogitCap
from forge_worker.cuda.logprobs import LOGPROBS_SOURCE
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.products import Products, ProductScratch, product_shapes
from forge_worker.cuda.rotary import HeadShape, Rotary
from forge_worker.cuda.routing import Routing
from forge_worker.cuda.sampler import SAMPLE_SOURCE
from forge_worker.cuda.step_kernels import step_source


def kernel_sources(sizes: EngineSizes) -> tuple[KernelSource, ...]:
    """Each once. DeviceError where the kernels cannot serve such a model."""
    attention = attention_sources(sizes.precision, sizes.geometry)
    return tuple(
        dict.fromkeys(
            (
                *(source for source in attention if source is not None),
                *_asked_for(sizes),
                SAMPLE_SOURCE,
                LOGPROBS_SOURCE,
                finite_source(sizes.precision),
                step_source(sizes.limits.block_size),
            )
        )
    )


class _NotedSources:
    """As much of a Device as wrappers use when they are made."""

    info = DeviceInfo("none", (8, 0), 1, 0, 0)

    def __init__(self) -> None:
        self.sources: list[KernelSource] = []

    def kernels(self, source: KernelSource) -> Mapping[str, Kernel]:
        self.sources.append(source)
        return _Unlaunchable()


class _Unlaunchable(dict[str, Kernel]):
    """Has a kernel of every name."""

    def __missing__(self, name: str) -> Any:
        return None


def _asked_for(sizes: EngineSizes) -> list[KernelSource]:
    config, precision = sizes.config, sizes.precision
    device: Any = _NotedSources()
    nothing: Any = None  # in place of what only launches use
    Products(device, product_shapes(sizes), nothing, ProductScratch(nothing, nothing, nothing))
    no_workspace = np.empty(0, np.uint8)
    CublasLtGemm(nothing, device, precision, no_workspace, sizes.is_deterministic)
    RmsNormKernels(device, precision, config.hidden_size)
    Embedding(device, precision, config.hidden_size)
    room = expert_room(config, sizes.max_tokens)
    if room is not None:
        GroupedProducts(device, grouped_shapes(sizes, room.experts))
        Routing(device, room.experts)
    LogitCap(device, config.logit_softcap)
    heads = HeadShape(config.num_heads, config.num_kv_heads, config.head_dim)
    Rotary(device, precision, heads, sizes.kv_tiles, {})
    noted: list[KernelSource] = device.sources
    return noted
