"""Every kernel of the models people run compiles for three generations of GPUs, without a GPU.

None keeps anything in local memory, which is device memory, and none takes more registers than lets
as many of its blocks be at work at once as it was written for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from forge_common.checkpoint.model_config import Experts
from forge_common.device_blocks import GROUP_BYTES, KeptBlocks
from forge_common.kv_format import DeviceKVName
from forge_worker.cuda.instances import kernel_sources
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.program import KERNELS
from tests.worker.cuda.compile_gate import ARCHITECTURES, Compiled, Job, compile_all
from tests.worker.cuda.expert_cases import experts_of
from tests.worker.cuda.model_shapes import (
    GROUPS_OF_16,
    LLAMA_1B,
    LLAMA_2_7B,
    LLAMA_8B,
    QWEN_HALF_B,
    WITH_80,
    WITH_96,
    WITH_256,
    ModelShape,
    sizes_of,
)

HOPPER = ("sm_90",)
INSTANCES: tuple[tuple[Precision, tuple[str, ...], tuple[ModelShape, ...]], ...] = (
    (Precision.BFLOAT16, ARCHITECTURES, (LLAMA_8B, LLAMA_1B, WITH_256, GROUPS_OF_16)),
    (Precision.BFLOAT16, HOPPER, (LLAMA_2_7B, QWEN_HALF_B, WITH_80, WITH_96)),
    (Precision.FLOAT16, HOPPER, (LLAMA_8B, WITH_256)),
    (Precision.FLOAT32, HOPPER, (LLAMA_1B, WITH_256)),
)
BYTE_FORMATS: tuple[DeviceKVName, ...] = ("int8", "fp8")
KV_INSTANCES: tuple[tuple[Precision, tuple[str, ...], tuple[ModelShape, ...]], ...] = (
    (Precision.BFLOAT16, ARCHITECTURES, (LLAMA_8B, LLAMA_1B, WITH_256, GROUPS_OF_16)),
    (Precision.BFLOAT16, HOPPER, (QWEN_HALF_B, WITH_80)),
    (Precision.FLOAT16, HOPPER, (LLAMA_8B,)),
    (Precision.FLOAT32, HOPPER, (LLAMA_1B,)),
)
WITH_EXPERTS = (
    (Precision.BFLOAT16, ARCHITECTURES),
    (Precision.FLOAT16, HOPPER),
    (Precision.FLOAT32, HOPPER),
)
MIXTRAL = experts_of(8, 2, 14336)
QWEN_MOE = experts_of(128, 8, 768)
BLOCKS = KeptBlocks(tuple(GROUP_BYTES))
RUNS = KeptBlocks(("I4_128", "E4M3_128"))
ODD_BLOCK_SIZE = 1000  # no power of two: a slot's block is found by a division

# A multiprocessor has 65536 registers. By how the names of kernels begin; the first that fits.
MAX_REGISTERS = {
    "attention_tile": 255,  # a block of 256 threads, or two of 128
    "attention_scalar": 128,  # four blocks of 128
    "add_deep": 128,  # one block of 512, as all deep ones
    "linear_deep": 128,
    "norm_linear_deep": 128,
    "add_narrow": 128,  # two blocks of 256, as all narrow and wide ones
    "linear_narrow": 128,
    "norm_linear_narrow": 128,
    "gated_wide": 128,
    "norm_gated_wide": 128,
    "logits_wide": 128,
    "gated_of": 128,  # two blocks of 256, as all grouped products
    "down_of": 128,
    "narrow_rows": 64,  # one block of 1024
    "score_rows": 64,
    "norm_all_rotate": 64,  # four of 256: a block has all loads of a token in flight
    "": 48,  # two thirds of all threads there can be: what only moves bytes must hide latencies
}
USUAL_HEAD_DIM, USUAL_GROUP = 128, 8
SINGLE_REGISTERS = 168  # three blocks of 128 threads
WIDE_SINGLE_REGISTERS = 255  # two: it holds the sums of more heads, or of wider ones
WIDE_BLOCKS_REGISTERS = 255  # one block of 256: weights in blocks, widened where they are
MAX_STATIC_SHARED_BYTES = 48 * 1024  # more, no compiler takes


def jobs() -> Iterator[Job]:
    for precision, architectures, shapes in INSTANCES:
        for shape in shapes:
            for source in kernel_sources(sizes_of(shape, precision)):
                yield from (Job(source, architecture) for architecture in architectures)
    odd = sizes_of(LLAMA_1B, Precision.BFLOAT16, block_size=ODD_BLOCK_SIZE)
    for sizes in (odd, capped(sizes_of(WITH_256, Precision.BFLOAT16))):
        yield from (Job(source, HOPPER[0]) for source in kernel_sources(sizes))
    yield from jobs_of_bytes()
    for blocks, architectures in ((BLOCKS, HOPPER), (RUNS, ARCHITECTURES)):
        in_blocks = sizes_of(LLAMA_8B, Precision.BFLOAT16)._replace(blocks=blocks)
        for source in kernel_sources(in_blocks):
            yield from (Job(source, architecture) for architecture in architectures)
    for precision, architectures in WITH_EXPERTS:
        for experts in (MIXTRAL, QWEN_MOE):
            for source in kernel_sources(with_experts(sizes_of(LLAMA_8B, precision), experts)):
                yield from (Job(source, architecture) for architecture in architectures)


def jobs_of_bytes() -> Iterator[Job]:
    """Of caches that keep keys and values in bytes."""
    for kv in BYTE_FORMATS:
        for precision, architectures, shapes in KV_INSTANCES:
            for shape in shapes:
                for source in kernel_sources(sizes_of(shape, precision)._replace(kv=kv)):
                    yield from (Job(source, architecture) for architecture in architectures)


def with_experts(sizes: EngineSizes, experts: Experts) -> EngineSizes:
    return sizes._replace(config=replace(sizes.config, layer_experts=(experts,)))


def capped(sizes: EngineSizes) -> EngineSizes:
    """As Gemma 2 bends scores and logits."""
    config = replace(sizes.config, attention_softcap=50.0, logit_softcap=30.0)
    return sizes._replace(config=config)


def max_registers(one: Compiled) -> int:
    name, constants = one.usage.name, dict(one.source.constants)
    if name == "attention_single":
        is_usual = constants["HEAD_DIM"] <= USUAL_HEAD_DIM and constants["HEADS"] <= USUAL_GROUP
        return SINGLE_REGISTERS if is_usual else WIDE_SINGLE_REGISTERS
    if "BLOCKS" in constants and "_wide_" in name:
        return WIDE_BLOCKS_REGISTERS
    return next(limit for start, limit in MAX_REGISTERS.items() if name.startswith(start))


@pytest.fixture(scope="module")
def compiled() -> list[Compiled]:
    return compile_all(jobs())


def test_every_kernel_file_is_compiled(compiled: list[Compiled]) -> None:
    assert {one.source.file for one in compiled} == {path.name for path in KERNELS.glob("*.cu")}


def test_nothing_lies_in_local_memory(compiled: list[Compiled]) -> None:
    usages = [one.usage for one in compiled]
    assert [
        one
        for one, usage in zip(compiled, usages, strict=True)
        if usage.stack_bytes or usage.spill_store_bytes or usage.spill_load_bytes
    ] == []


def test_registers_leave_room_for_enough_blocks(compiled: list[Compiled]) -> None:
    assert [one for one in compiled if one.usage.num_registers > max_registers(one)] == []


def test_shared_memory_is_what_every_gpu_has(compiled: list[Compiled]) -> None:
    assert max(one.usage.static_shared_bytes for one in compiled) <= MAX_STATIC_SHARED_BYTES
