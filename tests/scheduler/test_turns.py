"""Tenants are served by what each has cost; alone, a tenant is served in the order of arrival."""

from __future__ import annotations

import random

import pytest

from forge_scheduler.policy import LowestPriorityNumberFirst
from forge_scheduler.sequence import Request
from forge_scheduler.turns import EXPECTED_OUTPUT_TOKENS, Turns, actual_cost
from tests.builders import make_sequence, make_submit
from tests.scheduler.engine import Engine


def make_request(tenant: str, num_prompt_tokens: int = 4, max_tokens: int = 8) -> Request:
    sequence = make_sequence(num_prompt_tokens, max_tokens=max_tokens)
    sequence.request.tenant = tenant
    sequence.request.sequences = [sequence]
    return sequence.request


def end_with(request: Request, num_output_tokens: int) -> None:
    sequence = request.sequences[0]
    sequence.queue_s = 0.0
    sequence.token_ids += [1] * num_output_tokens


def order_of(engine: Engine) -> list[str]:
    """Requests in the order of their first tokens."""
    return list(dict.fromkeys(output.request_id for output in engine.outputs))


def one_at_a_time(**options: object) -> Engine:
    return Engine(max_batch_size=1, max_queued_requests=10_000, **options)


def test_turns_of_one_tenant_grow_in_the_order_of_arrival() -> None:
    chance, turns, taken = random.Random(1), Turns(), [-1.0]
    unfinished: list[Request] = []
    for _ in range(2000):
        request = make_request("one", chance.randrange(1, 3000), chance.randrange(1, 3000))
        taken.append(turns.take(request))
        assert taken[-1] > taken[-2]
        unfinished.append(request)
        if chance.random() < 0.6:
            ended = unfinished.pop(chance.randrange(len(unfinished)))
            turns.start(ended, chance.choice(taken))
            end_with(ended, chance.randrange(3000))
            turns.settle(ended)


def test_single_request_does_not_wait_behind_five_hundred_of_another_tenant() -> None:
    engine = one_at_a_time()
    for index in range(500):
        engine.submit(make_submit(f"many-{index}", max_tokens=2, tenant="many"))
    engine.step()
    engine.submit(make_submit("single", max_tokens=2, tenant="single"))
    engine.run()
    assert order_of(engine).index("single") <= 2


def test_one_tenant_is_served_first_come_first_served() -> None:
    engine, chance = one_at_a_time(), random.Random(2)
    names = [f"r{index}" for index in range(60)]
    for name in names:
        submit = make_submit(name, chance.randrange(1, 20), max_tokens=chance.randrange(1, 9))
        engine.submit(submit)
        if chance.random() < 0.3:
            engine.step()
    assert order_of(engine.run()) == names


def test_two_tenants_get_the_same_number_of_tokens_whatever_they_ask_at_once() -> None:
    engine = one_at_a_time()
    for index in range(200):
        engine.submit(make_submit(f"short-{index}", 2, max_tokens=2, tenant="short"))
        engine.submit(make_submit(f"long-{index}", 20, max_tokens=20, tenant="long"))
    while len(order_of(engine)) < 110:
        engine.step()
    served = order_of(engine)
    num_short = sum(name.startswith("short") for name in served)
    assert num_short * 4 == pytest.approx((len(served) - num_short) * 40, abs=60)


def test_output_beyond_what_was_expected_moves_a_tenant_back() -> None:
    turns = Turns()
    request = make_request("one", 10, max_tokens=5000)
    turns.take(request)
    assert turns.next_of("one") == 10 + EXPECTED_OUTPUT_TOKENS
    end_with(request, 5000)
    turns.settle(request)
    assert turns.next_of("one") == 10 + 5000


def test_what_a_request_did_not_use_is_taken_off_the_next_one() -> None:
    turns = Turns()
    request = make_request("one", 10, max_tokens=100)
    turns.take(request)
    turns.settle(request)  # it was aborted while it waited
    before = turns.next_of("one")
    turns.take(make_request("one", 10, max_tokens=100))
    assert turns.next_of("one") == before + 1


def test_tenant_that_asked_for_nothing_gets_no_credit_for_it() -> None:
    turns = Turns()
    busy = make_request("busy", 1000)
    for _ in range(5):
        turns.start(busy, turns.take(busy))
    assert turns.next_of("idle") == turns._now > 0


def test_heavy_tenant_has_its_turn_however_many_new_ones_come() -> None:
    engine = one_at_a_time()
    for index in range(40):
        engine.submit(make_submit(f"heavy-{index}", 20, max_tokens=4, tenant="heavy"))
    engine.scheduler._reception._turns._max_tenants = 16
    last = "heavy-5"
    for index in range(20_000):
        if last in order_of(engine):
            break
        engine.submit(make_submit(f"new-{index}", 20, max_tokens=1, tenant=f"new-{index}"))
        engine.step()
    assert last in order_of(engine)


def test_tenants_are_bounded_and_forgotten_when_all_is_idle() -> None:
    turns = Turns(max_tenants=8)
    for index in range(100):
        turns.take(make_request(f"tenant-{index}"))
        assert len(turns) <= 8
    engine = Engine().submit(make_submit("a", tenant="a"), make_submit("b", tenant="b")).run()
    assert len(engine.scheduler._reception._turns) == 0


def test_priority_goes_before_turns_and_turns_before_arrival() -> None:
    engine = one_at_a_time(policy=LowestPriorityNumberFirst())
    for index in range(4):
        engine.submit(make_submit(f"many-{index}", priority=1, tenant="many"))
    engine.submit(make_submit("other", priority=1, tenant="other"))
    engine.submit(make_submit("urgent", priority=0, tenant="many"))
    served = order_of(engine.run())
    assert served[0] == "urgent"
    assert served.index("other") < served.index("many-1")


def test_prompt_is_paid_for_whichever_choice_computed_it() -> None:
    request = make_request("one", 10)
    assert actual_cost(request) == 0.0
    ended_before, ran = request.sequences[0], make_sequence(10)
    request.sequences.append(ran)
    ran.queue_s, ran.num_cached_tokens = 0.0, 4
    assert ended_before.queue_s is None
    assert actual_cost(request) == 6.0
