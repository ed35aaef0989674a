"""Bodies: what is sent to either endpoint."""

from __future__ import annotations

import json

import pytest

from forge_common.bench.prompts import Prompt
from forge_common.bench.request_body import BodyFormat, Endpoint
from forge_common.errors import ConfigError

MESSAGES = [{"role": "user", "content": "hi"}]


def test_chat_body_streams_with_usage_and_leaves_out_what_was_not_asked() -> None:
    assert json.loads(BodyFormat(Endpoint.CHAT, "m").body(Prompt("hi", 5))) == {
        "model": "m",
        "messages": MESSAGES,
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_completions_body_has_the_text() -> None:
    body = json.loads(BodyFormat(Endpoint.COMPLETIONS, "m", 0.0, True).body(Prompt("hi", 5)))
    assert (body["prompt"], body["temperature"], body["ignore_eos"]) == ("hi", 0.0, True)


def test_messages_go_as_they_are() -> None:
    assert (
        json.loads(BodyFormat(Endpoint.CHAT, "m").body(Prompt(MESSAGES, 5)))["messages"] == MESSAGES
    )


def test_extra_fields_add_replace_and_take_away() -> None:
    extra = {"max_tokens": None, "max_completion_tokens": 5, "model": "other"}
    body = json.loads(BodyFormat(Endpoint.CHAT, "m", extra=extra).body(Prompt("hi", 5)))
    assert "max_tokens" not in body
    assert (body["max_completion_tokens"], body["model"]) == (5, "other")


def test_text_endpoint_refuses_messages() -> None:
    with pytest.raises(ConfigError, match="completions takes texts"):
        BodyFormat(Endpoint.COMPLETIONS, "m").body(Prompt(MESSAGES, 5))
