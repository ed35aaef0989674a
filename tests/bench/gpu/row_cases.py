"""Kernels that take a row at a time: norm, rotation with the write of K and V, gate, sampling.

Rows are other ones at each call, as far as memory allows. Of sampling one reading of the logits is
counted, the least there is, whatever a request asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.sampling import SamplingParams
from forge_worker.cuda.activation import GatedActivation
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.rotary import HeadShape, Rotary, rotation_table
from forge_worker.cuda.sampler import Drawing
from forge_worker.sampler.sampler import Wanted
from forge_worker.sampler.table import History
from tests.bench.gpu.attention_work import AttentionOperands
from tests.bench.gpu.operands import Case, Store, counted
from tests.bench.gpu.product_cases import EPS
from tests.worker.cuda.arrays import on_device
from tests.worker.cuda.both_samplers import OnDevice, limits_of

PRECISION = Precision.BFLOAT16
HALF, WIDE = PRECISION.element_bytes, 4
LOGIT_DEVIATION = 3.0  # about as peaked as a model's

SAMPLING: Mapping[str, SamplingParams] = MappingProxyType(
    {
        "greedy": SamplingParams(max_tokens=9, seed=1, temperature=0.0),
        "temperature 0.6": SamplingParams(max_tokens=9, seed=1, temperature=0.6),
        "temperature 0.8, top-p 0.95, top-k 50": SamplingParams(
            max_tokens=9, seed=1, temperature=0.8, top_p=0.95, top_k=50
        ),
        "temperature 0.8, top-p 0.95": SamplingParams(
            max_tokens=9, seed=1, temperature=0.8, top_p=0.95
        ),
    }
)


def norm_cases(store: Store, config: ModelConfig, row_counts: Sequence[int]) -> Iterator[Case]:
    hidden = config.hidden_size
    norm = RmsNormKernels(store.device, PRECISION, hidden)
    residual = store.pool(Precision.FLOAT32, max(row_counts) * hidden)
    narrow = store.pool(PRECISION, max(row_counts) * hidden)
    weight = store.array(Precision.FLOAT32, (hidden,))
    for num_rows in row_counts:
        shape = (num_rows, hidden)

        def work(number: int, shape: tuple[int, int] = shape) -> None:
            out = narrow.array(shape, number)
            norm.norm(residual.array(shape, number), weight, EPS, out)

        yield Case(f"norm, {counted(num_rows)}", work, num_rows * hidden * (WIDE + HALF))


def gate_cases(store: Store, config: ModelConfig, row_counts: Sequence[int]) -> Iterator[Case]:
    inner = config.intermediate_size
    activation = GatedActivation(store.device, PRECISION, inner, config.activation)
    wide = store.pool(PRECISION, max(row_counts) * 2 * inner)
    narrow = store.pool(PRECISION, max(row_counts) * inner)
    for num_rows in row_counts:

        def work(number: int, num_rows: int = num_rows) -> None:
            gate_up = wide.array((num_rows, 2 * inner), number)
            activation(gate_up, narrow.array((num_rows, inner), number))

        yield Case(f"gate, {counted(num_rows)}", work, 3 * num_rows * inner * HALF)


def rotary_cases(
    operands: AttentionOperands, sizes: EngineSizes, row_counts: Sequence[int], store: Store
) -> Iterator[Case]:
    """`row_counts` no more than the longest prompt of `operands`."""
    config, device = sizes.config, operands.device
    heads = HeadShape(config.num_heads, config.num_kv_heads, config.head_dim)
    rope = config.ropes[0]
    table = on_device(device, rotation_table(rope, config.head_dim, operands.longest))
    rotary = Rotary(device, PRECISION, heads, sizes.kv_tiles, {rope: table})
    width = heads.heads_per_token * heads.head_dim
    qkv = store.pool(PRECISION, max(row_counts) * width)
    for num_rows in row_counts:
        step = operands.prompt_step(num_rows)

        def work(number: int, num_rows: int = num_rows, step: DeviceStep = step) -> None:
            rotary(qkv.array((num_rows, width), number), None, rope, step, operands.kv_layer)

        read_and_written = 2 * width * HALF
        yield Case(
            f"rotate and store, {counted(num_rows)}",
            work,
            num_rows * (read_and_written + WIDE * heads.head_dim),
        )


def sampling_cases(device: Device, num_rows: int, vocab_size: int) -> Iterator[Case]:
    random = np.random.default_rng(0)
    logits = random.standard_normal((num_rows, vocab_size), np.float32)
    logits *= np.float32(LOGIT_DEVIATION)
    for name, params in SAMPLING.items():
        held = OnDevice(device, limits_of(num_rows, vocab_size))
        for row in range(num_rows):
            held.set(row, params, row, History([1, 2, 3], []))
        held.flush()
        wanted = Wanted(np.arange(num_rows, dtype=np.int32), np.full(num_rows, 3, np.int32))
        drawing = held.drawing(logits, wanted)

        def work(number: int, held: OnDevice = held, drawing: Drawing = drawing) -> None:
            held.sampler.sample(drawing)

        yield Case(f"sampling {num_rows} × {vocab_size:,}, {name}", work, logits.nbytes)
