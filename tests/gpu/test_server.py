"""`forge-launch --backend cuda` answers as it does on the CPU, and gives the GPU back."""

from __future__ import annotations

import os
import time

import pytest

from forge_common.nvidia_gpus import find_gpu
from forge_worker.cuda.cupy_device import CupyDevice
from tests.gpu.conftest import INDEX
from tests.integration import launched_forge
from tests.integration.conftest import Launch, launch, small_model
from tests.integration.launched_forge import LaunchedForge

__all__ = ["launch", "small_model"]  # fixtures

PROMPTS = ["What is Forge?", "What is 17 + 25?", "The capital of France is"]
FIRST_START_S = 120.0  # kernels are compiled and products measured, perhaps beside other work
GIVEN_BACK_S = 10.0
ON_GPU = ("--backend", "cuda", "--device", str(INDEX), "--dtype", "float32")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launched_forge, "START_TIMEOUT_S", FIRST_START_S)


def texts(forge: LaunchedForge) -> list[str]:
    wish = {"model": forge.model, "max_tokens": 24, "temperature": 0.0}
    replies = [forge.post("/v1/completions", prompt=prompt, **wish) for prompt in PROMPTS]
    return [reply["choices"][0]["text"] for reply in replies]


def free_bytes() -> int:
    found = find_gpu(INDEX, os.environ)
    assert found is not None
    return found.free_bytes


def test_texts_are_those_of_the_cpu(gpu: CupyDevice, launch: Launch) -> None:
    on_cpu = texts(launch("--backend", "cpu", model=None).wait_until_ready())
    for _ in ("first start", "from what it kept"):
        forge = launch(*ON_GPU, "--gpu-memory-utilization", "0.3", model=None)
        assert texts(forge.wait_until_ready()) == on_cpu
        forge.terminate()
        assert forge.wait_until_ended().exit_code == 0


def test_gpu_is_given_back(gpu: CupyDevice, launch: Launch) -> None:
    before = free_bytes()
    forge = launch(*ON_GPU, "--gpu-memory-utilization", "0.3", model=None).wait_until_ready()
    assert free_bytes() < before
    forge.terminate()
    forge.wait_until_ended()
    deadline = time.monotonic() + GIVEN_BACK_S
    while free_bytes() < before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_share_that_is_too_small_is_one_sentence(gpu: CupyDevice, launch: Launch) -> None:
    ended = launch(*ON_GPU, "--gpu-memory-utilization", "0.001", model=None).wait_until_ended()
    assert ended.exit_code != 0
    assert "GiB" in ended.last_line
    assert not any("Traceback" in line for line in ended.lines)
