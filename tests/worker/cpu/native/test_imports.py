"""Who imports the compiler: the worker that uses its kernels, and nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    ["forge_api.role", "forge_scheduler.process", "forge_worker.process", "forge_worker.start"],
)
def test_numba_is_imported_only_where_native_kernels_are_used(module: str) -> None:
    code = f"import sys, {module}; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
