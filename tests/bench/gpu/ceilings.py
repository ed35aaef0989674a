"""Part `ceilings`: how fast this card copies, and how fast it multiplies random numbers.

All shares in the table are of these two. A copy counts the bytes read and the bytes written; the
product is 8192 rows of 8192 by as many features, in bfloat16, by cublasLt with its algorithm chosen
by measurement, the product of zeros being quicker on some cards.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from forge_common.device_workspace import GEMM_WORKSPACE_BYTES
from forge_worker.cuda.cublaslt import Product
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array
from tests.bench.gpu.bench_device import NOISE_BYTES, Noise
from tests.bench.gpu.machine import Machine, clocks
from tests.bench.gpu.results import Result
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.timing import Candidate, Effort, Work, median_seconds

COPY = "copy"
PRODUCT = "product"
LAUNCHES_AT_ONCE = 20
TUNING_BYTES = 2 * 2**30
EXPECTED = Ceilings(3e12, 800e12)  # only to choose how often to repeat


class CeilingScale(NamedTuple):
    copy_bytes: int = 4 * 2**30
    size: int = 8192
    noise_bytes: int = NOISE_BYTES
    tuning_bytes: int = TUNING_BYTES
    effort: Effort = Effort(min_run_s=20e-3)


def measure_ceilings(machine: Machine, scale: CeilingScale) -> Iterator[Result]:
    copied_bytes = 2 * scale.copy_bytes
    num_flops = 2 * scale.size**3
    candidates = {
        COPY: Candidate(_copy(machine, scale), copied_bytes / EXPECTED.bytes_per_s),
        PRODUCT: Candidate(_product(machine, scale), num_flops / EXPECTED.flops_per_s),
    }
    seconds = median_seconds(machine, candidates, scale.effort)
    clocks_then = clocks_under(machine, candidates[PRODUCT].work)
    yield Result(
        name=COPY,
        value=copied_bytes / seconds[COPY] / 1e12,
        unit="TB/s",
        note=f"read and written, {scale.copy_bytes / 1e9:.1f} GB each",
    )
    yield Result(
        name=PRODUCT,
        value=num_flops / seconds[PRODUCT] / 1e12,
        unit="TFLOP/s",
        note=f"{scale.size}³ in bfloat16, random numbers; then {clocks_then or 'clocks unknown'}",
    )


def clocks_under(machine: Machine, work: Work) -> str:
    """The card's clocks while it is at work, as its driver's tool says them."""
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(clocks)
        while not asked.done():
            for number in range(LAUNCHES_AT_ONCE):
                work(number)
            machine.device.synchronize()
    return asked.result()


def ceilings_of(results: list[Result]) -> Ceilings:
    """KeyError where one is not among them."""
    values = {result.name: result.value for result in results}
    return Ceilings(values[COPY] * 1e12, values[PRODUCT] * 1e12)


def _copy(machine: Machine, scale: CeilingScale) -> Work:
    target, source = (machine.device.allocate(scale.copy_bytes) for _ in range(2))
    noise = Noise(machine.device, Precision.BFLOAT16, scale.noise_bytes)
    noise.fill(source.view(noise.dtype))
    return lambda number: machine.copy(target, source)


def _product(machine: Machine, scale: CeilingScale) -> Work:
    size = scale.size
    noise = Noise(machine.device, Precision.BFLOAT16, scale.noise_bytes)

    def matrix() -> Array:
        array = machine.device.allocate(size * size * noise.dtype.itemsize).view(noise.dtype)
        noise.fill(array)
        return array.reshape(size, size)

    x, weight, out = (matrix() for _ in range(3))
    scratch = machine.device.allocate(GEMM_WORKSPACE_BYTES + scale.tuning_bytes)
    product = Product(size, size, size, size, False, False)
    gemm = machine.tuned_gemm(product, [size], scratch)
    return lambda number: gemm(x, weight, out, accumulate=False)
