"""An engine that says what a test told it to, and an API served in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import aiohttp
import msgspec

from forge_api.access.access import Access
from forge_api.body_budget import BodyBudget
from forge_api.dialect import dialect_of
from forge_api.engine_client import scheduler_is_away
from forge_api.grammars.grammars import Grammars
from forge_api.metrics import Metrics
from forge_api.middleware.plugins import load_middlewares
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_api.served_model import ServedModel
from forge_api.services import Lifecycle, Parsers, Services
from forge_api.serving import Server
from forge_api.tracing.trace import Tracer
from forge_api.validation import Validator
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.config import HttpSettings
from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import (
    BlockMap,
    SchedulerReady,
    SchedulerStats,
    SchedulerStatus,
    SequenceOutput,
    SequencePhase,
    SequenceState,
    SequenceTimes,
    StepSizes,
    Submit,
    WorkerLoss,
)
from forge_common.protocol.message import PROTOCOL_VERSION, PositionLogprobs, TokenLogprob
from forge_common.sampling import FinishReason
from tests.small_tokenizers import byte_level_encoder, make_tokenizer

TOKENIZER = make_tokenizer(byte_level_encoder(), eos_token="<|im_end|>")  # noqa: S106
EOS = TOKENIZER.encode("<|im_end|>")[0]
READY = SchedulerReady(PROTOCOL_VERSION, 1, 1000, TOKENIZER.vocab_size, 16, 100)
STATS = SchedulerStats(
    1, 2, 30, 100, 60, 0.5, None, True, None, 9, 100, 40, 50, 12, 9, 7, 6, 3, 8, 4,
    {FinishReason.STOP: 5}, 6, 7, 8, {WorkerLoss.GONE: 2}, StepSizes([1, 8], [3, 4, 2], 50),
)  # fmt: skip
TIMES = SequenceTimes(0.25, 0.5, 2.0, 1, 4, 0.25, 1.0, 6, 3, 1, 2)
STATUS = SchedulerStatus(
    [SequenceState("chatcmpl-1", 0, SequencePhase.RUNNING, 20, 4, 64, 23, 16, 2, 1.5)],
    BlockMap(100, 50, 10, [3, 0], [1, 2]), 9, 0.5,
)  # fmt: skip
HELLO = {"messages": [{"role": "user", "content": "hello"}]}

Script = Callable[[Submit], Iterable[SequenceOutput]]


class FakeTemplate:
    variable_names = frozenset({"tools", "enable_thinking", "reasoning_effort"})

    def __init__(self, text: str = "<tool_call>") -> None:
        self.texts = [text]
        self.calls: list[dict[str, Any]] = []

    def render(self, messages: list[dict[str, Any]], **options: Any) -> str:
        self.calls.append({"messages": messages, **options})
        return "".join(f"{message['role']}: {message['content']}\n" for message in messages)


def logprobs_of(token_ids: Sequence[int]) -> list[PositionLogprobs]:
    return [
        PositionLogprobs(
            TokenLogprob(id_, -0.5), [TokenLogprob(id_, -0.5), TokenLogprob(7, float("-inf"))]
        )
        for id_ in token_ids
    ]


def speaks(text: str, *, group: int = 1, reason: FinishReason = FinishReason.STOP) -> Script:
    """Every choice says `text`, `group` tokens at a time, the choices in turn."""

    def script(submit: Submit) -> Iterator[SequenceOutput]:
        ids = TOKENIZER.encode(text)[: submit.sampling.max_tokens]
        steps = [ids[start : start + group] for start in range(0, len(ids), group)]
        for number, step in enumerate(steps):
            for choice in range(submit.sampling.num_choices):
                yield make_output(
                    submit, choice, step, reason if number == len(steps) - 1 else None, not number
                )

    return script


def make_output(
    submit: Submit,
    choice: int,
    token_ids: list[int],
    reason: FinishReason | None = None,
    is_first: bool = False,
    **fields: Any,
) -> SequenceOutput:
    sampling = submit.sampling
    scored = sampling.num_prompt_logprobs is not None and is_first
    return SequenceOutput(
        submit.request_id,
        choice,
        token_ids,
        reason,
        num_cached_tokens=4 if is_first else 0,
        queue_s=0.25 if is_first else None,
        logprobs=None if sampling.num_logprobs is None else logprobs_of(token_ids),
        prompt_logprobs=[None, *logprobs_of(submit.prompt_token_ids[1:])] if scored else None,
        times=TIMES if submit.is_timed else None,
        **fields,
    )


def never_ends(submit: Submit) -> Iterator[SequenceOutput]:
    while True:
        yield make_output(submit, 0, TOKENIZER.encode("a"))


def as_received(submit: Submit) -> Submit:
    """What the scheduler would decode; a bound that is not kept raises."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(submit), type=Submit)


