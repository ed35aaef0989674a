"""Case: a schema, and a value that fulfils it, by which engines are led token by token."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Case(NamedTuple):
    name: str
    schema: dict[str, Any]
    instance: Any

    @property
    def text(self) -> str:
        """Compact, with the keys in the schema's order: all engines are asked for that."""
        return json.dumps(self.instance, separators=(",", ":"), ensure_ascii=False)


def closed_object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """Without other properties; all are required unless `required` says which."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }
