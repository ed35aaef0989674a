"""What a trace shows of one request, as plain data: its parts by role, from when to when.

    api         template, tokenize, grammar
    scheduler   sequence, one for each choice: queue, prefill, decode
    worker      forward, in each prefill and decode: all steps of it together

The scheduler and the worker report durations, the API knows when it submitted: from there on they
are laid end to end, so no two clocks are compared. Knows no exporter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec
from msgspec import Struct

from forge_api.timings import ChoiceMoments, Moments
from forge_common.protocol.api_scheduler import SequenceTimes

Role = Literal["api", "scheduler", "worker"]
Attributes = dict[str, str | int | float | bool | list[str]]
MAX_CHOICES: Final = 16  # of one request that are shown; there may be thousands of prompts


class Span(Struct, frozen=True):
    """In seconds of perf_counter."""

    role: Role
    name: str
    started: float
    ended: float
    attributes: Attributes = msgspec.field(default_factory=dict)
    children: tuple[Span, ...] = ()


class Generated(Struct, frozen=True, kw_only=True):
    """What one request asked and got; each of its texts stays out of traces."""

    model: str
    reply_id: str
    num_choices: int
    max_tokens: int
    temperature: float
    top_p: float
    is_streamed: bool
    num_prompt_tokens: int
    num_cached_tokens: int
    num_output_tokens: int
    finish_reasons: list[str]
    moments: Moments


def attributes_of(generated: Generated) -> Attributes:
    """By OpenTelemetry's semantic conventions for generative AI."""
    return {
        "gen_ai.provider.name": "forge",
        "gen_ai.request.model": generated.model,
        "gen_ai.request.choice.count": generated.num_choices,
        "gen_ai.request.max_tokens": generated.max_tokens,
        "gen_ai.request.temperature": generated.temperature,
        "gen_ai.request.top_p": generated.top_p,
        "gen_ai.request.stream": generated.is_streamed,
        "gen_ai.response.model": generated.model,
        "gen_ai.response.id": generated.reply_id,
        "gen_ai.response.finish_reasons": generated.finish_reasons,
        "gen_ai.usage.input_tokens": generated.num_prompt_tokens,
        "gen_ai.usage.output_tokens": generated.num_output_tokens,
        "gen_ai.usage.cache_read.input_tokens": generated.num_cached_tokens,
    }


def spans_of(moments: Moments) -> Iterator[Span]:
    """Below the request's own."""
    for lap in moments.laps:
        yield Span("api", lap.name, lap.started, lap.ended)
    for choice in moments.choices[:MAX_CHOICES]:
        if choice.engine is not None:
            yield sequence_span(choice, choice.engine, moments.submitted)


def sequence_span(choice: ChoiceMoments, times: SequenceTimes, submitted: float) -> Span:
    first_step = submitted + times.queue_s
    first_token = first_step + times.prefill_s
    last_token = first_token + times.decode_s
    queue = Span("scheduler", "queue", submitted, first_step)
    prefill = phase_span(
        "prefill",
        (first_step, first_token),
        forward_attributes(times.num_prefill_steps, times.prefill_forward_s),
    )
    decode = phase_span(
        "decode",
        (first_token, last_token),
        forward_attributes(times.num_decode_steps, times.decode_forward_s),
    )
    attributes: Attributes = {
        "forge.choice.index": choice.index,
        "forge.num_output_tokens": choice.num_tokens,
        "forge.num_draft_tokens": times.num_draft_tokens,
        "forge.num_accepted_tokens": times.num_accepted_tokens,
        "forge.num_preemptions": times.num_preemptions,
        "forge.num_resumptions": times.num_resumptions,
    }
    parts = (queue, prefill, decode) if times.num_decode_steps else (queue, prefill)
    return Span("scheduler", "sequence", submitted, last_token, attributes, parts)


def phase_span(name: str, period: tuple[float, float], forward: Attributes) -> Span:
    worker = Span("worker", "forward", *period, forward)
    return Span("scheduler", name, *period, children=(worker,))


def forward_attributes(num_steps: int, forward_s: float) -> Attributes:
    """The span lasts from the first step's departure to the last one's answer; it computed for
    `forward_s` of that."""
    return {"forge.num_steps": num_steps, "forge.forward_s": forward_s}
