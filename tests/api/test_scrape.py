"""A scrape: how long it takes, and the sum when several API processes share what they count."""

from __future__ import annotations

import os
import subprocess
import sys
import timeit
from pathlib import Path

from forge_api.metrics import Metrics
from forge_api.scrape import EngineNumbers, Scrape, ScrapeOptions
from tests.api.fakes import READY, STATS

COUNT = """
from forge_api.metrics import Metrics, RequestSizes
from forge_api.scrape import EngineNumbers, Scrape, ScrapeOptions
metrics = Metrics()
metrics.finished("stop")
metrics.time_to_first_token.observe(0.5)
metrics.measured(RequestSizes(9, 5, 7, 7, 1, 20))
options = ScrapeOptions("tiny", True, {directory!r})
print(Scrape(metrics, EngineNumbers(None, None), options).text().decode())
"""


def test_every_process_answers_with_the_sum(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    program = COUNT.format(directory=str(tmp_path))
    command = [sys.executable, "-c", program]
    for _ in range(2):
        text = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    lines = text.decode().splitlines()
    assert 'forge_requests_finished_total{finished_reason="stop"} 2.0' in lines
    assert "forge_time_to_first_token_seconds_count 2.0" in lines
    assert "forge_request_prefill_tokens_sum 10.0" in lines
    success = 'vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny"} 2.0'
    assert success in lines


def test_a_scrape_takes_milliseconds() -> None:
    metrics, numbers = Metrics(), EngineNumbers(READY, STATS)
    for status in range(200, 230):
        metrics.replied("POST", "/v1/chat/completions", status)
    scrape = Scrape(metrics, numbers, ScrapeOptions("tiny", True, None))
    assert min(timeit.repeat(scrape.text, number=1, repeat=7)) < 0.02
