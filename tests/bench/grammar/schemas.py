"""Ten schemas, each of another shape that requests have, with a value each."""

from __future__ import annotations

from typing import Any

from tests.bench.grammar.cases import Case, closed_object

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
NUM_ERROR_CODES = 100
NUM_SETTINGS = 20


def ten_cases() -> list[Case]:
    return [
        _flat(),
        _nested(),
        _enumeration(),
        _recursive(),
        _strings(),
        _ranges(),
        _additional(),
        _alternatives(),
        _optional(),
        _tool_calls(),
    ]


def _flat() -> Case:
    schema = closed_object(
        {"title": STRING, "pages": INTEGER, "author": STRING, "in_print": BOOLEAN, "price": NUMBER}
    )
    instance = {
        "title": "Über das Wetter – 天気について",
        "pages": 312,
        "author": "A. Kowalski",
        "in_print": False,
        "price": 17.25,
    }
    return Case("flat object", schema, instance)


def _nested() -> Case:
    cell = closed_object({"row": INTEGER, "column": INTEGER, "text": STRING})
    band = {"type": "array", "items": cell, "minItems": 1, "maxItems": 6}
    sheet = {"type": "array", "items": {"type": "array", "items": band}}
    cells = [
        {"row": 1, "column": 2, "text": 'a "quoted" word'},
        {"row": -1, "column": 0, "text": ""},
    ]
    return Case(
        "nested arrays", closed_object({"sheets": sheet}), {"sheets": [[cells], [], [cells]]}
    )


def _enumeration() -> Case:
    parts = ["disk", "net", "user", "file", "cache", "lock", "page", "job", "queue", "token"]
    ends = ["_full", "_lost", "_busy", "_denied", "_stale", "_missing", "_old", "_new", "", "s"]
    codes = [part + end for part in parts for end in ends]
    code = {"enum": codes}
    schema = closed_object(
        {"first": code, "later": {"type": "array", "items": code, "minItems": 1}}
    )
    return Case(
        "enum of 100", schema, {"first": codes[42], "later": [codes[7], codes[8], codes[99]]}
    )


def _recursive() -> Case:
    reference = {"$ref": "#/$defs/folder"}
    folder = closed_object({"name": STRING, "folders": {"type": "array", "items": reference}})
    deepest: dict[str, Any] = {"name": "attic", "folders": []}
    for name in ("upper floor", "house", "street", "town"):
        deepest = {"name": name, "folders": [deepest, {"name": f"{name} cellar", "folders": []}]}
    return Case("recursive $ref", {**reference, "$defs": {"folder": folder}}, deepest)


def _strings() -> Case:
    schema = closed_object(
        {
            "request": {"type": "string", "format": "uuid"},
            "at": {"type": "string", "format": "date-time"},
            "branch": {"type": "string", "pattern": "^[a-z]+(/[a-z0-9]+)*$"},
            "owner": {"type": "string", "format": "email"},
            "summary": {"type": "string", "minLength": 5, "maxLength": 180},
            "ticket": {"type": "string", "pattern": "^[A-Z]{2,5}-[0-9]{1,6}$"},
        }
    )
    instance = {
        "request": "0c9f1f7e-54a4-4b4e-9d7a-3f2f6b1f8e21",
        "at": "2025-11-03T08:15:59Z",
        "branch": "feature/tokens/42a",
        "owner": "mira.lund@example.net",
        "summary": "The cache forgets what nobody asked for; Zoë would like it to forget less.",
        "ticket": "FRG-20418",
    }
    return Case("strings with formats, patterns, lengths", schema, instance)


def _ranges() -> Case:
    schema = closed_object(
        {
            "percent": {"type": "integer", "minimum": 0, "maximum": 100},
            "port": {"type": "integer", "minimum": 1024, "maximum": 65535},
            "celsius": {"type": "number", "minimum": -89.2, "maximum": 56.7},
            "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "offset": {"type": "integer", "minimum": -987654321, "maximum": 123456789},
        }
    )
    instance = {"percent": 99, "port": 8080, "celsius": -12.75, "share": 0.125, "offset": -98765}
    return Case("ranges of numbers", schema, instance)


def _additional() -> Case:
    schema = {
        "type": "object",
        "properties": {"host": STRING, "scheme": STRING},
        "required": ["host"],
        "additionalProperties": {"type": "array", "items": INTEGER},
    }
    instance = {
        "host": "example.org",
        "scheme": "https",
        "ports": [80, 443],
        "retries": [],
        "x": [1],
    }
    return Case("additionalProperties", schema, instance)


def _alternatives() -> Case:
    def event(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
        return closed_object({"kind": {"const": kind}, **properties})

    pair = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
    events = [
        event("key", {"code": INTEGER, "held": BOOLEAN}),
        event("click", {"at": pair, "button": {"enum": ["left", "right"]}}),
        event("drag", {"path": {"type": "array", "items": pair}}),
        STRING,
        {"type": "null"},
    ]
    schema = closed_object({"event": {"anyOf": events}, "window": {"anyOf": [INTEGER, STRING]}})
    instance = {"event": {"kind": "drag", "path": [[0, 0], [4.5, -1], [9, 2.25]]}, "window": "main"}
    return Case("anyOf of 5", schema, instance)


def _optional() -> Case:
    kinds = [STRING, BOOLEAN, INTEGER, {"type": "array", "items": STRING}]
    settings = {f"setting_{i}": kinds[i % len(kinds)] for i in range(NUM_SETTINGS)}
    instance = {"setting_0": "dark", "setting_5": True, "setting_7": ["a", "bc"], "setting_18": 4}
    return Case("20 optional properties", closed_object(settings, []), instance)


def _tool_calls() -> Case:
    address = {"type": "string", "format": "email"}
    tools = {
        "read_file": {
            "path": STRING,
            "max_lines": {"type": "integer", "minimum": 1, "maximum": 999},
        },
        "search": {"query": {"type": "string", "maxLength": 200}, "in": {"enum": ["code", "docs"]}},
        "write_mail": {"to": {"type": "array", "items": address}, "text": STRING},
        "call": {"url": STRING, "headers": {"type": "object", "additionalProperties": STRING}},
    }
    calls = [
        closed_object({"name": {"const": name}, "arguments": closed_object(arguments)})
        for name, arguments in tools.items()
    ]
    schema = {"type": "array", "items": {"anyOf": calls}, "minItems": 1}
    instance = [
        {"name": "search", "arguments": {"query": "where masks are joined", "in": "code"}},
        {
            "name": "write_mail",
            "arguments": {"to": ["ops@example.com"], "text": "Dear all,\nit runs."},
        },
        {"name": "call", "arguments": {"url": "/v1/models", "headers": {"accept": "text/plain"}}},
    ]
    return Case("tool calls", schema, instance)
