"""The switch between stacks, both the one by hand and the one for other processors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.parametrize("flags", [[], ["-DEMULATOR_PORTABLE_FIBERS"]], ids=["own", "portable"])
def test_two_fibers_take_turns_with_their_locals(tmp_path: Path, flags: list[str]) -> None:
    program = tmp_path / "fibers_check"
    sources = [FOLDER / "fibers_check.cpp", FOLDER / "cpp" / "fibers.cpp"]
    subprocess.run(["g++", "-std=c++17", "-O2", *flags, *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    once = "0:0:1.25 1:0:2.25 0:1:2.25 1:1:4.25 0:2:3.25 1:2:6.25 "
    assert done.stdout == 2 * once
