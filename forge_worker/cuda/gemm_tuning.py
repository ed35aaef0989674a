"""GemmTuner: measures which of the library's algorithms is quickest for each product of a model.

It runs at the start, on memory that is not in use yet, such as that of the KV blocks. Each product
is timed as a replayed graph, so that no launch from Python counts, over several copies of the
weight, so that none comes out of the L2 cache as it never will in a step. Tuning stops when its
time is up; products it did not come to keep the library's own first choice.

In deterministic mode it also holds the library to what that needs (see cublaslt.py): the same row,
at each of 128 places and beside any number of others, must get the same bits. The quickest
algorithm that passes is taken. This comes before the time: if none passes, that is an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from forge_common.checkpoint import ModelConfig
from forge_common.errors import DeviceError
from forge_worker.cuda.cublaslt import DETERMINISTIC_ROWS, CublasLtGemm, Product
from forge_worker.cuda.device import Device
from forge_worker.cuda.tuning_scratch import Operands, TuningScratch

MIN_RUN_S = 500e-6  # what is measured at once, against the clock's own noise
MAX_REPEATS = 50
CHECKED_ROWS = (1, 2, 3, 8, 16, 17, 32, 33, 63, 64, 65, 96, 127, DETERMINISTIC_ROWS)

Work = Callable[[], None]


class Timer(Protocol):
    def __call__(self, work: Work) -> float:
        """Seconds that the device takes for what `work` queues."""


class Kept(Protocol):
    """Algorithms of earlier runs."""

    def get(self, product: Product, row_class: int) -> bytes | None: ...

    def put(self, product: Product, row_class: int, algorithm: bytes) -> None: ...

    def save(self) -> None: ...


class Job(NamedTuple):
    product: Product
    row_class: int


class Report(NamedTuple):
    num_known: int  # from an earlier run
    num_measured: int
    num_left: int  # time or memory was short


def products_of(config: ModelConfig) -> list[Product]:
    """Every product that a model has on one GPU, as Products asks for them."""
    hidden, inner = config.hidden_size, config.intermediate_size
    attended = config.num_heads * config.head_dim
    joined = attended + 2 * config.num_kv_heads * config.head_dim
    gated = [
        _contiguous(2 * inner, hidden, False, config.has_mlp_bias),
        _contiguous(hidden, inner, True, config.has_mlp_bias),
    ]
    of_layers = [config.experts_of(layer) for layer in range(config.num_layers)]
    routers = dict.fromkeys(experts.num_experts for experts in of_layers if experts is not None)
    return [
        *(gated if None in of_layers else []),
        *(_contiguous(num_experts, hidden, True, False) for num_experts in routers),
        _contiguous(joined, hidden, False, config.has_qkv_bias),
        _contiguous(hidden, attended, True, config.has_attention_output_bias),
        _contiguous(config.vocab_size, hidden, True, False),
    ]


def _contiguous(num_features: int, size_k: int, is_out_float32: bool, has_bias: bool) -> Product:
    return Product(num_features, size_k, size_k, num_features, is_out_float32, has_bias)


class ReplayTimer:
    """Times a graph, the best of a few replays, by asking the device until it is done."""

    def __init__(
        self, device: Device, clock: Callable[[], float] = time.perf_counter, num_replays: int = 3
    ) -> None:
        self._device = device
        self._clock = clock
        self._num_replays = num_replays

    def __call__(self, work: Work) -> float:
        work()  # what a library loads at first use, it cannot while a stream is captured
        graph = self._device.capture(work)
        self._device.synchronize()

        def replay() -> float:
            start = self._clock()
            graph.launch()
            event = self._device.record()
            while not event.is_done():
                pass
            return self._clock() - start

        return min(replay() for _ in range(self._num_replays))


class GemmTuner:
    def __init__(self, gemm: CublasLtGemm, scratch: TuningScratch, timer: Timer) -> None:
        self._gemm = gemm
        self._scratch = scratch
        self._timer = timer

    def jobs(self, products: Iterable[Product], row_counts: Sequence[int]) -> list[Job]:
        """A job for each product and class of rows, in the order of `row_counts`."""
        classes = dict.fromkeys(self._gemm.row_class(count) for count in row_counts)
        shapes = dict.fromkeys(products)
        return [Job(product, row_class) for row_class in classes for product in shapes]

    def tune(self, jobs: Sequence[Job], kept: Kept, is_time_up: Callable[[], bool]) -> Report:
        """Choose algorithms for the products of the GEMM, and save what is new of them."""
        unknown = [job for job in jobs if not self._take_known(job, kept)]
        num_measured = 0
        for job in unknown:
            if is_time_up() and not self._gemm.is_deterministic:
                break
            num_measured += self._measure(job, kept)
        if num_measured:
            kept.save()
        return Report(len(jobs) - len(unknown), num_measured, len(unknown) - num_measured)

    def _take_known(self, job: Job, kept: Kept) -> bool:
        known = kept.get(*job)
        if known is None or not self._gemm.fits(*job, known):
            return False
        self._gemm.choose(*job, known)
        return True

    def _measure(self, job: Job, kept: Kept) -> bool:
        """False where there is too little memory to, or no algorithm."""
        operands, candidates = self._scratch.operands(*job), self._gemm.candidates(*job)
        if operands is None or not candidates:
            return False
        best = self._best(job, operands, candidates)
        self._gemm.choose(*job, best)
        kept.put(*job, best)
        return True

    def _best(self, job: Job, operands: Operands, candidates: Sequence[bytes]) -> bytes:
        seconds = self._time_all(job, operands, candidates)
        ranked = sorted(candidates, key=seconds.__getitem__)
        for algorithm in ranked:
            if not self._gemm.is_deterministic or self._has_equal_rows(job, operands, algorithm):
                return algorithm
        raise DeviceError(
            f"cublasLt has no algorithm whose rows are independent of each other for"
            f" {job.product.num_features} features of {job.product.size_k}: deterministic mode"
            " cannot be had on this GPU"
        )

    def _time_all(
        self, job: Job, operands: Operands, candidates: Sequence[bytes]
    ) -> dict[bytes, float]:
        seconds: dict[bytes, float] = {}
        num_repeats = 0
        for algorithm in candidates:
            self._gemm.choose(*job, algorithm)
            if not num_repeats:
                num_repeats = _repeats(self._time(operands, 1))
            seconds[algorithm] = self._time(operands, num_repeats)
        return seconds

    def _time(self, operands: Operands, num_repeats: int) -> float:
        return self._timer(lambda: self._run(operands, num_repeats))

    def _run(self, operands: Operands, num_repeats: int) -> None:
        x, out, bias, weights = operands
        for repeat in range(num_repeats):
            self._gemm(x, weights[repeat % len(weights)], out, bias, accumulate=False)

    def _has_equal_rows(self, job: Job, operands: Operands, algorithm: bytes) -> bool:
        """Whether one row gets the same bits wherever it stands, and however many there are."""
        x, out, bias, weights = operands
        self._gemm.choose(*job, algorithm)
        self._scratch.repeat_first_row(x)
        expected: bytes | None = None
        for num_rows in CHECKED_ROWS:
            self._gemm(x[:num_rows], weights[0], out[:num_rows], bias, accumulate=False)
            for row in self._scratch.rows(out[:num_rows]):
                expected = row.tobytes() if expected is None else expected
                if row.tobytes() != expected:
                    return False
        return True


def _repeats(seconds: float) -> int:
    return max(1, min(MAX_REPEATS, math.ceil(MIN_RUN_S / max(seconds, MIN_RUN_S / MAX_REPEATS))))
