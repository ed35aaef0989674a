"""How the replies of a route look: what is made of the deltas of a request, whole or as a stream.

Knows neither chat nor text.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from forge_api.completion import ChoiceDelta, Usage
from forge_api.sse import ReplyHeader
from forge_api.timings import Timings
from forge_api.valid_request import ValidRequest
from forge_common.tokenizer import Tokenizer


class Whole(Protocol):
    def add(self, delta: ChoiceDelta) -> None: ...
    def body(self, usage: Usage, timings: Timings | None = None, /) -> bytes: ...


class Stream(Protocol):
    def opening(self) -> bytes: ...
    def chunks(self, delta: ChoiceDelta, usage: Usage | None) -> bytes: ...
    def closing(self, usage: Usage | None, timings: Timings | None, /) -> bytes: ...


class MakeWhole(Protocol):
    def __call__(
        self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer, /
    ) -> Whole: ...


class MakeStream(Protocol):
    def __call__(
        self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer, /
    ) -> Stream: ...


class ReplyKind(NamedTuple):
    """How the replies of a route look."""

    id_prefix: str
    object: str
    chunk_object: str
    whole: MakeWhole
    stream: MakeStream
