"""What OpenBLAS is told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from forge_worker.blas_environment import AVX512, is_misjudged, prepare_blas

ZEN_5 = {"vendor_id": "AuthenticAMD", "cpu family": "26", "flags": "fpu " + " ".join(AVX512)}


def test_newest_amd_processors_are_misjudged() -> None:
    assert is_misjudged(ZEN_5)


@pytest.mark.parametrize(
    "changes",
    [
        {"vendor_id": "GenuineIntel"},
        {"cpu family": "25"},
        {"flags": "fpu avx2"},
        {"cpu family": ""},
    ],
)
def test_others_are_left_alone(changes) -> None:
    assert not is_misjudged({**ZEN_5, **changes})


def test_blas_leaves_threads_to_forge() -> None:
    environment: dict[str, str] = {}
    prepare_blas(environment)
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


def test_what_the_environment_says_already_stays() -> None:
    environment = {"OPENBLAS_NUM_THREADS": "7", "OPENBLAS_CORETYPE": "Zen"}
    prepare_blas(environment)
    assert environment == {"OPENBLAS_NUM_THREADS": "7", "OPENBLAS_CORETYPE": "Zen"}


def test_numpy_is_not_imported_before_its_environment_is_set() -> None:
    code = "import sys, forge_worker.__main__; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
