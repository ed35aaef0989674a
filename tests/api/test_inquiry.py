"""One question serves all who ask at the same time, and no answer is mixed up with a later one."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from forge_api.inquiry import Inquiry
from forge_common.protocol.api_scheduler import GetStats


class Post:
    def __init__(self) -> None:
        self.sent: list[Struct] = []

    async def send(self, message: Struct) -> None:
        self.sent.append(message)


def test_all_who_wait_get_the_one_answer() -> None:
    async def test() -> tuple[int, list[int | None]]:
        post, inquiry = Post(), Inquiry[int](GetStats(), timeout_s=5.0)
        asked = [asyncio.create_task(inquiry.ask(post.send)) for _ in range(3)]
        await asyncio.sleep(0)
        inquiry.answer(7)
        return len(post.sent), list(await asyncio.gather(*asked))

    assert asyncio.run(test()) == (1, [7, 7, 7])


def test_no_answer_in_time_is_none_and_the_next_one_asks_again() -> None:
    async def test() -> tuple[int | None, int | None, int]:
        post, inquiry = Post(), Inquiry[int](GetStats(), timeout_s=0.01)
        first = await inquiry.ask(post.send)
        inquiry.answer(1)  # too late
        again = asyncio.create_task(inquiry.ask(post.send))
        await asyncio.sleep(0)
        inquiry.answer(2)
        return first, await again, len(post.sent)

    assert asyncio.run(test()) == (None, 2, 2)


def test_who_is_lost_while_the_question_is_on_its_way_gives_no_answer() -> None:
    async def test() -> int | None:
        inquiry = Inquiry[int](GetStats(), timeout_s=5.0)

        async def send(message: Struct) -> None:
            inquiry.forget()

        return await inquiry.ask(send)

    assert asyncio.run(test()) is None


def test_all_who_wait_are_told_at_once_that_nobody_will_answer() -> None:
    async def test() -> list[int | None]:
        post, inquiry = Post(), Inquiry[int](GetStats(), timeout_s=60.0)
        asked = [asyncio.create_task(inquiry.ask(post.send)) for _ in range(2)]
        await asyncio.sleep(0)
        inquiry.forget()
        async with asyncio.timeout(5.0):
            return list(await asyncio.gather(*asked))

    assert asyncio.run(test()) == [None, None]


def test_question_that_cannot_be_sent_keeps_nobody_waiting() -> None:
    async def test() -> int | None:
        async with asyncio.timeout(5.0):
            return await Inquiry[int](GetStats(), 0.01).ask(lambda message: asyncio.sleep(60.0))

    assert asyncio.run(test()) is None
