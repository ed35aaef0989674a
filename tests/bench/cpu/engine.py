"""Engine: Forge's scheduler and CPU worker in one process, without the sockets between them.

Run as a process it answers loads, a line of JSON each, with the seconds they took; between two
lines it sleeps. Knows no peer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from time import perf_counter

import msgspec

from forge_worker.blas_environment import prepare_blas

prepare_blas(os.environ)  # before anything imports NumPy

from forge_common.config import (  # noqa: E402
    BatchSettings,
    CacheSettings,
    DeviceSettings,
    ModelSettings,
    WorkerConfig,
)
from forge_common.protocol.api_scheduler import Submit  # noqa: E402
from forge_common.sampling import FinishReason, SamplingParams  # noqa: E402
from forge_scheduler.scheduler import Limits, Scheduler  # noqa: E402
from forge_worker.start import load  # noqa: E402
from tests.bench.cpu.cases import Load  # noqa: E402

MAX_MODEL_LEN = 2048
MAX_BATCH_SIZE = 32
MAX_PREFILL_TOKENS = 4096
BLOCK_SIZE = 16
CLIENT = b"bench"


class Asked(msgspec.Struct, frozen=True):
    """What the process is started with."""

    directory: str
    quantize: str
    num_threads: int
    num_kv_tokens: int


class Engine:
    def __init__(self, asked: Asked) -> None:
        config = WorkerConfig(
            model=ModelSettings(model_path=Path(asked.directory), max_model_len=MAX_MODEL_LEN),
            device=DeviceSettings(
                backend="cpu", threads=asked.num_threads, quantize=asked.quantize
            ),
            cache=CacheSettings(num_blocks=asked.num_kv_tokens // BLOCK_SIZE),
            batch=BatchSettings(
                max_batch_size=MAX_BATCH_SIZE, max_prefill_tokens=MAX_PREFILL_TOKENS
            ),
        )
        loaded = load(config, lambda done, total: None)
        self._runner = loaded.runner
        self._vocab_size = loaded.limits.vocab_size
        limits = Limits(
            max_batch_size=MAX_BATCH_SIZE,
            max_prefill_tokens=MAX_PREFILL_TOKENS,
            max_model_len=MAX_MODEL_LEN,
            vocab_size=self._vocab_size,
            max_steps_in_flight=1,
            has_prefix_cache=False,  # or a prompt that comes again would be there already
        )
        self._scheduler = Scheduler(limits, loaded.limits.num_blocks, BLOCK_SIZE)
        self._num_submitted = 0

    def seconds(self, load: Load) -> float:
        """Of the prompts where the load is one, else of the steps in which all decode."""
        silent = {self._submit(load) for _ in range(load.batch_size)}
        started = perf_counter()
        while silent:
            silent -= self._step()
        prompted = perf_counter()
        for _ in range(0 if load.is_prefill else load.num_steps):
            self._step()
        ended = perf_counter()
        self._scheduler.end_all(FinishReason.ABORT)
        return prompted - started if load.is_prefill else ended - prompted

    def _submit(self, load: Load) -> str:
        """A prompt of tokens that differ, to be gone on with greedily; its request's id."""
        self._num_submitted += 1
        first = 11 * self._num_submitted
        prompt = [(first + 7 * place) % self._vocab_size for place in range(load.context)]
        num_prefill_steps = -(-load.batch_size * load.context // MAX_PREFILL_TOKENS)
        num_tokens = 1 if load.is_prefill else 2 * num_prefill_steps + load.num_steps
        sampling = SamplingParams(max_tokens=num_tokens, temperature=0.0, seed=1)
        request_id = str(self._num_submitted)
        self._scheduler.submit(CLIENT, Submit(request_id, prompt, sampling))
        return request_id

    def _step(self) -> set[str]:
        """One step; the requests that have a token of it."""
        batch = self._scheduler.schedule()
        if batch is None:
            raise RuntimeError("nothing to run")
        self._runner.launch(batch.to_run_batch())
        heard: set[str] = set()
        for output in self._runner.finished():
            for outputs in self._scheduler.update(output).values():
                heard.update(sequence.request_id for sequence in outputs)
        return heard


def main() -> None:
    engine = Engine(msgspec.json.decode(sys.argv[1], type=Asked))
    print("ready", flush=True)
    for line in sys.stdin:
        load = msgspec.json.decode(line, type=Load)
        print(engine.seconds(load), flush=True)


if __name__ == "__main__":
    main()
