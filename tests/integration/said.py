"""What streams said in all, choice by choice, to be compared with what others said."""

from __future__ import annotations

from typing import Any, NamedTuple


class Choice(NamedTuple):
    """All that a stream said of one choice."""

    text: str
    finish_reason: str | None
    tokens: list[str]  # as their logprobs name them
    logprobs: list[float | None]


def joined(events: list[dict[str, Any]]) -> Choice:
    scored = [event["logprobs"] for event in events if event.get("logprobs")]
    return Choice(
        "".join(text_of(event) for event in events),
        events[-1]["finish_reason"],
        [token for part in scored for token in part["tokens"]],
        [logprob for part in scored for logprob in part["token_logprobs"]],
    )


def text_of(event: dict[str, Any]) -> str:
    return event["text"] if "text" in event else event["delta"].get("content") or ""
