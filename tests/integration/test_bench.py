"""`forge-bench` against a real deployment of the demo model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forge_common.bench.result import read_result
from tests.integration.conftest import Launch

pytestmark = pytest.mark.integration


def test_demo_model_is_measured(launch: Launch, tmp_path: Path) -> None:
    forge = launch(model=None).wait_until_ready()
    command = [sys.executable, "-m", "forge_common.bench.cli", "run", "--url", f"{forge.url}/v1"]
    load = ["--num-requests", "6", "--concurrency", "3", "--ignore-eos"]
    dataset = ["--dataset", "shared-prefix:prefix=64,in=16,out=8", "--slo", "e2e=60s"]
    files = ["--json", str(tmp_path / "run.json"), "--html", str(tmp_path / "run.html")]
    done = subprocess.run([*command, *load, *dataset, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "run.json")
    counts = result.summary.counts
    assert result.settings.model == forge.model
    assert counts.num_succeeded == counts.num_counted_by_usage == 6
    assert counts.num_output_tokens == 6 * 8
    # As long as was asked for, by the server's own count, and the prefix was found again.
    assert counts.num_prompt_tokens == pytest.approx(6 * 80, rel=0.1)
    assert counts.num_cached_tokens
    assert result.summary.goodput is not None
    assert result.summary.goodput.share == 1.0
    assert "6 of 6 succeeded" in done.stdout
