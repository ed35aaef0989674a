"""A sequence whose grammar takes its time runs its last token again, and loses nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_common.errors import WorkerError
from forge_common.grammar.program import Literals, Program
from forge_common.protocol.api_scheduler import Submit
from forge_common.protocol.scheduler_worker import BatchOutput, SampledSequence
from tests.builders import make_submit
from tests.scheduler.engine import Engine

GRAMMAR = msgspec.msgpack.encode(Program((Literals((b"a",)),)))


def submits() -> list[Submit]:
    return [
        make_submit(
            f"r{index}",
            [*range(9), *[index] * (index % 4)],
            max_tokens=12,
            seed=index,
            num_choices=1 + index % 2,
            grammar=GRAMMAR if index % 3 else None,
        )
        for index in range(9)
    ]


def finished(num_delays: int, **options: Any) -> Engine:
    engine = Engine(**options)
    engine.worker.num_delays = num_delays
    engine.submit(*submits()).run()
    return engine


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"num_blocks": 256}, id="batched"),
        pytest.param({"num_blocks": 256, "max_prefill_tokens": 5}, id="chunked"),
        pytest.param({"num_blocks": 24, "block_size": 2}, id="preempted"),
        pytest.param({"num_blocks": 256, "max_draft_tokens": 7}, id="drafted"),
    ],
)
def test_delayed_sequences_give_the_tokens_they_would_have_given(options: dict[str, Any]) -> None:
    expected = finished(0, num_blocks=256)
    found = finished(3, **options)
    assert (found.tokens, found.ends) == (expected.tokens, expected.ends)
    stats = found.scheduler.stats()
    assert stats.grammar_delays_total > 0
    assert (stats.num_free_blocks, stats.num_grammar_bytes) == (options["num_blocks"], 0)


def test_lost_worker_and_delays_together_lose_no_token() -> None:
    expected = finished(0, num_blocks=256)
    engine = Engine(num_blocks=256)
    engine.worker.num_delays = 2
    engine.submit(*submits())
    for _ in range(7):
        engine.step()
    engine.lose_worker()
    engine.replace_worker()
    engine.worker.num_delays = 2
    engine.run()
    assert engine.tokens == expected.tokens


def test_others_go_on_while_one_is_delayed() -> None:
    engine = Engine()
    engine.worker.num_delays = 10**6
    engine.submit(make_submit("stuck", grammar=GRAMMAR), make_submit("free", max_tokens=6))
    for _ in range(8):
        engine.step()
    assert len(engine.tokens["free", 0]) == 6
    assert engine.tokens["stuck", 0] == []
    engine.abort("stuck")
    assert engine.scheduler.stats().num_free_blocks == 64


@pytest.mark.parametrize(
    "sampled",
    [
        pytest.param(SampledSequence(1, [7], is_delayed=True), id="sampled all the same"),
        pytest.param(SampledSequence(1, [7, 8], is_delayed=True), id="sampled twice"),
    ],
)
def test_delay_with_a_token_breaks_the_contract(sampled: SampledSequence) -> None:
    engine = Engine().submit(make_submit(grammar=GRAMMAR))
    engine.send()
    with pytest.raises(WorkerError, match="delayed"):
        engine.scheduler.update(BatchOutput(0, [sampled], 0.0))
