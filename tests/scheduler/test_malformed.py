from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_common.protocol.api_scheduler import Malformed, Rejected
from forge_common.transport import Undecodable
from forge_scheduler.malformed import answer_to

TOO_DEEP = b"\x91" * 100_000


def answer_to_frame(frame: bytes) -> Malformed | Rejected:
    return answer_to(Undecodable("why", frame))


@pytest.mark.parametrize(
    "rest", [[], ["no prompt"], [[1], {"temperature": "hot"}], [[], [8, 1], 0, "surplus"]]
)
def test_request_with_a_name_is_rejected_by_it(rest: list[Any]) -> None:
    answer = answer_to_frame(msgspec.msgpack.encode(["Submit", "r1", *rest]))
    assert answer == Rejected("r1", "why", code="malformed_request")


@pytest.mark.parametrize("request_id", [None, 7, "", "r" * 129, ["r"]])
def test_request_without_a_valid_name_is_malformed(request_id: Any) -> None:
    frame = msgspec.msgpack.encode(["Submit", request_id, [1], [8, 1]])
    assert answer_to_frame(frame) == Malformed("why")


@pytest.mark.parametrize("message", [["Submit"], ["Abort", "r1", 99], ["Submit2", "r1"], "r1", {}])
def test_what_is_no_request_is_malformed(message: Any) -> None:
    assert answer_to_frame(msgspec.msgpack.encode(message)) == Malformed("why")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x92\xa6Submit\xa2\xff\xfe",
        b"\x94\xa6Submit\xa2r1\x91",
        b"\x93\xa6Submit\xa2r1" + TOO_DEEP,
    ],
    ids=["nothing", "no UTF-8", "cut off", "too deep"],
)
def test_bytes_that_cannot_be_read_are_malformed(frame: bytes) -> None:
    assert answer_to_frame(frame) == Malformed("why")


@given(st.binary(max_size=64))
def test_any_bytes_have_an_answer(tail: bytes) -> None:
    answer_to_frame(b"\x94\xa6Submit" + tail)
