"""compute-sanitizer finds nothing in the kernels, and something where something is.

It comes with the CUDA toolkit; without it these tests are skipped. A run takes minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from forge_worker.cuda.cupy_device import CupyDevice
from tests.gpu.writes import NUM_BYTES

FOUND = 99  # the exit status of a run in which something was found
TIMEOUT_S = 540
MEMCHECK = (
    "intrinsics", "norm", "rotary", "embedding", "activation", "finite",
    "attention", "attention_tile", "skinny", "sampler", "logprobs", "step_kernels",
    "logit_cap", "routing", "grouped",
)  # fmt: skip
RACECHECK = (
    "intrinsics", "norm", "attention", "attention_tile", "skinny", "sampler", "logprobs",
    "routing", "grouped",
)  # fmt: skip
RUNS = [*(("memcheck", name) for name in MEMCHECK), *(("racecheck", name) for name in RACECHECK)]


def sanitized(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if not shutil.which(sanitizer):
        pytest.skip("there is no compute-sanitizer")
    options = ["--tool", tool, "--error-exitcode", str(FOUND), "--target-processes", "all"]
    command = [sanitizer, *options, sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)


@pytest.mark.parametrize(("tool", "name"), RUNS)
def test_kernels_are_clean(gpu: CupyDevice, tool: str, name: str) -> None:
    done = sanitized(tool, "pytest", "-q", "-x", "-m", "gpu", f"tests/gpu/test_{name}.py")
    assert done.returncode == 0, done.stdout[-4000:]


def test_write_past_the_end_is_found(gpu: CupyDevice) -> None:
    """A test of the tests: the byte behind an allocation, where CUDA itself notices nothing."""
    assert sanitized("memcheck", "tests.gpu.writes", str(NUM_BYTES - 1)).returncode == 0
    assert sanitized("memcheck", "tests.gpu.writes", str(NUM_BYTES)).returncode == FOUND
