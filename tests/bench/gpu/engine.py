"""Engine: scheduler and CUDA worker in one process, without the sockets between them.

One step is launched ahead of the one that is awaited, as in serving, and the loop sleeps until the
device wakes it. Of each step it is noted when the device began and ended it. Knows no workload.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Semaphore
from typing import NamedTuple

from forge_common.backend_memory import EXPECTED_OVERHEAD_BYTES, DeviceMemory
from forge_common.checkpoint import Checkpoint, ModelConfig
from forge_common.config import (
    BatchSettings,
    CacheSettings,
    DeviceSettings,
    ModelSettings,
    WorkerConfig,
)
from forge_common.memory_plan import MemoryPlan, plan_memory
from forge_common.protocol.api_scheduler import Submit
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_common.sampling import SamplingParams
from forge_scheduler.scheduler import Limits, Scheduler
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.start import load_on
from forge_worker.runner import Runner
from tests.bench.gpu.bench_device import NOISE_BYTES, BenchDevice, Noise
from tests.bench.gpu.machine import Machine, Stamp
from tests.bench.gpu.nano_vllm import TEMPERATURE

CLIENT = b"bench"


class EngineSettings(NamedTuple):
    max_model_len: int = 4096
    max_batch_size: int = 256
    max_prefill_tokens: int = 4096
    num_blocks: int | None = None  # all that the device has room for
    is_deterministic: bool = False
    noise_bytes: int = NOISE_BYTES

    @property
    def config(self) -> WorkerConfig:
        return WorkerConfig(
            model=ModelSettings(max_model_len=self.max_model_len),
            device=DeviceSettings(
                backend="cuda", dtype="bfloat16", deterministic=self.is_deterministic
            ),
            cache=CacheSettings(num_blocks=self.num_blocks),
            batch=BatchSettings(
                max_batch_size=self.max_batch_size, max_prefill_tokens=self.max_prefill_tokens
            ),
        )


class StepRecord(NamedTuple):
    """`num_keys`: of all sequences together, those of this step among them."""

    begun: Stamp
    ended: Stamp
    num_sequences: int
    num_keys: int
    only_decodes: bool

    @property
    def seconds(self) -> float:
        return self.ended.seconds_since(self.begun)


class Engine:
    def __init__(self, machine: Machine, directory: Path, settings: EngineSettings) -> None:
        """Loads the model in `directory` with noise for weights."""
        self.settings = settings
        self._machine = machine
        self._begun: list[Stamp] = []
        self._device = BenchDevice(machine.device, lambda: self._begun.append(machine.stamp()))
        self._runner = self._load(directory)
        self._scheduler = self._make_scheduler(directory)
        self._num_submitted = 0
        self._woken = Semaphore(0)

    @property
    def num_output_tokens(self) -> int:
        """Since the start."""
        return self._scheduler.counters.num_output_tokens

    def submit(self, prompt_token_ids: Sequence[int], num_output_tokens: int) -> None:
        self._num_submitted += 1
        sampling = SamplingParams(
            max_tokens=num_output_tokens, seed=self._num_submitted, temperature=TEMPERATURE
        )
        name = str(self._num_submitted)
        self._scheduler.submit(CLIENT, Submit(name, list(prompt_token_ids), sampling))

    def run(self) -> list[StepRecord]:
        """Until nothing is left to do; the steps in their order, all of them over."""
        records: list[StepRecord] = []
        with self._runner.waking(self._woken.release):
            while not self._scheduler.is_empty:
                batch = self._scheduler.schedule()
                if batch is None:
                    self._take_in()
                else:
                    records.append(self._launch(batch.to_run_batch()))
        self._machine.device.synchronize()
        return records

    def record_graphs(self) -> None:
        """Run every size of batch, from the largest to one, so that each has its graph."""
        for number in range(self.settings.max_batch_size):
            self.submit([number % self._vocab_size], 3 + number)
        self.run()

    def _load(self, directory: Path) -> Runner:
        library, settings = self._machine.library(), self.settings
        self._device.noise = Noise(self._device, Precision.BFLOAT16, settings.noise_bytes)
        free_before = self._machine.free_at_start
        loaded = load_on(
            self._device, library, settings.config, directory, lambda done, total: None, free_before
        )
        self._device.noise = None
        self.limits = loaded.limits
        return loaded.runner

    def _make_scheduler(self, directory: Path) -> Scheduler:
        settings = self.settings
        self._vocab_size = self.limits.vocab_size
        limits = Limits(
            max_batch_size=settings.max_batch_size,
            max_prefill_tokens=settings.max_prefill_tokens,
            max_model_len=self.limits.max_model_len,
            vocab_size=self._vocab_size,
            has_prefix_cache=False,  # or a prompt that comes again would be there already
        )
        return Scheduler(limits, self.limits.num_blocks, self.limits.block_size)

    def _launch(self, batch: RunBatch) -> StepRecord:
        self._device.expect_step()
        self._runner.launch(batch)
        ended = self._machine.stamp()
        lengths = [part.num_computed_tokens + part.num_scheduled_tokens for part in batch.scheduled]
        only_decodes = all(
            part.num_scheduled_tokens == 1 and part.is_sampling for part in batch.scheduled
        )
        return StepRecord(self._begun.pop(), ended, len(lengths), sum(lengths), only_decodes)

    def _take_in(self) -> None:
        """Wait for the oldest step."""
        self._runner.use_spare_time()
        outputs = self._runner.finished()
        while not outputs:
            self._woken.acquire()
            outputs = self._runner.finished()
        for output in outputs:
            _check(output)
            self._scheduler.update(output)


def _check(output: BatchOutput) -> None:
    """What failed took less time than it should have."""
    errors = [sequence.error for sequence in output.sequences if sequence.error is not None]
    if errors:
        raise RuntimeError(f"a sequence failed: {errors[0]}")


def planned(machine: Machine, directory: Path, settings: EngineSettings) -> MemoryPlan:
    """As `forge-launch --plan` has it, before the device is opened."""
    config, info = settings.config, machine.device.info
    share_bytes = int(info.total_bytes * config.device.gpu_memory_utilization)
    memory = DeviceMemory(
        name=info.name,
        precision="bfloat16",
        available_bytes=min(share_bytes, machine.free_at_start),
        reserved_bytes=EXPECTED_OVERHEAD_BYTES,
    )
    with Checkpoint.open(directory) as checkpoint:
        return plan_memory(
            checkpoint, config.cache, config.batch, config.model.max_model_len, memory
        )


def config_of(directory: Path) -> ModelConfig:
    with Checkpoint.open(directory) as checkpoint:
        return checkpoint.config
