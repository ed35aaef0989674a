"""Schemas as people write them: of configuration files, APIs, tools, and what generators put out.

Each with values that it is for, and values that it is against.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Real(NamedTuple):
    name: str
    schema: Any
    valid: list[Any]
    invalid: list[Any]


DRAFT_7 = "http://json-schema.org/draft-07/schema#"
STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
STRINGS = {"type": "array", "items": STRING}
UNIQUE_STRINGS = {"type": "array", "items": STRING, "uniqueItems": True}
STRING_MAP = {"type": "object", "additionalProperties": STRING}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


CONFIGURATION = [
    Real(
        "package.json",
        {
            "$schema": DRAFT_7,
            "title": "package",
            "definitions": {
                "person": {
                    "type": ["object", "string"],
                    "required": ["name"],
                    "properties": {"name": STRING, "email": {"type": "string", "format": "email"}},
                },
                "dependency": {
                    "description": "Names to ranges of versions.",
                    "type": "object",
                    "additionalProperties": STRING,
                },
                "exportsEntry": {
                    "oneOf": [
                        {"type": ["string", "null"]},
                        {
                            "type": "object",
                            "patternProperties": {
                                "^[^.0-9]+$": {"$ref": "#/definitions/exportsEntry"}
                            },
                            "additionalProperties": False,
                        },
                    ]
                },
            },
            "type": "object",
            "patternProperties": {"^_": {"description": "Internal."}},
            "properties": {
                "name": {
                    "type": "string",
                    "maxLength": 214,
                    "minLength": 1,
                    "pattern": "^(?:@[a-z0-9-*~][a-z0-9-*._~]*/)?[a-z0-9-~][a-z0-9-._~]*$",
                },
                "version": STRING,
                "keywords": UNIQUE_STRINGS,
                "author": {"$ref": "#/definitions/person"},
                "contributors": {"type": "array", "items": {"$ref": "#/definitions/person"}},
                "exports": {"$ref": "#/definitions/exportsEntry"},
                "dependencies": {"$ref": "#/definitions/dependency"},
                "private": {"anyOf": [{"type": "boolean"}, {"enum": ["false", "true"]}]},
            },
            "anyOf": [{"type": "object", "not": {"required": ["bundledDependencies"]}}],
        },
        [
            {"name": "@forge/core", "version": "1.0.0", "keywords": ["a", "b"]},
            {"author": {"name": "x", "email": "x@y.org"}, "private": "true", "_id": [1]},
            {"exports": {"import": "./a.js", "default": {"node": None}}, "dependencies": {}},
        ],
        [
            {"name": "Not Allowed"},
            {"keywords": ["a", "a"]},
            {"author": {"email": "x@y.org"}},
            {"exports": {".": "x"}},
            {"bundledDependencies": []},
        ],
    ),
    Real(
        "CI workflow",
        {
            "type": "object",
            "properties": {
                "name": STRING,
                "on": {
                    "oneOf": [
                        {"enum": ["push", "pull_request"]},
                        {
                            "type": "array",
                            "items": {"enum": ["push", "pull_request", "schedule"]},
                            "minItems": 1,
                            "uniqueItems": True,
                        },
                        {"type": "object", "additionalProperties": True},
                    ]
                },
                "env": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
                "jobs": {
                    "type": "object",
                    "minProperties": 1,
                    "patternProperties": {"^[_a-zA-Z][a-zA-Z0-9_-]*$": {"$ref": "#/$defs/job"}},
                    "additionalProperties": False,
                },
            },
            "required": ["on", "jobs"],
            "additionalProperties": False,
            "$defs": {
                "job": {
                    "type": "object",
                    "properties": {
                        "needs": {"oneOf": [STRING, UNIQUE_STRINGS]},
                        "runs-on": {"anyOf": [STRING, STRINGS]},
                        "timeout-minutes": {"type": "integer", "exclusiveMinimum": 0},
                        "steps": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
                                "properties": {
                                    "uses": STRING,
                                    "run": STRING,
                                    "with": STRING_MAP,
                                    "if": {"type": ["boolean", "string"]},
                                },
                                "additionalProperties": False,
                            },
                        },
                    },
                    "required": ["runs-on"],
                }
            },
        },
        [
            {"on": "push", "jobs": {"test": {"runs-on": "ubuntu", "steps": [{"run": "make"}]}}},
            {"on": ["push", "schedule"], "jobs": {"a_b": {"runs-on": ["x"], "needs": ["b"]}}},
        ],
        [
            {"on": "push", "jobs": {}},
            {"on": ["push", "push"], "jobs": {"a": {"runs-on": "x"}}},
            {"on": "push", "jobs": {"1": {"runs-on": "x"}}},
            {"on": "push", "jobs": {"a": {"runs-on": "x", "steps": [{"run": "", "uses": ""}]}}},
        ],
    ),
    Real(
        "compiler options",
        {
            "$schema": DRAFT_7,
            "type": "object",
            "properties": {
                "extends": {"type": ["string", "null"]},
                "files": {"$ref": "#/definitions/files"},
                "compilerOptions": {
                    "type": "object",
                    "properties": {
                        "target": {
                            "anyOf": [
                                {"enum": ["es5", "es2020", "esnext"]},
                                {"pattern": "^([eE][sS](5|6|20(1[5-9]|2[0-3])|[nN][eE][xX][tT]))$"},
                            ],
                            "type": "string",
                        },
                        "lib": {
                            "type": "array",
                            "uniqueItems": True,
                            "items": {"type": "string", "pattern": "^(dom|es20[12][0-9])$"},
                        },
                        "paths": {"type": "object", "additionalProperties": UNIQUE_STRINGS},
                        "strict": {"type": ["boolean", "null"], "default": False},
                    },
                },
            },
            "definitions": {"files": {"type": "array", "uniqueItems": True, "items": STRING}},
            "allOf": [{"properties": {"include": STRINGS}}],
        },
        [
            {"compilerOptions": {"target": "ES2021", "lib": ["dom", "es2020"], "strict": None}},
            {"files": ["a.ts", "b.ts"], "include": [], "other": {}},
        ],
        [
            {"compilerOptions": {"target": "es1"}},
            {"compilerOptions": {"lib": ["dom", "dom"]}},
            {"compilerOptions": {"paths": {"@": ["a", "b", "a"]}}},
            {"include": "x"},
        ],
    ),
    Real(
        "services",
        {
            "type": "object",
            "properties": {
                "version": STRING,
                "services": {
                    "type": "object",
                    "patternProperties": {"^[a-zA-Z0-9._-]+$": {"$ref": "#/definitions/service"}},
                    "additionalProperties": False,
                },
            },
            "patternProperties": {"^x-": {}},
            "additionalProperties": False,
            "definitions": {
                "service": {
                    "type": "object",
                    "properties": {
                        "image": STRING,
                        "command": {"oneOf": [STRING, STRINGS]},
                        "ports": {
                            "type": "array",
                            "items": {"oneOf": [{"type": "number"}, {"type": "string"}]},
                            "uniqueItems": True,
                        },
                        "environment": {"$ref": "#/definitions/list_or_dict"},
                    },
                    "patternProperties": {"^x-": {}},
                    "additionalProperties": False,
                },
                "list_or_dict": {
                    "oneOf": [
                        {
                            "type": "object",
                            "patternProperties": {".+": {"type": ["string", "number", "null"]}},
                            "additionalProperties": False,
                        },
                        {"type": "array", "items": STRING, "uniqueItems": True},
                    ]
                },
            },
        },
        [
            {"services": {"db": {"image": "x", "ports": [80, "80:80", 8080]}}, "x-a": 1},
            {"services": {"db": {"environment": {"A": None, "B": 1}, "command": ["a"]}}},
            {"services": {"db": {"environment": ["A=1", "B=2"]}}},
        ],
        [
            {"services": {"db": {"ports": [80, 80]}}},
            {"services": {"db": {"environment": ["A", "A"]}}},
            {"services": {"d b": {}}},
            {"y-a": 1},
        ],
    ),
    Real(
        "linter",
        {
            "type": "object",
            "properties": {
                "rules": {
                    "type": "object",
                    "additionalProperties": {
                        "oneOf": [
                            {"enum": [0, 1, 2, "off", "warn", "error"]},
                            {
                                "type": "array",
                                "items": [{"enum": [0, 1, 2, "off", "warn", "error"]}],
                                "additionalItems": True,
                                "minItems": 1,
                            },
                        ]
                    },
                },
                "env": {"type": "object", "additionalProperties": {"type": "boolean"}},
            },
            "$schema": DRAFT_7,
            "additionalProperties": False,
        },
        [{"rules": {"semi": [2, "always", {"x": 1}], "eqeqeq": "off"}}, {"env": {"node": True}}],
        [{"rules": {"semi": []}}, {"rules": {"semi": 3}}, {"env": {"node": 1}}],
    ),
]
APIS = [
    Real(
        "pet",
        {
            "$ref": "#/components/schemas/Dog",
            "components": {
                "schemas": {
                    "Pet": {
                        "type": "object",
                        "required": ["petType", "id"],
                        "properties": {
                            "petType": STRING,
                            "id": {"type": "integer", "format": "int64"},
                            "tag": {"type": "string", "nullable": True},
                        },
                        "discriminator": {"propertyName": "petType"},
                    },
                    "Dog": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Pet"},
                            {
                                "type": "object",
                                "properties": {
                                    "petType": {"const": "dog"},
                                    "packSize": {
                                        "type": "integer",
                                        "format": "int32",
                                        "minimum": 0,
                                    },
                                },
                                "required": ["packSize"],
                            },
                        ],
                        "unevaluatedProperties": False,
                    },
                }
            },
        },
        [{"petType": "dog", "id": 1, "packSize": 0, "tag": "x"}],
        [
            {"petType": "cat", "id": 1, "packSize": 0},
            {"petType": "dog", "id": 1},
            {"petType": "dog", "id": 1, "packSize": 0, "more": 1},
        ],
    ),
    Real(
        "page",
        closed(
            ["items", "total"],
            items={
                "type": "array",
                "items": closed(
                    ["id", "created_at", "status"],
                    id={"type": "string", "format": "uuid"},
                    created_at={"type": "string", "format": "date-time"},
                    status={"enum": ["open", "closed"]},
                    url={"type": "string", "format": "uri"},
                    labels=UNIQUE_STRINGS,
                ),
            },
            total={"type": "integer", "minimum": 0},
            next={"anyOf": [STRING, {"type": "null"}]},
        ),
        [
            {"items": [], "total": 0, "next": None},
            {
                "items": [
                    {
                        "id": "123e4567-e89b-12d3-a456-426614174000",
                        "created_at": "2024-02-29T12:00:00Z",
                        "status": "open",
                        "labels": ["bug", "help wanted"],
                    }
                ],
                "total": 1,
            },
        ],
        [
            {
                "items": [{"id": "x", "created_at": "2024-02-29T12:00:00Z", "status": "open"}],
                "total": 1,
            },
            {"items": [], "total": -1},
            {"items": []},
        ],
    ),
    Real(
        "GeoJSON",
        {
            "oneOf": [
                {"$ref": "#/$defs/point"},
                {"$ref": "#/$defs/line"},
                {"$ref": "#/$defs/polygon"},
            ],
            "$defs": {
                "position": {"type": "array", "minItems": 2, "maxItems": 3, "items": NUMBER},
                "bbox": {"type": "array", "minItems": 4, "items": NUMBER},
                "point": {
                    "type": "object",
                    "required": ["type", "coordinates"],
                    "properties": {
                        "type": {"enum": ["Point"]},
                        "coordinates": {"$ref": "#/$defs/position"},
                        "bbox": {"$ref": "#/$defs/bbox"},
                    },
                },
                "line": {
                    "type": "object",
                    "required": ["type", "coordinates"],
                    "properties": {
                        "type": {"enum": ["LineString"]},
                        "coordinates": {
                            "type": "array",
                            "minItems": 2,
                            "items": {"$ref": "#/$defs/position"},
                        },
                    },
                },
                "polygon": {
                    "type": "object",
                    "required": ["type", "coordinates"],
                    "properties": {
                        "type": {"enum": ["Polygon"]},
                        "coordinates": {
                            "type": "array",
                            "items": {
                                "type": "array",
                                "minItems": 4,
                                "items": {"$ref": "#/$defs/position"},
                            },
                        },
                    },
                },
            },
        },
        [
            {"type": "Point", "coordinates": [1.5, -2]},
            {"type": "LineString", "coordinates": [[0, 0], [1, 1, 5]]},
            {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]], "id": 1},
        ],
        [
            {"type": "Point", "coordinates": [1]},
            {"type": "LineString", "coordinates": [[0, 0]]},
            {"type": "Circle", "coordinates": [0, 0]},
        ],
    ),
    Real(
        "custom resource",
        closed(
            ["apiVersion", "kind", "metadata", "spec"],
            apiVersion={"const": "forge.dev/v1"},
            kind={"const": "Model"},
            metadata={
                "type": "object",
                "properties": {
                    "name": {
                        "type": "string",
                        "maxLength": 63,
                        "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
                    },
                    "labels": STRING_MAP,
                },
                "required": ["name"],
            },
            spec=closed(
                ["replicas"],
                replicas={"type": "integer", "format": "int32", "minimum": 0, "maximum": 100},
                resources={
                    "type": "object",
                    "properties": {
                        "limits": {
                            "type": "object",
                            "additionalProperties": {
                                "anyOf": [{"type": "integer"}, {"type": "string"}],
                                "pattern": "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$",
                                "x-kubernetes-int-or-string": True,
                            },
                        }
                    },
                },
                tolerations={
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"operator": {"enum": ["Exists", "Equal"]}, "key": STRING},
                    },
                    "x-kubernetes-list-type": "atomic",
                },
            ),
        ),
        [
            {
                "apiVersion": "forge.dev/v1",
                "kind": "Model",
                "metadata": {"name": "a-b", "labels": {"app": "x"}},
                "spec": {"replicas": 3, "resources": {"limits": {"cpu": "500m", "gpu": 1}}},
            }
        ],
        [
            {"apiVersion": "forge.dev/v1", "kind": "Model", "metadata": {"name": "-"}, "spec": {}},
            {
                "apiVersion": "forge.dev/v1",
                "kind": "Model",
                "metadata": {"name": "a"},
                "spec": {"replicas": 101},
            },
        ],
    ),
    Real(
        "JSON patch",
        {
            "type": "array",
            "items": {
                "oneOf": [
                    closed(
                        ["op", "path", "value"],
                        op={"enum": ["add", "replace"]},
                        path=STRING,
                        value={},
                    ),
                    closed(["op", "path"], op={"const": "remove"}, path=STRING),
                    closed(
                        ["op", "path", "from"],
                        **{"op": {"enum": ["move", "copy"]}, "path": STRING, "from": STRING},
                    ),
                ]
            },
        },
        [
            [{"op": "add", "path": "/a", "value": {"x": [1]}}, {"op": "remove", "path": "/b"}],
            [{"op": "move", "path": "/a", "from": "/b"}],
        ],
        [[{"op": "add", "path": "/a"}], [{"op": "remove", "path": "/a", "value": 1}], {}],
    ),
    Real(
        "JSON-RPC",
        {
            "type": "object",
            "properties": {
                "jsonrpc": {"const": "2.0"},
                "id": {"type": ["string", "integer", "null"]},
                "method": {"type": "string", "not": {"pattern": "^rpc\\."}},
                "params": {"type": ["array", "object"]},
            },
            "required": ["jsonrpc", "method"],
            "additionalProperties": False,
        },
        [{"jsonrpc": "2.0", "method": "sum", "params": [1, 2], "id": 7}],
        [{"jsonrpc": "2.0", "method": "rpc.x"}, {"jsonrpc": "2.0", "method": "a", "params": 1}],
    ),
]
TOOLS = [
    Real(
        "weather",
        {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City, e.g. Paris"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 14},
            },
            "required": ["location"],
        },
        [{"location": "Paris"}, {"location": "Rom", "unit": "celsius", "days": 14}],
        [{"unit": "celsius"}, {"location": "Rom", "days": 15}, {"location": "Rom", "unit": "k"}],
    ),
    Real(
        "edit of a file",
        closed(
            ["path", "edits"],
            path={"type": "string", "pattern": "^/"},
            edits={
                "type": "array",
                "minItems": 1,
                "items": closed(["old", "new"], old={"type": "string", "minLength": 1}, new=STRING),
            },
            encoding={"enum": ["utf-8", "latin-1"], "default": "utf-8"},
        ),
        [{"path": "/a", "edits": [{"old": "x", "new": ""}]}],
        [{"path": "a", "edits": [{"old": "x", "new": ""}]}, {"path": "/a", "edits": []}],
    ),
    Real(
        "query",
        closed(
            ["filter"],
            filter={"$ref": "#/$defs/filter"},
            limit={"type": "integer", "minimum": 1, "maximum": 1000},
            sort={
                "type": "array",
                "items": {"type": "string", "pattern": "^-?[a-z_]+$"},
                "uniqueItems": True,
                "maxItems": 3,
            },
        )
        | {
            "$defs": {
                "filter": {
                    "anyOf": [
                        closed(
                            ["and"],
                            **{"and": {"type": "array", "items": {"$ref": "#/$defs/filter"}}},
                        ),
                        closed(["not"], **{"not": {"$ref": "#/$defs/filter"}}),
                        closed(
                            ["field", "op", "value"],
                            field=STRING,
                            op={"enum": ["=", "<", ">", "in"]},
                            value={"type": ["string", "number", "boolean", "array"]},
                        ),
                    ]
                }
            }
        },
        [
            {
                "filter": {"and": [{"not": {"field": "a", "op": "=", "value": 1}}]},
                "sort": ["-a", "b"],
            },
            {"filter": {"field": "a", "op": "in", "value": [1, "x"]}, "limit": 10},
        ],
        [
            {"filter": {"and": {}}},
            {"filter": {"field": "a", "op": "~", "value": 1}},
            {"filter": {"field": "a", "op": "=", "value": 1}, "sort": ["a", "a"]},
        ],
    ),
    Real(
        "mail",
        closed(
            ["to", "subject", "body"],
            to={
                "type": "array",
                "items": {"type": "string", "format": "email"},
                "minItems": 1,
                "uniqueItems": True,
            },
            subject={"type": "string", "maxLength": 120},
            body=STRING,
            send_at={"type": ["string", "null"], "format": "date-time"},
            priority={"type": "integer", "enum": [1, 2, 3]},
        ),
        [{"to": ["a@b.org", "c@d.org"], "subject": "x", "body": "y", "send_at": None}],
        [
            {"to": [], "subject": "x", "body": "y"},
            {"to": ["a@b.org", "a@b.org"], "subject": "x", "body": "y"},
            {"to": ["a"], "subject": "x", "body": "y"},
        ],
    ),
    Real(
        "no arguments",
        {"type": "object", "properties": {}, "additionalProperties": False},
        [{}],
        [{"a": 1}],
    ),
    Real(
        "either of two",
        {
            "type": "object",
            "properties": {"id": INTEGER, "name": STRING, "exact": {"type": "boolean"}},
            "anyOf": [{"required": ["id"]}, {"required": ["name"]}],
            "dependentRequired": {"exact": ["name"]},
            "additionalProperties": False,
        },
        [{"id": 1}, {"name": "x", "exact": True}, {"id": 1, "name": "x"}],
        [{}, {"id": 1, "exact": True}],
    ),
    Real(
        "country decides",
        {
            "type": "object",
            "properties": {"country": {"enum": ["US", "NL"]}, "code": STRING},
            "required": ["country", "code"],
            "if": {"properties": {"country": {"const": "US"}}},
            "then": {"properties": {"code": {"pattern": "^[0-9]{5}(-[0-9]{4})?$"}}},
            "else": {"properties": {"code": {"pattern": "^[0-9]{4} [A-Z]{2}$"}}},
            "unevaluatedProperties": False,
        },
        [{"country": "US", "code": "12345-6789"}, {"country": "NL", "code": "1234 AB"}],
        [{"country": "NL", "code": "12345"}, {"country": "US", "code": "12345", "x": 1}],
    ),
]
GENERATED = [
    Real(
        "pydantic: optional fields and a union",
        {
            "$defs": {
                "Cat": closed(
                    ["kind", "lives"],
                    kind={"const": "cat", "default": "cat", "title": "Kind", "type": "string"},
                    lives={"title": "Lives", "type": "integer"},
                ),
                "Dog": closed(
                    ["kind"],
                    kind={"const": "dog", "title": "Kind", "type": "string"},
                    good={"default": True, "title": "Good", "type": "boolean"},
                ),
                "Level": {"enum": [1, 2, 3], "title": "Level", "type": "integer"},
            },
            "properties": {
                "name": {"title": "Name", "type": "string"},
                "nick": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "default": None,
                    "title": "Nick",
                },
                "pet": {
                    "discriminator": {
                        "mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
                        "propertyName": "kind",
                    },
                    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
                },
                "level": {"$ref": "#/$defs/Level", "default": 1},
                "tags": {"items": STRING, "title": "Tags", "type": "array", "uniqueItems": True},
                "pair": {
                    "maxItems": 2,
                    "minItems": 2,
                    "prefixItems": [{"type": "integer"}, {"type": "string"}],
                    "type": "array",
                },
                "ratio": {"exclusiveMinimum": 0.0, "maximum": 1.0, "type": "number"},
            },
            "required": ["name", "pet"],
            "title": "Owner",
            "type": "object",
        },
        [
            {"name": "x", "nick": None, "pet": {"kind": "cat", "lives": 9}, "level": 3},
            {"name": "x", "pet": {"kind": "dog"}, "tags": ["a"], "pair": [1, "a"], "ratio": 1e-3},
        ],
        [
            {"name": "x", "pet": {"kind": "dog", "lives": 9}},
            {"name": "x", "pet": {"kind": "dog"}, "tags": ["a", "a"]},
            {"name": "x", "pet": {"kind": "dog"}, "pair": [1, "a", 2]},
            {"name": "x", "pet": {"kind": "dog"}, "ratio": 0},
            {"name": "x", "pet": {"kind": "dog"}, "level": 4},
        ],
    ),
    Real(
        "pydantic: a tree",
        {
            "$defs": {
                "Node": {
                    "properties": {
                        "value": {"title": "Value", "type": "number"},
                        "children": {
                            "default": [],
                            "items": {"$ref": "#/$defs/Node"},
                            "title": "Children",
                            "type": "array",
                        },
                        "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                    },
                    "required": ["value"],
                    "title": "Node",
                    "type": "object",
                }
            },
            "$ref": "#/$defs/Node",
        },
        [{"value": 1.5, "children": [{"value": 2, "parent": None}]}],
        [{"value": 1, "children": [{}]}, {"value": 1, "parent": 1}],
    ),
    Real(
        "pydantic: a set of literals and a map of numbers",
        {
            "properties": {
                "flags": {
                    "items": {"enum": ["read", "write", "admin"], "type": "string"},
                    "type": "array",
                    "uniqueItems": True,
                    "minItems": 1,
                },
                "scores": {
                    "additionalProperties": {"maximum": 1.0, "minimum": 0.0, "type": "number"},
                    "propertyNames": {"pattern": "^[a-z]+$"},
                    "type": "object",
                },
                "when": {"format": "date", "type": "string"},
                "wait": {"format": "duration", "type": "string"},
                "amount": {
                    "anyOf": [
                        {"type": "number"},
                        {"pattern": "^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", "type": "string"},
                    ]
                },
            },
            "required": ["flags"],
            "type": "object",
        },
        [
            {"flags": ["admin", "read"], "scores": {"a": 0.5}, "when": "2024-01-31"},
            {"flags": ["write"], "wait": "PT5M", "amount": "12.50"},
        ],
        [
            {"flags": []},
            {"flags": ["read", "read"]},
            {"flags": ["read"], "scores": {"A": 1}},
            {"flags": ["read"], "amount": "1.2.3"},
        ],
    ),
    Real(
        "zod: strict objects and a union",
        {
            "$schema": DRAFT_7,
            "type": "object",
            "properties": {
                "username": {"type": "string", "minLength": 3, "maxLength": 20},
                "age": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
                "role": {
                    "anyOf": [{"type": "string", "const": "a"}, {"type": "number", "const": 1}]
                },
                "point": {"type": "array", "minItems": 2, "maxItems": 2, "items": [NUMBER, NUMBER]},
                "nested": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
                "ids": {
                    "type": "array",
                    "items": {"type": "string", "format": "uuid"},
                    "minItems": 1,
                },
                "either": {"type": ["string", "number"]},
                "intersection": {
                    "allOf": [
                        {"type": "object", "properties": {"a": STRING}, "required": ["a"]},
                        {"type": "object", "properties": {"b": NUMBER}, "required": ["b"]},
                    ]
                },
            },
            "required": ["username"],
            "additionalProperties": False,
        },
        [
            {"username": "abc", "nested": {"username": "xyz", "nested": None}, "role": 1},
            {"username": "abc", "intersection": {"a": "", "b": 0}, "point": [1, 2.5]},
        ],
        [
            {"username": "ab"},
            {"username": "abc", "nested": {}},
            {"username": "abc", "point": [1]},
            {"username": "abc", "intersection": {"a": ""}},
        ],
    ),
    Real(
        "TypeScript: interfaces and string unions",
        {
            "$schema": DRAFT_7,
            "$ref": "#/definitions/Shape",
            "definitions": {
                "Shape": {
                    "anyOf": [{"$ref": "#/definitions/Circle"}, {"$ref": "#/definitions/Box"}]
                },
                "Circle": closed(
                    ["type", "r"], type={"type": "string", "const": "circle"}, r=NUMBER
                ),
                "Box": closed(
                    ["type", "size"],
                    type={"type": "string", "const": "box"},
                    size={"$ref": "#/definitions/Record<Axis,number>"},
                ),
                "Record<Axis,number>": closed(["x", "y"], x=NUMBER, y=NUMBER),
            },
        },
        [{"type": "circle", "r": 1}, {"type": "box", "size": {"x": 1, "y": 2}}],
        [{"type": "circle", "size": {"x": 1, "y": 2}}, {"type": "box", "size": {"x": 1}}],
    ),
    Real(
        "OpenAI: strict mode",
        closed(
            ["steps", "final_answer"],
            steps={
                "type": "array",
                "items": closed(["explanation", "output"], explanation=STRING, output=STRING),
            },
            final_answer={"type": ["string", "null"]},
        ),
        [{"steps": [{"explanation": "a", "output": "b"}], "final_answer": None}],
        [{"steps": [{"explanation": "a"}], "final_answer": "x"}, {"steps": []}],
    ),
    Real(
        "extraction",
        closed(
            ["entities"],
            entities={
                "type": "array",
                "maxItems": 5,
                "items": closed(
                    ["text", "label", "confidence"],
                    text={"type": "string", "minLength": 1, "maxLength": 40},
                    label={"enum": ["PERSON", "ORG", "DATE"]},
                    confidence={"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01},
                    span={
                        "type": "array",
                        "items": {"type": "integer", "minimum": 0},
                        "minItems": 2,
                        "maxItems": 2,
                    },
                ),
            },
            topics={
                "type": "array",
                "items": {"type": "string", "maxLength": 20},
                "uniqueItems": True,
                "minItems": 2,
                "maxItems": 4,
            },
        ),
        [
            {
                "entities": [
                    {"text": "Ada", "label": "PERSON", "confidence": 0.97, "span": [0, 3]}
                ],
                "topics": ["history", "science"],
            }
        ],
        [
            {"entities": [{"text": "Ada", "label": "PERSON", "confidence": 0.975}]},
            {"entities": [], "topics": ["a"]},
            {"entities": [], "topics": ["a", "a"]},
        ],
    ),
    Real(
        "an array at the root",
        {"type": "array", "items": {"type": ["integer", "null"]}, "minItems": 1, "maxItems": 3},
        [[1, None], [0]],
        [[], [1, 2, 3, 4], ["a"]],
    ),
    Real(
        "money",
        closed(
            ["amount", "currency"],
            amount={"type": "string", "pattern": "^-?\\d{1,12}\\.\\d{2}$"},
            currency={"type": "string", "pattern": "^[A-Z]{3}$"},
            parts={"type": "array", "items": {"type": "integer", "not": {"multipleOf": 5}}},
        ),
        [{"amount": "-12.50", "currency": "EUR", "parts": [1, 7]}],
        [
            {"amount": "12.5", "currency": "EUR"},
            {"amount": "1.00", "currency": "EUR", "parts": [10]},
        ],
    ),
]
REAL = [*CONFIGURATION, *APIS, *TOOLS, *GENERATED]
# What people write and what stays refused, with the keyword that is blamed.
REFUSED = [
    ("uniqueItems", {"type": "array", "items": {"type": "object"}, "uniqueItems": True}),
    ("uniqueItems", {"type": "array", "uniqueItems": True}),
    ("uniqueItems", {"type": "array", "prefixItems": [STRING, INTEGER], "uniqueItems": True}),
    ("format", {"type": "string", "format": "regex"}),
    (
        "unevaluatedProperties",
        {
            "properties": {"kind": STRING},
            "oneOf": [{"properties": {"a": INTEGER}}, {"properties": {"b": INTEGER}}],
            "unevaluatedProperties": False,
        },
    ),
    ("contains", {"allOf": [{"contains": {"const": "a"}}, {"contains": {"const": "b"}}]}),
    ("propertyNames", {"type": "object", "not": {"propertyNames": {"pattern": "^x-"}}}),
    ("$ref", {"$ref": "https://example.org/elsewhere.json"}),
]
