"""EngineClient against a real ROUTER that a test plays the scheduler on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zmq
from msgspec.structs import replace

from forge_api.engine_client import EngineClient
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.link_security import KeyPair, ServerSecurity
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    ClientMessage,
    GetStats,
    Hello,
    Outputs,
    Rejected,
    SchedulerReady,
    SequenceOutput,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.sampling import FinishReason, SamplingParams
from forge_common.transport import ServerChannel
from tests.api.fakes import STATS, until

BUSY_MACHINE_S = 20.0
READY = SchedulerReady(PROTOCOL_VERSION, 1, 1000, 300, 16, 100)


class FakeScheduler:
    """Answers as told; `seen` is what came, less the greetings."""

    def __init__(self, context: Any, endpoint: str, ready: SchedulerReady = READY) -> None:
        self.seen: list[Any] = []
        self.answers: dict[type, Callable[[Any], Any]] = {
            Hello: lambda message: ready,
            Submit: lambda message: Accepted(message.request_id),
            GetStats: lambda message: STATS,
        }
        self.peer = b""
        self._channel: ServerChannel[Any] = ServerChannel(context, endpoint, ClientMessage)
        self._task = asyncio.create_task(self._run())

    def send(self, message: Any) -> None:
        self._channel.send(self.peer, message)

    async def close(self) -> None:
        if self._channel.socket.closed:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._channel.close()

    async def _run(self) -> None:
        while True:
            for envelope in self._channel.drain():
                self.peer = envelope.peer
                if not isinstance(envelope.message, Hello):
                    self.seen.append(envelope.message)
                answer = self.answers.get(type(envelope.message), lambda message: None)
                if (reply := answer(envelope.message)) is not None:
                    self.send(reply)
            await asyncio.sleep(0.002)


Test = Callable[[EngineClient, FakeScheduler], Awaitable[None]]


def run(tmp_path: Path, test: Test) -> FakeScheduler:
    """Run `test` with a connected client; the scheduler is closed after it."""
    tmp_path.chmod(0o700)
    endpoint = f"ipc://{tmp_path}/s"

    async def body() -> FakeScheduler:
        context = zmq.Context()
        scheduler = FakeScheduler(context, endpoint)
        try:
            async with EngineClient(endpoint) as engine:
                await engine.wait_until_ready()
                await test(engine, scheduler)
                await asyncio.sleep(0.02)
        finally:
            await scheduler.close()
            context.destroy(0)
        return scheduler

    return asyncio.run(asyncio.wait_for(body(), 2 * BUSY_MACHINE_S))


def make_submit(request_id: str = "r", num_choices: int = 1) -> Submit:
    return Submit(request_id, [1, 2], SamplingParams(9, 1, num_choices=num_choices))


def output(
    token_ids: list[int], reason: FinishReason | None = None, request_id: str = "r", choice: int = 0
) -> Outputs:
    return Outputs([SequenceOutput(request_id, choice, token_ids, reason)])


def test_outputs_come_in_order_until_the_last(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit()]) as stream:
            scheduler.send(output([1]))
            scheduler.send(output([2, 3], FinishReason.STOP))
            taken = [output async for outputs in stream for output in outputs]
        assert [item.token_ids for item in taken] == [[1], [2, 3]]

    assert run(tmp_path, test).seen == [make_submit()]


def test_leaving_early_aborts(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit("a"), make_submit("b")]):
            scheduler.send(output([1], FinishReason.STOP, "a"))
            await asyncio.sleep(0.02)

    assert run(tmp_path, test).seen[2:] == [Abort("b")]


def test_cancelling_aborts(tmp_path: Path) -> None:
    async def wait_for_ever(engine: EngineClient) -> None:
        async with engine.submit([make_submit()]) as stream:
            async for _ in stream:
                pass

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        task = asyncio.create_task(wait_for_ever(engine))
        await until(lambda: scheduler.seen)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert engine.num_open_requests == 0

    assert run(tmp_path, test).seen[-1] == Abort("r")


def test_one_choice_can_be_aborted(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit(num_choices=2)]) as stream:
            await engine.abort_choice(stream, ChoiceKey("r", 1))
            scheduler.send(output([7], choice=1))
            scheduler.send(output([8], FinishReason.STOP))
            taken = [output async for outputs in stream for output in outputs]
        assert [item.token_ids for item in taken] == [[8]]

    assert run(tmp_path, test).seen[1:] == [Abort("r", 1)]


def test_a_rejection_is_raised_before_the_stream_begins(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.answers[Submit] = lambda message: Rejected(
            message.request_id, "full", RequestErrorKind.OVERLOADED, retry_after_s=3.0
        )
        with pytest.raises(RequestError, match="full") as caught:
            async with engine.submit([make_submit()]):
                pytest.fail("it was refused")
        assert caught.value.kind is RequestErrorKind.OVERLOADED
        assert caught.value.retry_after_s == 3.0

    assert run(tmp_path, test).seen == [make_submit()]


def test_a_refused_prompt_aborts_the_others_of_its_request(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.answers[Submit] = lambda message: (
            Rejected("b", "no") if message.request_id == "b" else Accepted(message.request_id)
        )
        with pytest.raises(RequestError):
            async with engine.submit([make_submit("a"), make_submit("b")]):
                pytest.fail("it was refused")

    assert run(tmp_path, test).seen[-1] == Abort("a")


def ready(epoch: int) -> SchedulerReady:
    return SchedulerReady(PROTOCOL_VERSION, epoch, 1000, 300, 16, 100)


@contextlib.asynccontextmanager
async def successor_of(
    scheduler: FakeScheduler, tmp_path: Path, epoch: int = 2
) -> AsyncIterator[FakeScheduler]:
    """The first one is gone; another one is there at once."""
    await scheduler.close()
    with zmq.Context() as context:
        second = FakeScheduler(context, f"ipc://{tmp_path}/s", ready(epoch))
        try:
            yield second
        finally:
            await second.close()


async def taken_from(stream: OutputStream) -> list[list[int]]:
    return [item.token_ids async for outputs in stream for item in outputs]


def test_next_scheduler_is_told_what_came_and_goes_on_from_there(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit(num_choices=3)]) as stream:
            scheduler.send(output([1, 2]))
            scheduler.send(output([5], FinishReason.LENGTH, choice=1))
            await until(lambda: stream.open_request_ids and len(stream._pending) == 2)
            await engine.abort_choice(stream, ChoiceKey("r", 2))
            async with successor_of(scheduler, tmp_path) as second:
                await until(lambda: second.seen)
                second.send(output([3], FinishReason.STOP))
                assert await taken_from(stream) == [[1, 2], [5], [3]]
                submit = make_submit(num_choices=3)
                assert second.seen == [replace(submit, so_far=[[1, 2], None, None])]

    run(tmp_path, test)


def test_scheduler_is_known_to_be_another_one_by_its_epoch_also(tmp_path: Path) -> None:
    """Before it is noticed that the connection was lost in between."""

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit()]) as stream:
            scheduler.send(output([1]))
            first_name = scheduler.peer
            scheduler.answers[Hello] = lambda message: ready(2)
            scheduler.send(ready(2))
            await until(lambda: len(scheduler.seen) == 2)
            assert scheduler.seen[1] == replace(make_submit(), so_far=[[1]])
            assert scheduler.peer != first_name
            scheduler.send(output([2], FinishReason.STOP))
            assert await taken_from(stream) == [[1], [2]]

    run(tmp_path, test)


def test_request_that_was_not_taken_yet_is_asked_again_as_it_was(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.answers[Submit] = lambda message: None

        async def ask() -> list[list[int]]:
            async with engine.submit([make_submit()]) as stream:
                return await taken_from(stream)

        asking = asyncio.create_task(ask())
        await until(lambda: scheduler.seen)
        async with successor_of(scheduler, tmp_path) as second:
            await until(lambda: second.seen)
            second.send(output([3], FinishReason.STOP))
            assert await asking == [[3]]
            assert second.seen == [make_submit()]

    run(tmp_path, test)


def test_request_that_a_scheduler_is_about_to_end_for_is_asked_of_the_next(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.answers[Submit] = lambda message: Rejected(
            message.request_id, "ends", RequestErrorKind.UNAVAILABLE, code="shutting_down"
        )

        async def ask() -> None:
            async with engine.submit([make_submit()]):
                pass

        asking = asyncio.create_task(ask())
        await until(lambda: scheduler.seen)
        await asyncio.sleep(0.02)
        async with successor_of(scheduler, tmp_path) as second:
            await asking
            assert second.seen[0] == make_submit()

    run(tmp_path, test)


def test_new_requests_wait_for_the_next_scheduler_too(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        await scheduler.close()
        await until(lambda: engine.scheduler is None)
        assert engine.expected_scheduler == READY
        assert await engine.stats() is None

        async def ask() -> None:
            async with engine.submit([make_submit()]):
                pass

        asking = asyncio.create_task(ask())
        async with successor_of(scheduler, tmp_path) as second:
            await asking
            assert second.seen[0] == make_submit()

    run(tmp_path, test)


def test_only_so_many_new_requests_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forge_api.engine_client.MAX_REQUESTS_WHILE_AWAY", 1)

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit()]):
            await scheduler.close()
            await until(lambda: engine.scheduler is None)
            with pytest.raises(RequestError) as caught:
                async with engine.submit([make_submit("another")]):
                    pytest.fail("there is nobody")
        assert caught.value.kind is RequestErrorKind.UNAVAILABLE

    run(tmp_path, test)


def test_scheduler_that_does_not_come_back_ends_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_api.engine_client.AWAY_TIMEOUT_S", 0.1)

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit()]) as stream:
            await scheduler.close()
            with pytest.raises(RequestError) as caught:
                await anext(stream)
        assert caught.value.kind is RequestErrorKind.UNAVAILABLE
        assert engine.expected_scheduler is None
        with pytest.raises(RequestError):
            async with engine.submit([make_submit()]):
                pytest.fail("there is nobody")

    run(tmp_path, test)


def test_client_that_leaves_meanwhile_is_not_asked_for_again(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with engine.submit([make_submit("leaves")]):
            await scheduler.close()
            await until(lambda: engine.scheduler is None)
        async with successor_of(scheduler, tmp_path) as second, engine.submit([make_submit()]):
            await until(lambda: second.seen)
            assert second.seen == [make_submit()]

    run(tmp_path, test)


def test_request_that_ends_schedulers_fails_alone(tmp_path: Path) -> None:
    """The others are there each time, and get no token before it is asked for."""

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        async with contextlib.AsyncExitStack() as stack:
            streams = [
                await stack.enter_async_context(engine.submit([make_submit(name)]))
                for name in ("a", "poison", "b")
            ]
            scheduler = await stack.enter_async_context(successor_of(scheduler, tmp_path, 2))
            await until(lambda: len(scheduler.seen) == 3)  # all once more
            scheduler = await stack.enter_async_context(successor_of(scheduler, tmp_path, 3))
            await until(lambda: names_in(scheduler) == ["a"])  # suspects one by one
            scheduler.send(output([4], request_id="a"))
            await until(lambda: names_in(scheduler) == ["a", "poison"])
            scheduler = await stack.enter_async_context(successor_of(scheduler, tmp_path, 4))
            await until(lambda: names_in(scheduler) == ["poison", "a"])  # before all others
            scheduler.send(output([5], request_id="a"))
            await until(lambda: len(streams[0]._pending) == 2)
            scheduler = await stack.enter_async_context(successor_of(scheduler, tmp_path, 5))
            await until(lambda: names_in(scheduler) == ["b", "a"])
            with pytest.raises(RequestError, match="schedulers ended again and again") as caught:
                await anext(streams[1])
            assert caught.value.kind is RequestErrorKind.INTERNAL
            for name in ("a", "b"):
                scheduler.send(output([9], FinishReason.STOP, name))
            assert await taken_from(streams[0]) == [[4], [5], [9]]
            assert await taken_from(streams[2]) == [[9]]

    run(tmp_path, test)


def names_in(scheduler: FakeScheduler) -> list[str]:
    """Of the requests that were submitted."""
    return [message.request_id for message in scheduler.seen if isinstance(message, Submit)]


def test_a_request_nobody_waits_for_is_aborted_when_accepted(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.send(Accepted("ghost"))
        await until(lambda: scheduler.seen)

    assert run(tmp_path, test).seen == [Abort("ghost")]


def test_stats_are_asked_once_for_several_askers(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        assert await asyncio.gather(engine.stats(), engine.stats()) == [STATS, STATS]

    assert run(tmp_path, test).seen == [GetStats()]


def test_stats_that_do_not_come_are_none(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("forge_api.engine_client.STATS_TIMEOUT_S", 0.02)

    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        scheduler.answers[GetStats] = lambda message: None
        assert await engine.stats() is None

    run(tmp_path, test)


def test_a_failing_loop_ends_the_process_instead_of_hanging_it(tmp_path: Path) -> None:
    async def test(engine: EngineClient, scheduler: FakeScheduler) -> None:
        engine._requests = None
        scheduler.send(output([1]))
        await asyncio.sleep(5.0)

    with pytest.raises(ExceptionGroup):
        run(tmp_path, test)


def test_refused_connection_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def body(endpoint: str) -> None:
        async with EngineClient(endpoint) as engine:
            await until(lambda: "refuses this process" in caplog.text, BUSY_MACHINE_S)
            await asyncio.sleep(0.15)  # libzmq would have tried again by then
            assert engine.scheduler is None

    security = ServerSecurity(KeyPair(*zmq.curve_keypair()), "clients")
    with (
        zmq.Context() as context,
        closing(ServerChannel[Any](context, "tcp://127.0.0.1:*", ClientMessage, security)) as door,
    ):
        asyncio.run(asyncio.wait_for(body(door.endpoint), 2 * BUSY_MACHINE_S))
    assert caplog.text.count("refuses this process") == 1
