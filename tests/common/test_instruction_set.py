from __future__ import annotations

import pytest

from forge_common.errors import ConfigError
from forge_common.instruction_set import REQUIRED, choose_instruction_set, host_features


def test_auto_takes_the_best_that_all_needed_features_are_there_for() -> None:
    everything = frozenset().union(*REQUIRED.values())
    best = choose_instruction_set("auto", everything)
    without_bf16 = choose_instruction_set("auto", everything - {"avx512bf16"})
    without_vnni = choose_instruction_set("auto", everything - {"avx512vnni"})
    without_avx512 = choose_instruction_set("auto", everything - {"avx512f"})
    chosen = [best, without_bf16, without_vnni, without_avx512]
    names = [None if one is None else one.name for one in chosen]
    assert names == ["avx512-bf16", "avx512-vnni", "avx512", "avx2"]


def test_auto_leaves_an_old_processor_to_numpy() -> None:
    assert choose_instruction_set("auto", frozenset({"avx", "sse4.2"})) is None


def test_numpy_is_taken_where_it_is_asked_for() -> None:
    assert choose_instruction_set("numpy", host_features()) is None


def test_instructions_that_the_host_lacks_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"--cpu-kernels avx512: .* no avx512f"):
        choose_instruction_set("avx512", REQUIRED["avx512"] - {"avx512f"})


def test_less_than_the_host_has_may_be_asked_for() -> None:
    features = REQUIRED["avx512-bf16"] | REQUIRED["avx2"]
    chosen = choose_instruction_set("avx2", features)
    assert chosen is not None
    assert (chosen.name, chosen.int8_dot, chosen.has_bf16_dot) == ("avx2", "widened", False)


def test_avx2_uses_byte_products_where_it_has_them() -> None:
    chosen = choose_instruction_set("avx2", REQUIRED["avx2"] | {"avxvnni"})
    assert chosen is not None
    assert chosen.int8_dot == "vnni-256"
