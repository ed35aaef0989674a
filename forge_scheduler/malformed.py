"""The answer to bytes that are no message: to the request they were to be, where that has a name.

So a client that waits for the answer to its request learns of its mistake at once, whatever
language it is written in. Knows nothing of what a request may hold beyond its id.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from forge_common.protocol.api_scheduler import Malformed, Rejected, Submit
from forge_common.protocol.message import RequestId
from forge_common.transport import Undecodable


class SubmitHead(Struct, frozen=True, tag=Submit.__name__, array_like=True):
    """A Submit as far as its id; whatever comes behind is passed over."""

    request_id: RequestId


def answer_to(undecodable: Undecodable) -> Malformed | Rejected:
    try:
        head = msgspec.msgpack.decode(undecodable.frame, type=SubmitHead)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Malformed(undecodable.reason)
    return Rejected(head.request_id, undecodable.reason, code="malformed_request")
