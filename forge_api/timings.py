"""Where the time of a request went: what was noted of it, and the account that a reply gives.

    arrived ── template, tokenize, grammar ── submitted ─────────────────────── last token
       └────────────── api ────────────────────┘└─ links ─┘└─ scheduler ─┘└─ worker ─┘

The four hops add up to the whole, by the choice that took longest: what the scheduler says it took,
without the forward passes that its worker timed, is the scheduler's; what is missing then between
submission and the last token went to the links, or waited for the API's loop. Knows no reply's
shape beyond its own, and no metric.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from forge_api.laps import Lap, LapName
from forge_common.protocol.api_scheduler import SequenceTimes


class ChoiceMoments(Struct):
    """Of one choice so far, in seconds of perf_counter; `engine` is what its last output said."""

    index: int
    first_token: float
    last_token: float
    num_tokens: int
    engine: SequenceTimes | None = None


class Moments(Struct, frozen=True, kw_only=True):
    """Of one request, in seconds of perf_counter. Choices that gave nothing are left out."""

    arrived: float
    submitted: float
    laps: tuple[Lap, ...]
    choices: list[ChoiceMoments]

    @property
    def first_token(self) -> float | None:
        return min((choice.first_token for choice in self.choices), default=None)

    @property
    def last_token(self) -> float | None:
        return max((choice.last_token for choice in self.choices), default=None)

    def lap_s(self, name: LapName) -> float:
        return sum((lap.ended - lap.started for lap in self.laps if lap.name == name), 0.0)


class ChoiceTimings(Struct, frozen=True, kw_only=True):
    """Of one choice, as the scheduler says; a resumption follows the loss of a worker."""

    index: int
    queue_s: float
    prefill_s: float
    decode_s: float
    num_tokens: int
    num_prefill_steps: int
    num_decode_steps: int
    num_draft_tokens: int
    num_accepted_tokens: int
    num_preemptions: int
    num_resumptions: int


class Hops(Struct, frozen=True):
    """Which add up to `total_s`."""

    api_s: float
    links_s: float
    scheduler_s: float
    worker_s: float


class Timings(Struct, frozen=True, kw_only=True):
    """From the head of the request to its last token, in seconds."""

    total_s: float
    template_s: float
    tokenize_s: float
    grammar_s: float
    first_token_s: float
    tokens_per_second: float | None  # after the first token; None where there is but one
    num_cached_tokens: int
    hops: Hops | None  # None where the scheduler did not say
    choices: list[ChoiceTimings]


def timings_of(moments: Moments, num_cached_tokens: int) -> Timings | None:
    """None for a request that got no token."""
    first, last = moments.first_token, moments.last_token
    if first is None or last is None:
        return None
    return Timings(
        total_s=last - moments.arrived,
        template_s=moments.lap_s("template"),
        tokenize_s=moments.lap_s("tokenize"),
        grammar_s=moments.lap_s("grammar"),
        first_token_s=first - moments.arrived,
        tokens_per_second=tokens_per_second(moments.choices, last - first),
        num_cached_tokens=num_cached_tokens,
        hops=hops_of(moments, last),
        choices=[
            choice_timings(choice, choice.engine)
            for choice in moments.choices
            if choice.engine is not None
        ],
    )


def tokens_per_second(choices: Sequence[ChoiceMoments], seconds: float) -> float | None:
    """Of all choices together; the first token of each belongs to its prefill."""
    num_tokens = sum(choice.num_tokens - 1 for choice in choices)
    return num_tokens / seconds if num_tokens > 0 and seconds > 0 else None


def hops_of(moments: Moments, last_token: float) -> Hops | None:
    engines = [choice.engine for choice in moments.choices if choice.engine is not None]
    if not engines:
        return None
    longest = max(engines, key=seconds_of)
    worker_s = longest.prefill_forward_s + longest.decode_forward_s
    return Hops(
        api_s=moments.submitted - moments.arrived,
        links_s=last_token - moments.submitted - seconds_of(longest),
        scheduler_s=seconds_of(longest) - worker_s,
        worker_s=worker_s,
    )


def seconds_of(times: SequenceTimes) -> float:
    """From the request's arrival in the scheduler to the choice's last output."""
    return times.queue_s + times.prefill_s + times.decode_s


def choice_timings(choice: ChoiceMoments, times: SequenceTimes) -> ChoiceTimings:
    return ChoiceTimings(
        index=choice.index,
        queue_s=times.queue_s,
        prefill_s=times.prefill_s,
        decode_s=times.decode_s,
        num_tokens=choice.num_tokens,
        num_prefill_steps=times.num_prefill_steps,
        num_decode_steps=times.num_decode_steps,
        num_draft_tokens=times.num_draft_tokens,
        num_accepted_tokens=times.num_accepted_tokens,
        num_preemptions=times.num_preemptions,
        num_resumptions=times.num_resumptions,
    )
