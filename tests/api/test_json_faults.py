"""Whoever sends what cannot be read is told what is wrong with it, and where."""

from __future__ import annotations

import time

import msgspec
import pytest

from forge_api.json_faults import MAX_LEVELS, fault_of


def fault_in(raw: bytes) -> str:
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return fault_of(raw, error)
    raise AssertionError("it can be read")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b'{"a": "x\\ud800y"}', "`\\ud800` is half a surrogate pair, at byte 8"),
        (b'{"a": "\\udc00"}', "`\\udc00` is half a surrogate pair, at byte 7"),
        (b'["\\ud83d\\ude00", "\\uD83D\\\\"]', "`\\uD83D` is half a surrogate pair, at byte 18"),
        (b'["\\ud800\\ud800\\udc00"]', "`\\ud800` is half a surrogate pair, at byte 2"),
        (b'{"a": ' + b"1" * 300_000 + b"}", "a number is too large, at byte 6"),
        (b"[1, -1e999]", "a number is too large, at byte 4"),
        (b"[" * 5000 + b"]" * 5000, f"values are nested more than {MAX_LEVELS} deep, at byte 300"),
        (b'["[", ' + b'{"a":' * 5000, "values are nested more than 300 deep, at byte 1501"),
        (b'["a\xff"]', "it is not UTF-8, at byte 3"),
    ],
    ids=range(9),
)
def test_faults_are_named_with_their_place(raw: bytes, what: str) -> None:
    assert fault_in(raw) == what


@pytest.mark.parametrize(
    "raw", [b'{"a": tru}', b'{"a": "x"', b"", b'["\\ud83d\\ude00", nul]', b"[01]"]
)
def test_other_faults_are_said_as_the_parser_says_them(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError) as raised:
        msgspec.json.decode(raw)
    assert fault_in(raw) == str(raised.value)


@pytest.mark.parametrize("raw", [b'["' + b'\\"' * 2**22, b'"' * (2**23 + 1), b"1." * 2**22])
def test_hostile_texts_are_judged_soon(raw: bytes) -> None:
    began = time.process_time()
    assert fault_in(raw)
    assert time.process_time() - began < 2
