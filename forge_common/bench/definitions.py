"""What every metric means: one text for the report's footer, the terminal and the docs."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """`name` is its key in a result's distributions, `title` what a reader sees."""

    name: str
    title: str
    definition: str


METRICS = (
    Metric(
        "ttft",
        "TTFT",
        "time to first token: from the time a request was due to be sent to its first content. "
        "Content is text, thoughts or a part of a tool call; an event with only a role is none.",
    ),
    Metric(
        "itl",
        "ITL",
        "inter-token latency: between two successive content events of a reply, one value a gap "
        "over all replies. An event that carries several tokens is one event, and events that "
        "arrive in one read are 0 apart; see the events and the tokens above.",
    ),
    Metric(
        "tpot",
        "TPOT",
        "time per output token behind the first, one value a request: (end - first content) / "
        "(output tokens - 1). It does not depend on how tokens are grouped into events.",
    ),
    Metric(
        "e2e",
        "E2E",
        "end to end: from the time a request was due to the end of its stream ([DONE]).",
    ),
    Metric(
        "ttft_from_send",
        "TTFT from send",
        "the same as TTFT, from when the request was really sent.",
    ),
    Metric(
        "e2e_from_send",
        "E2E from send",
        "the same as E2E, from when the request was really sent.",
    ),
    Metric(
        "send_lag",
        "send lag",
        "how late the load generator sent: when a request was sent, less when it was due. "
        "In a closed loop a request is due when its user is free.",
    ),
)

NOTES = (
    "Times count from when a request was due, by the schedule fixed before the run, so that a "
    "slow server or a slow load generator cannot hide waiting (no coordinated omission). Setting "
    "up a connection is part of them.",
    "Latencies and throughput are of requests that succeeded: status 200, content, and an end. "
    "Nothing is retried, but for requests on a kept connection that the server had closed, whose "
    "time goes on; failed requests are counted by what went wrong.",
    "Throughput is divided by the time from the first request due to the end of the last one, "
    "the emptying at the end of a run included.",
    "Goodput is the requests per second that succeeded and met every limit: TTFT, TPOT and E2E "
    "as above, ITL for every single gap of the reply. Its share is of all requests.",
    "Output tokens are those of the server's usage, else a token a content event. In the "
    "timeline the tokens of a reply are spread evenly over its events.",
    "Percentiles lie between the two nearest values (linear interpolation).",
)


def definitions() -> list[str]:
    """A paragraph each, as plain text."""
    return [*(f"{metric.title}: {metric.definition}" for metric in METRICS), *NOTES]
