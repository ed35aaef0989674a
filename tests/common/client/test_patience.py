"""It ends once, in its own time, unless somebody comes."""

from __future__ import annotations

import asyncio

from forge_common.client.patience import Patience


def test_it_ends_once_however_often_it_is_begun_and_can_be_begun_again() -> None:
    async def test() -> None:
        ended = asyncio.Event()
        patience = Patience(0.01, ended.set)
        for _ in range(2):
            patience.start()
            patience.start()
            assert patience.is_tried
            await ended.wait()
            assert not patience.is_tried
            ended.clear()

    asyncio.run(asyncio.wait_for(test(), 5.0))


def test_it_does_not_end_once_it_is_stopped() -> None:
    async def test() -> list[str]:
        told: list[str] = []
        patience = Patience(0.01, lambda: told.append("gone"))
        patience.start()
        patience.stop()
        patience.stop()
        await asyncio.sleep(0.05)
        return told

    assert asyncio.run(test()) == []
