"""What one use of a tool is: its schema as OpenAI's clients write it, a question, the call, and
what comes of it.

It does not know which tools there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from forge_common.demo_model.making.conversation import Split


@dataclass(frozen=True)
class Use:
    """One tool, a question that needs it, the arguments that answer it, and a result with the
    sentence made of it.
    """

    tool: dict[str, Any]
    question: str
    arguments: dict[str, Any]
    result: str
    answer: str


UseMaker = Callable[[Random, Split], Use]


def schema(name: str, description: str, properties: dict[str, dict[str, Any]]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    described = {"description": description} if description else {}
    return {"type": "function", "function": {"name": name, **described, "parameters": parameters}}


def typed(rng: Random, kind: str, about: str) -> dict[str, Any]:
    return {"type": kind, "description": about} if about and rng.random() < 0.4 else {"type": kind}


def strict(tool: dict[str, Any]) -> dict[str, Any]:
    """The same tool as OpenAI's client libraries write it down."""
    function = tool["function"]
    parameters = {**function["parameters"], "additionalProperties": False}
    return {"type": "function", "function": {**function, "parameters": parameters, "strict": True}}
