"""The compiler leaves a step's loads where they overlap, in every form of the products of few rows.

Left alone it moves each load to the product that uses it, which saves registers and makes every
load wait for memory on its own. Then there is no room for a whole step, which is how it shows.
"""

from __future__ import annotations

import pytest

from forge_worker.cuda.device import KernelSource
from tests.worker.cuda.compile_gate import ARCHITECTURES, Compiled, Job, compile_all

CONSTANTS = (("ELEMENT", "Bf16"), ("ACTIVATION", "silu"))
SOURCE = KernelSource("skinny.cu", CONSTANTS)
OF_EXPERTS = KernelSource("grouped_skinny.cu", CONSTANTS)
FORMS = {"gated": "wide", "down": "narrow"}  # of experts
REGISTERS_PER_VECTOR = 4
WEIGHT_VECTORS = 8  # of a step, in every form
X_VECTORS = {"deep": 4, "narrow": 4, "wide": 2}  # for a tile of 8 rows
REGISTERS_PER_THREE_BLOCKS = 80  # of 256 threads, on one multiprocessor; given out in eights


@pytest.fixture(scope="module")
def compiled() -> list[Compiled]:
    return compile_all(Job(SOURCE, architecture) for architecture in ARCHITECTURES)


def test_a_whole_step_is_in_registers(compiled: list[Compiled]) -> None:
    for one in compiled:
        *_, form, max_rows = one.usage.name.split("_")
        num_vectors = WEIGHT_VECTORS + X_VECTORS[form] * int(max_rows) // 8
        assert one.usage.num_registers > REGISTERS_PER_VECTOR * num_vectors, one.usage


def test_three_blocks_of_few_rows_share_a_hopper(compiled: list[Compiled]) -> None:
    """Two with the norm: x is worked on while W is on its way, which takes registers."""
    for one in compiled:
        name = one.usage.name
        is_plain = not name.startswith("norm_")
        if one.architecture == "sm_90" and is_plain and name.endswith(("narrow_8", "wide_8")):
            assert one.usage.num_registers <= REGISTERS_PER_THREE_BLOCKS, one.usage


def test_products_with_experts_keep_a_whole_step_and_three_blocks_too() -> None:
    for one in compile_all(Job(OF_EXPERTS, architecture) for architecture in ARCHITECTURES):
        work, _, max_rows = one.usage.name.split("_")
        num_vectors = WEIGHT_VECTORS + X_VECTORS[FORMS[work]] * int(max_rows) // 8
        assert one.usage.num_registers > REGISTERS_PER_VECTOR * num_vectors, one.usage
        if one.architecture == "sm_90" and max_rows == "8":
            assert one.usage.num_registers <= REGISTERS_PER_THREE_BLOCKS, one.usage
