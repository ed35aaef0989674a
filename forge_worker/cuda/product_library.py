"""ProductLibrary: matrix products of a device, made ready for one model.

cublasLt is the real one: it is opened before memory is planned, since it takes some, and measures
its algorithms on memory that is not in use yet. Knows no layer.
"""

from __future__ import annotations

import logging
from pathlib import Path
from time import perf_counter
from typing import Protocol

from forge_worker.cuda.cublaslt import CublasLtGemm
from forge_worker.cuda.cublaslt_library import CublasLt
from forge_worker.cuda.cupy_device import CupyDevice
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.gemm_tuning import GemmTuner, ReplayTimer, products_of
from forge_worker.cuda.graphs import buckets, draft_buckets
from forge_worker.cuda.instances import kernel_sources
from forge_worker.cuda.kept_algorithms import KeptAlgorithms, TunedFor
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.skinny import MAX_ROWS
from forge_worker.cuda.tuning_scratch import TuningScratch
from forge_worker.ops.protocol import Array

COMPILER_THREADS = 8
TUNING_SECONDS = 6.0  # at the first start with a model; what was found is kept

logger = logging.getLogger(__name__)


class ProductLibrary(Protocol):
    def compile_ahead(self, sizes: EngineSizes) -> None:
        """Compile every kernel of a model, before the first is asked for."""

    def gemm(self, sizes: EngineSizes, workspace: Array) -> Gemm:
        """`workspace`: uint8 [GEMM_WORKSPACE_BYTES], its own from now on."""

    def prepare(self, sizes: EngineSizes, scratch: Array) -> None:
        """Measure what is to be measured; `scratch`: uint8 that nobody uses yet."""


class CublasLtLibrary:
    def __init__(self, device: CupyDevice, folder: Path) -> None:
        self._device = device
        self._folder = folder
        self._library = CublasLt(open_library("cublasLt", device.library_majors))

    def compile_ahead(self, sizes: EngineSizes) -> None:
        self._device.compile_ahead(kernel_sources(sizes), COMPILER_THREADS)

    def gemm(self, sizes: EngineSizes, workspace: Array) -> Gemm:
        self._gemm = CublasLtGemm(
            self._library, self._device, sizes.precision, workspace, sizes.is_deterministic
        )
        return self._gemm

    def prepare(self, sizes: EngineSizes, scratch: Array) -> None:
        started = perf_counter()
        tuner = GemmTuner(
            self._gemm,
            TuningScratch(self._device, sizes.precision, scratch),
            ReplayTimer(self._device),
        )
        jobs = tuner.jobs(products_of(sizes.config), row_counts(sizes))
        report = tuner.tune(
            jobs, self._kept(sizes), lambda: perf_counter() - started > TUNING_SECONDS
        )
        logger.info(
            "products: %d known, %d measured in %.1f s, %d left to the library's choice",
            report.num_known,
            report.num_measured,
            perf_counter() - started,
            report.num_left,
        )

    def _kept(self, sizes: EngineSizes) -> KeptAlgorithms:
        tuned_for = TunedFor(
            self._device.info.name,
            self._library.version,
            sizes.precision.value,
            sizes.is_deterministic,
        )
        return KeptAlgorithms(self._folder, tuned_for)


def row_counts(sizes: EngineSizes) -> list[int]:
    """How many rows products are worth measuring for: the graphs' first, then whole chunks."""
    limits = sizes.limits
    graphs = {*buckets(limits.max_batch_size), *draft_buckets(limits.max_sampled_rows)}
    widths = [width for width in sorted(graphs) if width > MAX_ROWS]
    chunks = [sizes.max_tokens >> shift for shift in range(4)]
    return list(dict.fromkeys([*widths, *(size for size in chunks if size > MAX_ROWS)]))
