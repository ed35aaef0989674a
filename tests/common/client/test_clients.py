"""Both clients over a real socket: the same behaviour, waited for in two ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from forge_common.client import (
    AsyncForgeClient,
    FinishReason,
    ForgeClient,
    LinkError,
    RequestError,
    SamplingParams,
)
from forge_common.protocol.api_scheduler import Abort
from tests.common.client.fake_scheduler import ENDS, REFUSED, SILENT, FakeScheduler

SAMPLING = SamplingParams(max_tokens=8, seed=1)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[FakeScheduler]:
    scheduler = FakeScheduler(tmp_path)
    yield scheduler
    scheduler.close()


@pytest.fixture
def forge(scheduler: FakeScheduler) -> Iterator[ForgeClient]:
    with ForgeClient.connect(scheduler.endpoint, timeout_s=2.0, away_timeout_s=0.2) as client:
        yield client


def aborted(scheduler: FakeScheduler) -> list[str]:
    return [message.request_id for message in scheduler.received if isinstance(message, Abort)]


def test_outputs_come_one_by_one(forge: ForgeClient) -> None:
    outputs = list(forge.generate([3, 4, 5], SAMPLING))
    assert [output.token_ids for output in outputs] == [[3], [4], [5]]
    assert outputs[-1].finish_reason is FinishReason.LENGTH


def test_client_knows_its_scheduler(forge: ForgeClient) -> None:
    assert forge.scheduler is not None
    assert forge.scheduler.max_model_len == 512


def test_requests_may_be_read_in_any_order(forge: ForgeClient) -> None:
    first, second = forge.generate([3, 4], SAMPLING), forge.generate([5, 6], SAMPLING)
    assert next(first).token_ids == [3]
    assert [output.token_ids for output in second] == [[5], [6]]
    assert [output.token_ids for output in first] == [[4]]


def test_refusal_is_raised(forge: ForgeClient) -> None:
    with pytest.raises(RequestError, match="refused"):
        next(forge.generate([REFUSED], SAMPLING))


def test_aborted_request_ends_as_such(forge: ForgeClient) -> None:
    outputs = forge.generate([3, SILENT], SAMPLING, request_id="r")
    next(outputs)
    forge.abort("r")
    assert [output.finish_reason for output in outputs] == [FinishReason.ABORT]


def test_dropped_iterator_aborts_its_request(forge: ForgeClient, scheduler: FakeScheduler) -> None:
    outputs = forge.generate([3, SILENT], SAMPLING, request_id="r")
    next(outputs)
    outputs.close()  # type: ignore[attr-defined]
    forge.stats()  # what was sent before has been read now
    assert aborted(scheduler) == ["r"]


def test_stats(forge: ForgeClient) -> None:
    assert (forge.stats().num_waiting, forge.stats().num_running) == (1, 2)


def test_nobody_there_is_a_link_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"/nobody did not answer within 0\.1 s"):
        ForgeClient.connect(f"ipc://{tmp_path}/nobody", timeout_s=0.1)


def test_scheduler_that_goes_away_is_a_link_error(
    forge: ForgeClient, scheduler: FakeScheduler
) -> None:
    outputs = forge.generate([SILENT], SAMPLING)
    scheduler.close()
    with pytest.raises(LinkError):
        next(outputs)
    with pytest.raises(LinkError):
        forge.stats()


def test_next_scheduler_goes_on_where_the_last_one_was(
    scheduler: FakeScheduler, tmp_path: Path
) -> None:
    with ForgeClient.connect(scheduler.endpoint) as forge:
        outputs = forge.generate([3, 4, SILENT], SAMPLING, request_id="r")
        assert [next(outputs).token_ids for _ in range(2)] == [[3], [4]]
        scheduler.close()
        with FakeScheduler(tmp_path, epoch=2) as second:
            assert [output.token_ids for output in outputs] == [[ENDS]]
            assert [submit.so_far for submit in second.submits] == [[[3, 4]]]
            assert forge.stats().num_waiting == 1


def test_dropped_request_is_not_asked_again(scheduler: FakeScheduler, tmp_path: Path) -> None:
    with ForgeClient.connect(scheduler.endpoint) as forge:
        dropped = forge.generate([3, SILENT], SAMPLING)
        kept = forge.generate([4, SILENT], SAMPLING)
        assert [next(outputs).token_ids for outputs in (dropped, kept)] == [[3], [4]]
        scheduler.close()
        dropped.close()  # type: ignore[attr-defined]
        with FakeScheduler(tmp_path, epoch=2) as second:
            assert [output.token_ids for output in kept] == [[ENDS]]
            assert [submit.so_far for submit in second.submits] == [[[4]]]


def test_closing_twice_is_fine(forge: ForgeClient) -> None:
    forge.close()
    forge.close()


async def token_ids_of(outputs: AsyncIterator) -> list[int]:
    return [token_id async for output in outputs for token_id in output.token_ids]


def test_async_requests_run_together(scheduler: FakeScheduler) -> None:
    async def talk() -> list[list[int]]:
        async with await AsyncForgeClient.connect(scheduler.endpoint) as forge:
            streams = [forge.generate([first, 4, 5], SAMPLING) for first in range(8)]
            return await asyncio.gather(*map(token_ids_of, streams))

    assert asyncio.run(talk()) == [[first, 4, 5] for first in range(8)]


def test_async_refusal_abort_and_stats(scheduler: FakeScheduler) -> None:
    async def talk() -> int:
        async with await AsyncForgeClient.connect(scheduler.endpoint) as forge:
            with pytest.raises(RequestError, match="refused"):
                await token_ids_of(forge.generate([REFUSED], SAMPLING))
            outputs = forge.generate([3, SILENT], SAMPLING, request_id="r")
            await anext(outputs)
            await outputs.aclose()  # type: ignore[attr-defined]
            return (await forge.stats()).num_running

    assert asyncio.run(talk()) == 2
    assert aborted(scheduler) == ["r"]


def test_async_next_scheduler_goes_on_where_the_last_one_was(
    scheduler: FakeScheduler, tmp_path: Path
) -> None:
    async def talk() -> None:
        async with await AsyncForgeClient.connect(scheduler.endpoint) as forge:
            outputs = forge.generate([3, 4, SILENT], SAMPLING)
            assert [(await anext(outputs)).token_ids for _ in range(2)] == [[3], [4]]
            await asyncio.to_thread(scheduler.close)
            with FakeScheduler(tmp_path, epoch=2) as second:
                assert await token_ids_of(outputs) == [ENDS]
                assert [submit.so_far for submit in second.submits] == [[[3, 4]]]

    asyncio.run(talk())


def test_async_scheduler_that_goes_away_is_a_link_error(scheduler: FakeScheduler) -> None:
    async def talk() -> None:
        async with await AsyncForgeClient.connect(
            scheduler.endpoint, timeout_s=2.0, away_timeout_s=0.2
        ) as forge:
            waiting = asyncio.create_task(token_ids_of(forge.generate([SILENT], SAMPLING)))
            await forge.stats()
            await asyncio.to_thread(scheduler.close)
            with pytest.raises(LinkError):
                await waiting

    asyncio.run(talk())


def test_async_what_cannot_be_used_leaves_nobody_waiting(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("no such token")

    async def talk() -> None:
        async with await AsyncForgeClient.connect(scheduler.endpoint) as forge:
            monkeypatch.setattr("forge_common.client.request_book.Inbox.put", fail)
            with pytest.raises(LinkError, match="no such token"):
                async with asyncio.timeout(5.0):
                    await token_ids_of(forge.generate([3, 4], SAMPLING))

    asyncio.run(talk())


def test_async_nobody_there_is_a_link_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"/nobody did not answer within 0\.1 s"):
        asyncio.run(AsyncForgeClient.connect(f"ipc://{tmp_path}/nobody", timeout_s=0.1))
