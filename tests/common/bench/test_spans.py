"""Spans of time, from text and to text."""

from __future__ import annotations

import pytest

from forge_common.bench.spans import significant, span_s, span_text
from forge_common.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("1.5s", 1.5), ("2m", 120), ("30", 30), ("80 us", 8e-5), (".5s", 0.5)],
)
def test_span_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert span_s(text, "--x") == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "5 weeks", "0ms", "1e3"])
def test_what_is_no_span_is_refused_with_the_flag(text: str) -> None:
    with pytest.raises(ConfigError, match="--slo ttft"):
        span_s(text, "--slo ttft")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (12.3456, "12.3 s"),
        (0.0123, "12.3 ms"),
        (1.5e-5, "15.0 µs"),
        (123.4, "123 s"),
    ],
)
def test_span_is_told_in_the_unit_a_reader_would_choose(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1234567.8, "1,234,568"), (99.96, "100"), (9.996, "10.0"), (0.5, "0.5")]
)
def test_three_digits_count(value: float, text: str) -> None:
    assert significant(value) == text
