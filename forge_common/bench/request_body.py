"""The JSON body of a request, for either endpoint. Knows nothing of HTTP or of time."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from forge_common.bench.prompts import Prompt
from forge_common.errors import ConfigError


class Endpoint(StrEnum):
    CHAT = "chat"
    COMPLETIONS = "completions"

    @property
    def path(self) -> str:
        return {"chat": "/chat/completions", "completions": "/completions"}[self.value]


class PreparedRequest(Struct, frozen=True):
    """`index` counts the requests of a run from 0; `body` is ready to be sent."""

    index: int
    body: bytes


class BodyFormat(Struct, frozen=True):
    """`extra` goes over everything else; a null in it takes a field away."""

    endpoint: Endpoint
    model: str
    temperature: float | None = None
    is_eos_ignored: bool = False
    extra: dict[str, Any] = {}

    def body(self, prompt: Prompt) -> bytes:
        """Raises ConfigError where a text endpoint is to be sent messages."""
        fields: dict[str, Any] = {
            "model": self.model,
            **self._content(prompt),
            "max_tokens": prompt.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": self.temperature,
            "ignore_eos": True if self.is_eos_ignored else None,
            **self.extra,
        }
        return msgspec.json.encode(
            {name: value for name, value in fields.items() if value is not None}
        )

    def _content(self, prompt: Prompt) -> dict[str, Any]:
        if self.endpoint is Endpoint.COMPLETIONS:
            if not isinstance(prompt.content, str):
                raise ConfigError("the data set has messages: --endpoint completions takes texts")
            return {"prompt": prompt.content}
        if isinstance(prompt.content, str):
            return {"messages": [{"role": "user", "content": prompt.content}]}
        return {"messages": prompt.content}
