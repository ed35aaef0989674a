"""KernelCompiler: each kernel source compiled once for one kind of GPU, and kept on disk.

The compiler takes seconds for all kernels of a model, so it runs on several threads ahead of their
first use. Knows no device.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from forge_worker.cuda.cubin_cache import CubinCache, cache_key
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.nvrtc import Compilation, Nvrtc
from forge_worker.cuda.program import read_program

logger = logging.getLogger(__name__)


class KernelCompiler:
    def __init__(self, nvrtc: Nvrtc, architecture: str, cache: CubinCache) -> None:
        self._nvrtc = nvrtc
        self._architecture = architecture
        self._cache = cache
        self._compiled: dict[KernelSource, Compilation] = {}

    def compile(self, source: KernelSource) -> Compilation:
        """From the cache where it is there. DeviceError where the compiler refuses it."""
        if source not in self._compiled:
            self._compiled[source] = self._load_or_compile(source)
        return self._compiled[source]

    def compile_ahead(self, sources: Iterable[KernelSource], num_threads: int) -> None:
        """Compile all of `sources` side by side, and log how long it took."""
        wanted = list(dict.fromkeys(sources))
        logger.info("compiling %d kernel files for %s", len(wanted), self._architecture)
        start_s = perf_counter()
        with ThreadPoolExecutor(num_threads) as pool:
            for _ in pool.map(self.compile, wanted):
                pass
        logger.info("kernels are ready after %.1f s", perf_counter() - start_s)

    def _load_or_compile(self, source: KernelSource) -> Compilation:
        program = read_program(source, self._architecture)
        key = cache_key(program, self._nvrtc.version)
        compilation = self._cache.load(key)
        if compilation is None:
            compilation = self._nvrtc.compile(program)
            self._cache.store(key, compilation)
        return compilation
