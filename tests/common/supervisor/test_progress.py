"""Loading is told seldom enough to read and with the rate that makes it bearable."""

from __future__ import annotations

import pytest

from forge_common.readiness import Progress
from forge_common.supervisor.progress import LoadingText, bytes_text

GIB = 2**30


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (7.5 * GIB, "7.5 GiB"),
        (2**60, "1048576.0 TiB"),
    ],
)
def test_bytes_in_a_unit_that_fits(num_bytes: float, text: str) -> None:
    assert bytes_text(num_bytes) == text


def test_share_and_rate() -> None:
    loading = LoadingText(started_at_s=10.0, interval_s=1.0)
    assert loading.update(Progress(GIB, 4 * GIB), 12.0) == (
        "loading weights: 25 % of 4.0 GiB, 512.0 MiB/s"
    )


def test_quiet_between_two_lines() -> None:
    loading = LoadingText(started_at_s=0.0, interval_s=1.0)
    said = [loading.update(Progress(1, 10), tenths / 10) for tenths in range(31)]
    assert len([text for text in said if text]) == 3


def test_end_is_always_said() -> None:
    loading = LoadingText(started_at_s=0.0, interval_s=100.0)
    assert loading.update(Progress(GIB, GIB), 2.0) == (
        "loaded 1.0 GiB of weights in 2.0 s (512.0 MiB/s)"
    )


def test_no_rate_from_hardly_any_time() -> None:
    loading = LoadingText(started_at_s=0.0, interval_s=1.0)
    assert loading.update(Progress(GIB, GIB), 0.0) == "loaded 1.0 GiB of weights"
