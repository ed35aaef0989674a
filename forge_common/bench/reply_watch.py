"""ReplyWatch: one reply as it comes, event by event, to a record. Knows no clock and no socket."""

from __future__ import annotations

from array import array

import msgspec

from forge_common.bench.event_stream import Done, StreamEvent, Usage
from forge_common.bench.records import Failure, Observation, RequestRecord, gaps

MAX_DETAIL_CHARS = 300


class RequestFailed(Exception):
    """This request is over, and counts as failed."""

    def __init__(self, kind: str, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(kind)
        self.failure = Failure(kind, detail[:MAX_DETAIL_CHARS], retry_after_s)


class ReplyWatch:
    def __init__(self, index: int, intended_s: float, sent_s: float) -> None:
        self._index = index
        self._intended_s = intended_s
        self._sent_s = sent_s
        self._content_times_s = array("d")
        self._usage = Usage()
        self._is_content_over = False
        self._done_s: float | None = None
        self._is_resent = False
        self.has_begun = False

    def begun(self) -> None:
        """The server answers."""
        self.has_begun = True

    def resent(self) -> None:
        """It went out a second time; the first time of sending stays."""
        self._is_resent = True

    def see(self, event: StreamEvent | Done, now_s: float) -> None:
        """Raises RequestFailed where the server says that it failed."""
        if isinstance(event, Done):
            self._done_s = now_s
            return
        if event.error is not None:
            raise RequestFailed("error event", msgspec.json.encode(event.error).decode())
        if event.has_content:
            self._content_times_s.append(now_s)
        if event.is_last_content:
            self._is_content_over = True
        if event.usage is not None:
            self._usage = event.usage

    def ended(self, now_s: float) -> Observation:
        """The connection gave all it had. Some servers leave `[DONE]` out."""
        if self._done_s is None and not self._is_content_over:
            return self.failed(Failure("broken stream", "ended without [DONE]"), now_s)
        end_s = now_s if self._done_s is None else self._done_s
        if not self._content_times_s:
            return self.failed(Failure("no content", "ended without any text"), end_s)
        return self._observation(end_s, None)

    def failed(self, failure: Failure, now_s: float) -> Observation:
        return self._observation(now_s, failure)

    def _observation(self, end_s: float, failure: Failure | None) -> Observation:
        times = self._content_times_s
        num_by_usage = self._usage.completion_tokens
        record = RequestRecord(
            index=self._index,
            intended_s=self._intended_s,
            sent_s=self._sent_s,
            end_s=end_s,
            first_content_s=times[0] if times else None,
            longest_gap_s=max(gaps(times), default=None),
            num_content_events=len(times),
            num_output_tokens=len(times) if num_by_usage is None else num_by_usage,
            is_counted_by_usage=num_by_usage is not None,
            num_prompt_tokens=self._usage.prompt_tokens,
            num_cached_tokens=self._usage.num_cached_tokens,
            is_resent=self._is_resent,
            failure=failure,
        )
        return Observation(record, times)
