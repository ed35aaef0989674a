"""What is wrong with a text that was refused as JSON, and at which byte.

The parser stops where it notices, and says so in words that mislead: half a surrogate pair is
"truncated" to it, a long number "out of range". Asked only once something was refused. Knows no
fields.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LEVELS = 300  # whatever is refused as too deep is deeper
MAX_DIGITS = 4300  # of an integer
MAX_SCANNED_BYTES = 2**20
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]|-?[0-9][0-9.eE+-]*+', re.DOTALL)
ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
HIGH, LOW, END = 0xD800, 0xDC00, 0xE000


class _Fault(NamedTuple):
    what: str
    byte: int

    def __str__(self) -> str:
        return f"{self.what}, at byte {self.byte}"


def fault_of(raw: bytes | bytearray, error: Exception) -> str:
    """In words that follow "…: "."""
    start = raw[:MAX_SCANNED_BYTES]
    if isinstance(error, RecursionError):
        return str(_too_deep(start) or "values are nested too deep")
    return str(_not_unicode(raw) or _unreadable(start) or error)


def _not_unicode(raw: bytes | bytearray) -> _Fault | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return _Fault("it is not UTF-8", error.start)
    return None


def _too_deep(raw: bytes | bytearray) -> _Fault | None:
    level = 0
    for token in TOKEN.finditer(raw):
        level += (token[0] in b"[{") - (token[0] in b"]}")
        if level > MAX_LEVELS:
            return _Fault(f"values are nested more than {MAX_LEVELS} deep", token.start())
    return None


def _unreadable(raw: bytes | bytearray) -> _Fault | None:
    """A token that no value is made of, although its grammar is right."""
    for token in TOKEN.finditer(raw):
        text = token[0]
        if text.startswith(b'"'):
            half = _half_a_pair(text)
            if half is not None:
                what = f"`\\{half.what}` is half a surrogate pair"
                return _Fault(what, token.start() + half.byte)
        elif _is_too_large(text):
            return _Fault("a number is too large", token.start())
    return None


def _half_a_pair(text: bytes) -> _Fault | None:
    high: re.Match[bytes] | None = None
    for escape in ESCAPE.finditer(text):
        code = int(escape[1] or b"0", 16)
        is_low = LOW <= code < END
        is_paired = high is not None and high.end() == escape.start() and is_low
        if high is not None and not is_paired:
            return _fault_of_escape(high)
        if is_low and not is_paired:
            return _fault_of_escape(escape)
        high = escape if HIGH <= code < LOW else None
    return None if high is None else _fault_of_escape(high)


def _fault_of_escape(escape: re.Match[bytes]) -> _Fault:
    return _Fault(escape[0][1:].decode(), escape.start())


def _is_too_large(text: bytes) -> bool:
    """Unlike a sequence of digits that is no number at all, which the parser can tell."""
    if not re.fullmatch(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text):
        return False
    is_long = len(text) > MAX_DIGITS and text.lstrip(b"-").isdigit()
    return is_long or abs(float(text)) == float("inf")
