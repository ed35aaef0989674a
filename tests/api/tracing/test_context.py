"""`traceparent`, as the W3C has it: taken where it is well formed, else as good as none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.tracing.context import TraceContext, trace_context_of

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "is_sampled"), [("01", True), ("00", False), ("03", True)])
def test_well_formed_header_is_taken(flags: str, is_sampled: bool) -> None:
    context = trace_context_of(f"00-{TRACE_ID}-{PARENT_ID}-{flags}")
    assert context == TraceContext(TRACE_ID, PARENT_ID, is_sampled)


def test_later_versions_may_say_more() -> None:
    assert trace_context_of(f"01-{TRACE_ID}-{PARENT_ID}-01-more") is not None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{PARENT_ID}-01-more",
        f"00-{TRACE_ID}-{PARENT_ID}-01\n",
        f"01-{TRACE_ID}-{PARENT_ID}-01-{'x' * 300}",
    ],
)
def test_malformed_header_is_none(header: str | None) -> None:
    assert trace_context_of(header) is None


@given(st.text())
def test_any_text_is_taken_or_not(text: str) -> None:
    trace_context_of(text)
