"""Parts `torch-1B` and `torch-8B`: torch on the same card, in turns with Forge.

Without flash-attention, continuous batching of transformers gathers keys and values of all
sequences and masks what is not a query's own. It does much more than it would need to, and the
table says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple, Protocol

from tests.bench.gpu import goals
from tests.bench.gpu.engine import Engine, EngineSettings
from tests.bench.gpu.models import Site
from tests.bench.gpu.nano_vllm import Request
from tests.bench.gpu.results import Goal, Result
from tests.bench.gpu.steps import decode_times, prefill_s, prompts, serving_times
from tests.bench.gpu.torch_llama import DEVICE, Missing, TorchLlama

__all__ = ["Missing", "PeerScale", "measure_peers"]

HANDICAPPED = "handicapped: without flash-attention it gathers K and V, and masks"


class PeerScale(NamedTuple):
    settings: EngineSettings
    context: int = 1024
    num_decode_steps: int = 48
    prefill_tokens: int = 2048
    batch_size: int = 32
    batch_prompt: int = 512
    batch_output: int = 128
    rounds: int = 5
    batching_rounds: int = 2
    device: str = DEVICE


class Peer(Protocol):
    """As TorchLlama."""

    @property
    def versions(self) -> str: ...

    @property
    def has_flash_attention(self) -> bool: ...

    def decode_step_s(self, prompt_token_ids: list[int], num_tokens: int) -> float: ...

    def forward_s(self, prompt_token_ids: list[int]) -> float: ...

    def batching_s(self, prompts: list[list[int]], num_tokens: int) -> float: ...

    def close(self) -> None: ...


class Pair(NamedTuple):
    """The same work by both: seconds of one run, from a number that is another one each time."""

    ours: Callable[[int], float]
    theirs: Callable[[int], float]


class Seconds(NamedTuple):
    ours: float
    theirs: float


def measure_peers(
    site: Site, scale: PeerScale, make_peer: Callable[..., Peer] = TorchLlama
) -> Iterator[Result]:
    """Missing, before anything is loaded, where there is no torch to be beside."""
    peer = make_peer(site.directory, scale.device)
    engine = site.engine(scale.settings)
    engine.record_graphs()
    yield _result(
        f"{site.name} decode, batch 1, against compiled generate",
        in_turn(_decode(engine, peer, scale), scale.rounds),
        goals.AGAINST_GENERATE,
        peer.versions,
    )
    yield _result(
        f"{site.name} prefill of {scale.prefill_tokens} tokens, against a forward",
        in_turn(_prefill(engine, peer, scale), scale.rounds),
        goals.AGAINST_FORWARD,
        peer.versions,
    )
    try:  # the last, since torch's model is good for nothing else afterwards
        seconds = in_turn(_batching(engine, peer, scale), scale.batching_rounds)
        yield _result(
            f"{site.name} batch {scale.batch_size}, against continuous batching",
            seconds,
            goals.AGAINST_BATCHING,
            peer.versions if peer.has_flash_attention else HANDICAPPED,
        )
    finally:
        peer.close()


def in_turn(pair: Pair, rounds: int) -> Seconds:
    """The median of each; the first run of both compiles and records, and does not count."""
    samples = [Seconds(pair.ours(number), pair.theirs(number)) for number in range(1 + rounds)][1:]
    ours, theirs = zip(*samples, strict=True)
    return Seconds(median(ours), median(theirs))


def _decode(engine: Engine, peer: Peer, scale: PeerScale) -> Pair:
    """Contexts are as long in the middle of both."""
    num_steps = scale.num_decode_steps

    def theirs(number: int) -> float:
        (prompt,) = prompts(engine, 1, scale.context - num_steps // 2, number)
        return peer.decode_step_s(prompt, num_steps)

    return Pair(
        lambda number: decode_times(engine, 1, scale.context, num_steps, number).step_s, theirs
    )


def _prefill(engine: Engine, peer: Peer, scale: PeerScale) -> Pair:
    def theirs(number: int) -> float:
        (prompt,) = prompts(engine, 1, scale.prefill_tokens, number)
        return peer.forward_s(prompt)

    return Pair(lambda number: prefill_s(engine, scale.prefill_tokens, number), theirs)


def _batching(engine: Engine, peer: Peer, scale: PeerScale) -> Pair:
    def drawn(number: int) -> list[list[int]]:
        return prompts(engine, scale.batch_size, scale.batch_prompt, number)

    def ours(number: int) -> float:
        requests = [Request(prompt, scale.batch_output) for prompt in drawn(number)]
        return serving_times(engine, requests).seconds

    return Pair(ours, lambda number: peer.batching_s(drawn(number), scale.batch_output))


def _result(name: str, seconds: Seconds, goal: Goal, note: str) -> Result:
    times = f"{seconds.ours * 1e3:.2f} ms, torch {seconds.theirs * 1e3:.2f} ms"
    return Result(
        name=name,
        value=seconds.theirs / seconds.ours,
        unit="times as fast",
        goal=goal,
        note=f"{times}; {note}",
    )
