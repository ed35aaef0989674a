"""A deployment whose CUDA worker has emulated kernels says what one with the CPU worker says."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forge_common.client import ForgeClient, SamplingParams
from tests.integration.test_roles_alone import start_role, wait_until_it_says

pytestmark = pytest.mark.integration

EMULATED = "tests.integration.emulated_worker"
PROMPTS = [[1, 2, 3], list(range(50, 120)), [7] * 20]
LIMITS = ("--max-batch-size", "4", "--max-prefill-tokens", "32", "--max-model-len", "256")
ON_GPU = ("--backend", "cuda", "--dtype", "float32")


@contextmanager
def deployment(module: str, model: Path, *flags: str) -> Iterator[ForgeClient]:
    """A scheduler and one worker; both end well."""
    with tempfile.TemporaryDirectory(prefix="forge-test-") as run_dir:
        clients, workers = f"ipc://{run_dir}/c", f"ipc://{run_dir}/w"
        links = ("--worker-endpoint", workers)
        worker = start_role(module, "--model-path", str(model), *links, *LIMITS[:4], *flags)
        scheduler = start_role("forge_scheduler", "--client-endpoint", clients, *links, *LIMITS[:4])
        wait_until_it_says(worker, "connected to the scheduler")
        with ForgeClient.connect(clients, timeout_s=60.0) as forge:
            yield forge
        scheduler.terminate()
        for process in (scheduler, worker):  # which is dismissed
            process.communicate(timeout=20)
            assert process.returncode == 0


def outputs_of(forge: ForgeClient) -> list[list[int]]:
    """The last ones repeat themselves, so that they are drafted."""
    found = []
    for seed, prompt in enumerate(PROMPTS):
        for temperature in (0.0, 1.0):
            sampling = SamplingParams(max_tokens=12, seed=seed, temperature=temperature, top_k=20)
            outputs = forge.generate(prompt, sampling)
            found.append([token for output in outputs for token in output.token_ids])
    for penalty in (0.0, 0.7):
        sampling = SamplingParams(
            max_tokens=40, seed=3, logit_bias={7: 40.0, 8: 39.5}, frequency_penalty=penalty
        )
        outputs = forge.generate(PROMPTS[2], sampling)
        found.append([token for output in outputs for token in output.token_ids])
    return found


def test_tokens_over_sockets_are_those_of_the_cpu(small_model: Path) -> None:
    numpy = ("--backend", "cpu", "--cpu-kernels", "numpy")
    with deployment("forge_worker", small_model, *LIMITS[4:], *numpy) as forge:
        expected = outputs_of(forge)
    with deployment(EMULATED, small_model, *LIMITS[4:], *ON_GPU) as forge:
        assert outputs_of(forge) == expected
        assert forge.stats().accepted_tokens_total > 0
    assert [len(output) for output in expected] == [12] * 6 + [40] * 2
