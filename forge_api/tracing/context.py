"""Where a request stands in a trace that its client began: the `traceparent` header.

As https://www.w3.org/TR/trace-context/ has it; what is not well formed is as good as none. Knows no
span and no exporter.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HEADER: Final = "traceparent"
SAMPLED: Final = 1
MAX_CHARS: Final = 256  # of versions to come, which may have more behind the flags
_WELL_FORMED: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z"
)


class TraceContext(NamedTuple):
    trace_id: str  # 32 hexadecimal digits
    parent_id: str  # 16
    is_sampled: bool


def trace_context_of(header: str | None) -> TraceContext | None:
    if header is None or len(header) > MAX_CHARS:
        return None
    found = _WELL_FORMED.match(header)
    if found is None or (found[1] == "00" and found[5] is not None):
        return None
    return TraceContext(found[2], found[3], bool(int(found[4], 16) & SAMPLED))
