"""Many streaming chat completions over raw asyncio sockets, counted as they arrive.

Cheap on purpose: the load must not cost more than what it measures. The token count of a stream is
what its closing `usage` says, since one event may carry several tokens. Knows nothing of the server
but HTTP.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from time import perf_counter
from urllib.parse import urlsplit


@dataclass
class StreamResult:
    status: int = 0
    num_tokens: int = 0
    started: float = 0.0
    first_event: float | None = None
    finished: float = 0.0


@dataclass
class LoadResult:
    streams: list[StreamResult] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        return sum(stream.num_tokens for stream in self.streams)

    @property
    def seconds(self) -> float:
        return max(s.finished for s in self.streams) - min(s.started for s in self.streams)

    @property
    def first_event_delays(self) -> list[float]:
        return sorted(s.first_event - s.started for s in self.streams if s.first_event is not None)

    @property
    def num_failed(self) -> int:
        return sum(stream.status != 200 for stream in self.streams)


def chat_body(max_tokens: int, prompt: str = "Tell me a story.") -> bytes:
    return json.dumps(
        {
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()


async def stream_once(
    base_url: str, body: bytes, path: str = "/v1/chat/completions"
) -> StreamResult:
    """One POST, read to its end."""
    url = urlsplit(base_url)
    result = StreamResult(started=perf_counter())
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (path.encode(), len(body), body)
    )
    result.status = int((await reader.readline()).split()[1])
    tail = b""
    while chunk := await reader.read(2**18):
        tail = (tail + chunk)[-4096:]
        if result.first_event is None and b"data: " in tail:
            result.first_event = perf_counter()
    result.finished = perf_counter()
    usage = re.search(rb'"completion_tokens":\s*(\d+)', tail)
    result.num_tokens = int(usage[1]) if usage else 0
    writer.close()
    return result


async def load(base_url: str, num_streams: int, body: bytes) -> LoadResult:
    """`num_streams` requests at once."""
    streams = await asyncio.gather(*(stream_once(base_url, body) for _ in range(num_streams)))
    return LoadResult(list(streams))


def main(base_url: str, num_streams: int, num_tokens: int) -> None:
    """Run a load and print what came of it as JSON."""
    result = asyncio.run(load(base_url, num_streams, chat_body(num_tokens)))
    outcome = {
        "num_tokens": result.num_tokens,
        "num_failed": result.num_failed,
        "seconds": result.seconds,
        "median_first_event_s": result.first_event_delays[len(result.streams) // 2],
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
