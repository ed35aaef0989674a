"""docs/zmq-client.md says what the code does: its tables and its bytes.

That its example runs is shown in tests/integration.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import msgspec

from forge_common.grammar.program import Program
from forge_common.protocol.api_scheduler import ClientMessage, SchedulerMessage, Submit
from forge_common.sampling import SamplingParams
from tests.common.client.wire_page import (
    EXAMPLES,
    PAGE,
    grammar_example,
    python_example,
    with_derived_sections,
)

EXAMPLE = re.compile(r"```text\n(?P<json>\[.*)\n(?P<hex>[0-9a-f \n]+)\n```")


def test_page_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert with_derived_sections(page) == page, "run python -m tests.common.client.wire_page"


def test_bytes_on_the_page_decode_to_what_stands_above_them() -> None:
    found = list(EXAMPLE.finditer(PAGE.read_text()))
    assert len(found) == len(EXAMPLES)
    for match in found:
        frame = bytes.fromhex(match["hex"])
        assert msgspec.json.encode(msgspec.msgpack.decode(frame)).decode() == match["json"]
        assert msgspec.msgpack.decode(frame, type=ClientMessage | SchedulerMessage) in EXAMPLES


def test_fields_may_be_left_out_from_the_end() -> None:
    frame = msgspec.msgpack.encode(["Submit", "r1", [3], [16, 7]])
    expected = Submit("r1", [3], SamplingParams(max_tokens=16, seed=7))
    assert msgspec.msgpack.decode(frame, type=ClientMessage) == expected


def test_example_is_ten_lines() -> None:
    assert len(python_example().splitlines()) <= 10


def test_example_of_a_grammar_makes_a_program(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text("EOS_TOKEN_IDS = (2,)\n" + grammar_example())
    params = runpy.run_path(str(path))["params"]
    assert isinstance(msgspec.msgpack.decode(params.grammar, type=Program), Program)