class FakeEngine:
    """EngineClient's face over a script; `aborted` is what the real one would send."""

    def __init__(self, script: Script, *, delay_s: float = 0.0) -> None:
        self.scheduler: SchedulerReady | None = READY
        self.statistics: SchedulerStats | None = STATS
        self.num_scheduler_restarts = 0
        self.state: SchedulerStatus | None = STATUS
        self.rejection: RequestError | None = None
        self.submitted: list[Submit] = []
        self.aborted: list[tuple[str, int | None]] = []
        self.streams: list[OutputStream] = []
        self._script = script
        self._delay_s = delay_s

    @property
    def expected_scheduler(self) -> SchedulerReady | None:
        return self.scheduler

    @property
    def num_open_requests(self) -> int:
        return len(self.streams)

    @contextlib.asynccontextmanager
    async def submit(self, submits: Sequence[Submit]) -> AsyncIterator[OutputStream]:
        if self.scheduler is None:
            raise scheduler_is_away()
        if self.rejection is not None:
            raise self.rejection
        self.submitted += map(as_received, submits)
        stream = OutputStream(submits)
        self.streams.append(stream)
        task = asyncio.create_task(self._play(submits, stream))
        try:
            yield stream
        finally:
            task.cancel()
            self.streams.remove(stream)
            self.aborted += [(id_, None) for id_ in sorted(stream.open_request_ids)]

    async def abort_choice(self, stream: OutputStream, key: ChoiceKey) -> None:
        if stream.close_choice(key):
            self.aborted.append(tuple(key))

    async def stats(self) -> SchedulerStats | None:
        return self.statistics

    async def status(self) -> SchedulerStatus | None:
        return self.state

    async def wait_until_ready(self) -> SchedulerReady:
        return READY

    def fail_all(self, error: RequestError) -> None:
        for stream in self.streams:
            stream.fail(error)

    async def _play(self, submits: Sequence[Submit], stream: OutputStream) -> None:
        for submit in submits:
            for output in self._script(submit):
                stream.put(output)
                await asyncio.sleep(self._delay_s)


class Reply(NamedTuple):
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The data of each event; [DONE] stays text."""
        blocks = self.body.decode().split("\n\n")[:-1]
        assert all(block.startswith("data: ") for block in blocks)
        data = [block.removeprefix("data: ") for block in blocks]
        return [item if item == "[DONE]" else json.loads(item) for item in data]

    def joined(self, index: int = 0) -> str:
        """The text of one choice of a stream."""
        choices = [choice for event in self.events[:-1] for choice in event["choices"]]
        return "".join(
            choice["text"] if "text" in choice else choice["delta"].get("content", "")
            for choice in choices
            if choice["index"] == index
        )


class Api:
    """Requests to a served application."""

    def __init__(self, session: aiohttp.ClientSession, server: Server, services: Services) -> None:
        self.session = session
        self.server = server
        self.services = services
        self.url = server.url

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: Any, **options: Any) -> Reply:
        return await self.send("POST", path, json=body, **options)

    async def send(self, method: str, path: str, **options: Any) -> Reply:
        async with self.session.request(method, self.url + path, **options) as response:
            return Reply(response.status, response.headers, await response.read())


def make_services(engine: Any, *, tracer: Tracer | None = None, **http: Any) -> Services:
    model = ServedModel(
        "tiny", TOKENIZER, FakeTemplate(), GenerationDefaults(eos_token_ids=(EOS,)), 1_700_000_000
    )
    settings = HttpSettings(port=0, **http)
    parsers = Parsers(is_strict=settings.strict_params)
    metrics = Metrics()
    grammars = Grammars(metrics.grammars)
    return Services(
        http=settings,
        engine=engine,
        model=model,
        grammars=grammars,
        validator=Validator(model, dialect_of(settings, model), grammars),
        parsers=parsers,
        metrics=metrics,
        bodies=BodyBudget(settings.max_body_bytes, metrics.body_bytes),
        lifecycle=Lifecycle(),
        access=Access(settings, metrics.keys),
        middlewares=load_middlewares(settings.middleware),
        tracer=tracer,
    )


def serve(engine: FakeEngine, test: Callable[[Api], Awaitable[Any]], **http: Any) -> Any:
    """Run `test` against the API in front of `engine`, on a free port."""

    async def body() -> Any:
        services = make_services(engine, **http)
        try:
            async with Server(services) as server, aiohttp.ClientSession() as session:
                return await test(Api(session, server, services))
        finally:
            services.grammars.close()

    return asyncio.run(asyncio.wait_for(body(), 10.0))


def post(engine: FakeEngine, path: str, body: Any, **http: Any) -> Reply:
    return serve(engine, lambda api: api.post(path, body), **http)


def get(engine: FakeEngine, path: str, **http: Any) -> Reply:
    return serve(engine, lambda api: api.get(path), **http)


def chat(text: str = "hi", **body: Any) -> Reply:
    """What comes back when the model says `text`."""
    return post(FakeEngine(speaks(text)), "/v1/chat/completions", HELLO | body)


def complete(text: str = "hi", **body: Any) -> Reply:
    return post(
        FakeEngine(speaks(text)), "/v1/completions", {"prompt": "hello", "max_tokens": 99, **body}
    )


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    """Returns once `condition` holds; what it waits for happens in other tasks."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)
