"""Engine: a Scheduler and a FakeWorker joined without sockets, a step or two apart."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from forge_common.protocol.api_scheduler import SequenceOutput, Submit
from forge_common.protocol.scheduler_worker import RunBatch
from forge_common.sampling import FinishReason
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.sequence import RequestKey
from tests.builders import make_scheduler
from tests.scheduler.fakes import FakeWorker
from tests.scheduler.guesser import Guesser

CLIENT = b"client"


class Engine:
    def __init__(self, num_blocks: int = 64, block_size: int = 4, **options: Any) -> None:
        self.scheduler = make_scheduler(num_blocks, block_size, **options)
        self._vocab_size = options.get("vocab_size", 100)
        if options.get("max_draft_tokens"):
            guesser = Guesser(options["max_draft_tokens"], self._vocab_size)
            self.scheduler._admission.speculation = guesser
        self.worker = FakeWorker(num_blocks, block_size, self._vocab_size)
        self.sent: deque[RunBatch] = deque()
        self.tokens: dict[tuple[str, int], list[int]] = defaultdict(list)
        self.ends: dict[tuple[str, int], FinishReason] = {}
        self.outputs: list[SequenceOutput] = []

    def submit(self, *submits: Submit) -> Engine:
        for submit in submits:
            self.scheduler.submit(CLIENT, submit)
        return self

    def abort(self, request_id: str, choice_index: int | None = None) -> None:
        ended = self.scheduler.abort(RequestKey(CLIENT, request_id), choice_index)
        self._read({CLIENT: ended})

    def send(self) -> bool:
        """Plan one step and hand it to the worker; False when there is none to plan."""
        batch = self.scheduler.schedule()
        if batch is not None:
            self.sent.append(batch.to_run_batch())
        return batch is not None

    def receive(self) -> None:
        """Let the worker run the oldest step it was sent."""
        self._read(self.scheduler.update(self.worker.run(self.sent.popleft())))

    def step(self) -> None:
        while self.send():
            pass
        self.receive()

    def lose_worker(self) -> None:
        """It is gone, and with it what it was sent and all it knew."""
        self.sent.clear()
        self._read(self.scheduler.lose_worker())

    def replace_worker(
        self, num_blocks: int | None = None, block_size: int | None = None, max_model_len: int = 128
    ) -> None:
        """Another one, of the same size unless told otherwise."""
        self.worker = FakeWorker(
            num_blocks or self.worker.num_blocks,
            block_size or self.worker.block_size,
            self._vocab_size,
        )
        sizes = (self.worker.num_blocks, self.worker.block_size)
        max_draft_tokens = self.scheduler._admission.speculation.max_draft_tokens
        self._read(self.scheduler.resume(*sizes, max_model_len, max_draft_tokens))

    def run(self) -> Engine:
        """Step until everything submitted has ended."""
        while not self.scheduler.is_empty:
            self.step()
        return self

    def _read(self, news: ClientOutputs) -> None:
        for output in news.get(CLIENT, []):
            choice = (output.request_id, output.choice_index)
            assert choice not in self.ends, "an output after the end"
            self.outputs.append(output)
            self.tokens[choice] += output.token_ids
            if output.finish_reason is not None:
                self.ends[choice] = output.finish_reason


def sent(engine: Engine) -> RunBatch:
    """The next step, which there must be."""
    assert engine.send()
    return engine.sent[-1]


def scheduled_tokens(batch: RunBatch) -> list[int]:
    return [scheduled.num_scheduled_tokens for scheduled in batch.scheduled]


def run_all(submits: list[Submit], num_blocks: int = 64, **options: Any) -> Engine:
    return Engine(num_blocks, **options).submit(*submits).run()
