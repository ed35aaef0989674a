"""The arithmetic of the roofline, against what was worked out by hand for two Llamas."""

from __future__ import annotations

import pytest

from tests.bench.gpu.llamas import LLAMAS, write_llama
from tests.bench.gpu.nano_vllm import requests
from tests.bench.gpu.roofline import (
    Ceilings,
    Counts,
    Lengths,
    counts_of,
    decode_s,
    prefill_s,
    serving_s,
)

# Such as a card of 2024 has.
CEILINGS = Ceilings(bytes_per_s=4.3e12, flops_per_s=790e12)


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counts]:
    folder = tmp_path_factory.mktemp("llamas")
    return {name: counts_of(write_llama(folder / name, LLAMAS[name])) for name in LLAMAS}


@pytest.mark.parametrize(("name", "weights_gb", "kv_kib"), [("1B", 2.47, 32), ("8B", 15.01, 128)])
def test_bytes_of_a_step(
    counts: dict[str, Counts], name: str, weights_gb: float, kv_kib: int
) -> None:
    num_weights = counts[name].layer_weights + counts[name].head_weights
    assert 2 * num_weights / 1e9 == pytest.approx(weights_gb, abs=0.005)
    assert counts[name].kv_bytes_per_token == kv_kib * 1024


@pytest.mark.parametrize(
    ("name", "num_sequences", "step_ms"),
    [
        ("1B", 1, 0.58),
        ("1B", 64, 1.07),
        ("1B", 256, 2.80),  # bound by operations
        ("8B", 1, 3.52),
        ("8B", 64, 5.49),
        ("8B", 256, 12.85),
    ],
)
def test_decode_step_with_a_context_of_1024(
    counts: dict[str, Counts], name: str, num_sequences: int, step_ms: float
) -> None:
    seconds = decode_s(counts[name], CEILINGS, num_sequences, 1024 * num_sequences)
    assert seconds * 1e3 == pytest.approx(step_ms, abs=0.006)


@pytest.mark.parametrize(
    ("name", "num_tokens", "tokens_per_s"),
    [
        ("1B", 512, 399e3),
        ("1B", 2048, 380e3),
        ("1B", 8192, 318e3),
        ("1B", 32768, 193e3),
        ("8B", 512, 56.1e3),
        ("8B", 2048, 54.5e3),
        ("8B", 8192, 49.1e3),
        ("8B", 32768, 35.0e3),
    ],
)
def test_prefill(
    counts: dict[str, Counts], name: str, num_tokens: int, tokens_per_s: float
) -> None:
    seconds = prefill_s(counts[name], CEILINGS, num_tokens)
    assert num_tokens / seconds == pytest.approx(tokens_per_s, rel=0.002)


@pytest.mark.parametrize(("name", "seconds"), [("1B", 1.91), ("8B", 10.08)])
def test_serving_all_of_a_benchmark(counts: dict[str, Counts], name: str, seconds: float) -> None:
    lengths = [Lengths(len(prompt), output) for prompt, output in requests()]
    assert serving_s(counts[name], CEILINGS, lengths) == pytest.approx(seconds, abs=0.01)
