"""The images as they are written down: from the lock by hash, without root, told when to stop."""

from __future__ import annotations

import re

import pytest

from tests.deploy.files import DEPLOY

DOCKERFILES = ["Dockerfile.cpu", "Dockerfile.gpu"]


@pytest.fixture(params=DOCKERFILES)
def dockerfile(request: pytest.FixtureRequest) -> str:
    return (DEPLOY / request.param).read_text()


def test_image_installs_by_hash_and_keeps_no_installer(dockerfile: str) -> None:
    installs = re.findall(r"pip install (?:[^&]|\\\n)*", dockerfile)
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command
    assert re.search(r"pip uninstall -y .*\n?.*\bpip\b", dockerfile)


def test_image_takes_no_other_index(dockerfile: str) -> None:
    assert "index-url" not in dockerfile
    assert "find-links" not in dockerfile


def test_image_runs_as_nobody_special_and_stops_on_sigterm(dockerfile: str) -> None:
    last_stage = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last_stage
    assert "\nSTOPSIGNAL SIGTERM\n" in last_stage
    assert '"forge_common.health", "api"' in last_stage
    assert "org.opencontainers.image.version" in last_stage
    assert "NUMBA_CACHE_DIR=" in last_stage


def test_image_of_the_cpu_has_nothing_beneath_it() -> None:
    stages = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile.cpu").read_text(), re.MULTILINE)
    assert stages == ["${PYTHON_IMAGE}", "scratch"]


def test_context_of_a_build_leaves_out_everything_that_is_not_named() -> None:
    lines = (DEPLOY.parent / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {f"!{name}" for name in ("forge_api", "forge_common")} <= set(lines)
    assert "**/*.key_secret" in lines
