"""Part `kernels`: each kernel of a Llama alone, as a share of what the card's ceilings allow.

Work of one kind takes turns, as graphs of many launches over memory that is in no cache. A share of
one or more is a cache's doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.sequence_mirror import Limits
from tests.bench.gpu.attention_work import AttentionOperands, single_cases, tile_cases
from tests.bench.gpu.engine import config_of
from tests.bench.gpu.models import Site
from tests.bench.gpu.operands import Case, Room, Store
from tests.bench.gpu.product_cases import ProductOperands, product_cases
from tests.bench.gpu.results import Result
from tests.bench.gpu.row_cases import gate_cases, norm_cases, rotary_cases, sampling_cases
from tests.bench.gpu.timing import Candidate, Effort, median_seconds

BLOCK_SIZE = 16


class KernelScale(NamedTuple):
    """Tests on emulated kernels measure less."""

    product_rows: tuple[int, ...] = (1, 4, 8, 16, 64, 256, 2048)
    batch_sizes: tuple[int, ...] = (1, 64, 256)
    context: int = 1024
    prompt_lens: tuple[int, ...] = (2048, 8192)
    row_counts: tuple[int, ...] = (64, 256, 2048)
    sampling_rows: int = 256
    room: Room = Room()
    effort: Effort = Effort()


Group = Callable[[Site, KernelScale, Store], Iterator[Case]]


def measure_kernels(site: Site, scale: KernelScale) -> Iterator[Result]:
    store = Store(site.machine.device, scale.room)
    for group in (_attention, _rows, _sampling, _products):
        yield from _measure_group(site, scale, store, group)


def _measure_group(site: Site, scale: KernelScale, store: Store, group: Group) -> Iterator[Result]:
    """Its arrays are gone when it is over."""
    cases = {f"{site.name} {case.name}": case for case in group(site, scale, store)}
    candidates = {
        name: Candidate(case.work, possible_s(site, case)) for name, case in cases.items()
    }
    seconds = median_seconds(site.machine, candidates, scale.effort)
    for name, case in cases.items():
        yield _result(name, seconds[name], case, site)


def possible_s(site: Site, case: Case) -> float:
    """The longer of moving its bytes and of calculating."""
    moving_s = case.num_bytes / site.ceilings.bytes_per_s
    return max(moving_s, case.num_flops / site.ceilings.flops_per_s)


def _result(name: str, seconds: float, case: Case, site: Site) -> Result:
    rates = [f"{case.num_bytes / seconds / 1e12:.3g} TB/s"]
    if case.num_flops:
        rates.append(f"{case.num_flops / seconds / 1e12:.3g} TFLOP/s")
    return Result(
        name=name,
        value=seconds * 1e6,
        unit="µs",
        share=possible_s(site, case) / seconds,
        note=", ".join(rates),
    )


def _sizes(site: Site, scale: KernelScale) -> EngineSizes:
    config = config_of(site.directory)
    limits = Limits(
        max_batch_size=max(scale.batch_sizes),
        max_model_len=max(scale.context, *scale.prompt_lens),
        block_size=BLOCK_SIZE,
        num_blocks=1,  # the cache of one layer is made apart
        vocab_size=config.vocab_size,
    )
    max_tokens = max(*scale.product_rows, limits.max_batch_size)
    return EngineSizes(config, Precision.BFLOAT16, limits, max_tokens, False)


def _attention(site: Site, scale: KernelScale, store: Store) -> Iterator[Case]:
    sizes = _sizes(site, scale)
    lengths = (scale.context, max(scale.prompt_lens))
    operands = AttentionOperands(store, sizes, lengths)
    yield from single_cases(operands, scale.batch_sizes)
    yield from tile_cases(operands, scale.prompt_lens)
    yield from rotary_cases(operands, sizes, scale.row_counts, store)


def _rows(site: Site, scale: KernelScale, store: Store) -> Iterator[Case]:
    config = config_of(site.directory)
    yield from norm_cases(store, config, scale.row_counts)
    yield from gate_cases(store, config, scale.row_counts)


def _sampling(site: Site, scale: KernelScale, store: Store) -> Iterator[Case]:
    vocab_size = config_of(site.directory).vocab_size
    yield from sampling_cases(store.device, scale.sampling_rows, vocab_size)


def _products(site: Site, scale: KernelScale, store: Store) -> Iterator[Case]:
    sizes, library = _sizes(site, scale), site.machine.library()
    operands = ProductOperands(store, library, sizes)
    yield from product_cases(operands, sizes.config, scale.product_rows)
