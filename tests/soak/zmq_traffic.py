"""Clients over ZMQ: token ids in, token ids out, several requests of each at a time."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

from forge_common.client import AsyncForgeClient, SamplingParams
from forge_common.errors import ForgeError
from tests.soak.tally import Tally

NUM_AT_A_TIME = 2
ANSWER_TIMEOUT_S = 120.0
MAX_THOUGHT_S = 0.6
SHARE_OF_LEAVERS = 0.15
MANNER = "ZMQ"
LEAVES = "ZMQ, leaves"
Tokens = dict[int, list[int]]  # by choice
ZMQ_CASES: dict[str, tuple[list[int], SamplingParams]] = {
    "greedy": ([5, 6, 7], SamplingParams(max_tokens=200, seed=1, temperature=0.0)),
    "seeded": ([8, 9, 10] * 20, SamplingParams(max_tokens=200, seed=2)),
    "choices": ([11, 12], SamplingParams(max_tokens=120, seed=3, num_choices=3)),
    "scored": ([13, 14] * 9, SamplingParams(max_tokens=120, seed=4, num_logprobs=2)),
    "penalties": ([15] * 30, SamplingParams(max_tokens=200, seed=5, frequency_penalty=0.5)),
    "long": (list(range(300, 1500)), SamplingParams(max_tokens=60, seed=6)),
}


class ZmqClient:
    """`async with await ZmqClient.connect(…)`"""

    def __init__(self, client: AsyncForgeClient, tally: Tally, seed: int) -> None:
        self._client = client
        self._tally = tally
        self._chance = random.Random(seed)

    @classmethod
    async def connect(cls, endpoint: str, tally: Tally, seed: int) -> ZmqClient:
        client = await AsyncForgeClient.connect(endpoint, timeout_s=ANSWER_TIMEOUT_S)
        return cls(client, tally, seed)

    async def close(self) -> None:
        await self._client.close()

    async def references(self) -> dict[str, Tokens]:
        return {name: await self._say(name, None) for name in ZMQ_CASES}

    async def run(self, expected: dict[str, Tokens], stop: asyncio.Event) -> None:
        """Until `stop`; what is under way then is read to its end."""
        loops = (self._ask_on(expected, stop) for _ in range(NUM_AT_A_TIME))
        await asyncio.gather(*loops)

    async def _ask_on(self, expected: dict[str, Tokens], stop: asyncio.Event) -> None:
        while not stop.is_set():
            name = self._chance.choice(list(ZMQ_CASES))
            is_leaver = self._chance.random() < SHARE_OF_LEAVERS
            try:
                said = await self._say(name, self._chance.randrange(1, 60) if is_leaver else None)
            except ForgeError as error:
                self._tally.lost(f"ZMQ {name}: {error!r}")
            else:
                self._check(name, said, expected[name], is_leaver=is_leaver)
            await asyncio.sleep(self._chance.uniform(0.0, MAX_THOUGHT_S))

    def _check(self, name: str, said: Tokens, expected: Tokens, *, is_leaver: bool) -> None:
        if is_leaver:
            is_right = all(expected[i][: len(ids)] == ids for i, ids in said.items())
        else:
            is_right = said == expected
        if not is_right:
            self._tally.wrong(f"ZMQ {name}: {said} instead of {expected}")
        self._tally.ended(LEAVES if is_leaver else MANNER, sum(map(len, said.values())))

    async def _say(self, name: str, max_outputs: int | None) -> Tokens:
        said: defaultdict[int, list[int]] = defaultdict(list)
        num_outputs = 0
        with self._tally.watch() as watch:
            outputs = self._client.generate(*ZMQ_CASES[name])
            async for output in outputs:
                said[output.choice_index] += output.token_ids
                watch.event()
                num_outputs += 1
                if num_outputs == max_outputs:
                    await outputs.aclose()  # type: ignore[attr-defined]
                    break
        return dict(said)
