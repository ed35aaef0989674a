"""The line of progress: what it says, and that it is written on terminals only."""

from __future__ import annotations

import asyncio
import io

import pytest

from forge_common.bench.progress import ERASE_LINE, Progress, shown
from tests.common.bench.builders import failed, observation


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_counts_what_ended_and_what_failed() -> None:
    progress = Progress(4, None)
    for _ in range(3):
        progress.sent()
    progress.ended(observation(1, 2, due=0, sent=0.5, tokens=20).record)
    progress.ended(failed("timeout").record)
    assert progress.line(10.0) == (
        "[############............] 2/4 ended, 1 under way, 1 failed, 2 tokens/s, "
        "sent up to 500 ms late"
    )


def test_bar_follows_time_where_time_ends_the_run() -> None:
    assert Progress(None, 10.0).line(5.0).startswith("[############............] 0 ended")
    assert Progress(None, 10.0).line(99.0).startswith("[########################]")


@pytest.mark.parametrize(("stream", "is_shown"), [(Terminal(), True), (io.StringIO(), False)])
def test_only_a_terminal_is_written_to(stream: io.StringIO, is_shown: bool) -> None:
    async def body() -> None:
        async with shown(Progress(1, None), stream):
            await asyncio.sleep(0.3)

    asyncio.run(body())
    assert ("under way" in stream.getvalue()) is is_shown
    assert stream.getvalue().endswith(ERASE_LINE if is_shown else "")
