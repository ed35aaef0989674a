"""Forge and its peer take turns at the same work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.gpu.engine import EngineSettings
from tests.bench.gpu.llamas import write_llama
from tests.bench.gpu.models import Scale, Site
from tests.bench.gpu.peers import Missing, Pair, PeerScale, in_turn, measure_peers
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.torch_llama import TorchLlama
from tests.bench.test_gpu.emulated import TINY_LLAMA, EmulatedMachine

SETTINGS = EngineSettings(
    max_model_len=64, max_batch_size=2, max_prefill_tokens=32, num_blocks=64, noise_bytes=2**14
)
SCALE = PeerScale(
    SETTINGS, context=20, num_decode_steps=3, prefill_tokens=20, batch_size=2, batch_prompt=5,
    batch_output=3, rounds=2, batching_rounds=1,
)  # fmt: skip


class SlowPeer:
    """Takes a thousand seconds for everything, and notes what it is asked."""

    versions = "slow 1.0"
    has_flash_attention = False

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[int]]] = []
        self.is_closed = False

    def decode_step_s(self, prompt_token_ids: list[int], num_tokens: int) -> float:
        self.asked.append(("decode", [len(prompt_token_ids), num_tokens]))
        return 1000.0

    def forward_s(self, prompt_token_ids: list[int]) -> float:
        self.asked.append(("forward", [len(prompt_token_ids)]))
        return 1000.0

    def batching_s(self, prompts: list[list[int]], num_tokens: int) -> float:
        self.asked.append(("batching", [len(prompt) for prompt in prompts] + [num_tokens]))
        return 1000.0

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_llama(tmp_path, TINY_LLAMA)
    return Site(EmulatedMachine(), Ceilings(1e9, 1e12), "tiny", tmp_path, Scale(SETTINGS, []))


def test_both_are_asked_for_the_same(site: Site) -> None:
    peer = SlowPeer()
    results = list(measure_peers(site, SCALE, lambda directory, device: peer))
    assert peer.asked == [
        *[("decode", [19, 3])] * 3,
        *[("forward", [20])] * 3,
        *[("batching", [5, 5, 3])] * 2,
    ]
    assert peer.is_closed
    assert all(result.value > 1 and result.reached == "goal" for result in results)


def test_a_handicap_is_said_beside_the_number(site: Site) -> None:
    *_, batching = measure_peers(site, SCALE, lambda directory, device: SlowPeer())
    assert "handicapped" in batching.note


def test_no_handicap_is_said_where_there_is_none(site: Site) -> None:
    peer = SlowPeer()
    peer.has_flash_attention = True
    *_, batching = measure_peers(site, SCALE, lambda directory, device: peer)
    assert "handicapped" not in batching.note


def test_the_first_run_of_each_does_not_count() -> None:
    pair = Pair(lambda number: [90.0, 1.0, 2.0, 3.0][number], lambda number: [0.0, 7, 8, 9][number])
    assert in_turn(pair, 3) == (2.0, 8.0)


def test_absent_torch_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Missing, match="torch and transformers are not both there"):
        TorchLlama(tmp_path)
