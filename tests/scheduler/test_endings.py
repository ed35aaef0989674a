"""However a choice ends, what it held is free and those that waited for it go on."""

from __future__ import annotations

from msgspec.structs import replace

from forge_common.protocol.message import Failure
from forge_common.sampling import FinishReason
from tests.builders import make_submit
from tests.scheduler.audit import audit
from tests.scheduler.engine import CLIENT, Engine


def test_choices_that_were_held_back_wait_once_the_first_one_has_ended() -> None:
    engine = Engine(max_prefill_tokens=4).submit(make_submit("r", 20, num_choices=3))
    (request,) = engine.scheduler._reception.requests.values()
    assert len(request.held) == 2
    engine.abort("r", 0)
    assert not request.held
    audit(engine.scheduler)
    engine.run()
    assert engine.ends["r", 1] is engine.ends["r", 2] is FinishReason.LENGTH


def test_held_choice_ends_where_it_stands() -> None:
    engine = Engine(max_prefill_tokens=4).submit(make_submit("r", 20, num_choices=3))
    engine.abort("r", 1)
    audit(engine.scheduler)
    engine.run()
    assert engine.ends["r", 1] is FinishReason.ABORT
    assert engine.ends["r", 2] is FinishReason.LENGTH


def test_end_of_all_leaves_nothing_and_says_why() -> None:
    engine = Engine().submit(
        *(replace(make_submit(name, num_choices=2), is_timed=True) for name in ("a", "b"))
    )
    engine.step()
    scheduler, why = engine.scheduler, Failure("the end")
    outputs = scheduler.end_all(FinishReason.ERROR, error=why)[CLIENT]
    assert [(each.finish_reason, each.error) for each in outputs] == [(FinishReason.ERROR, why)] * 4
    assert scheduler.counters.num_finished[FinishReason.ERROR] == 4
    assert not scheduler._reception.requests
    assert not scheduler._timekeeper._watches
    audit(scheduler)
