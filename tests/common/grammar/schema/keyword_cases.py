"""Schemas by keyword, with values that fulfil them and values that do not."""

from __future__ import annotations

from typing import Any, NamedTuple

LIST = {
    "$ref": "#/$defs/list",
    "$defs": {
        "list": {
            "type": ["object", "null"],
            "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/list"}},
            "required": ["value"],
            "additionalProperties": False,
        }
    },
}
SHAPES = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}},
            "required": ["kind", "radius"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "square"}, "side": {"type": "number"}},
            "required": ["kind", "side"],
            "additionalProperties": False,
        },
    ]
}


class Case(NamedTuple):
    keyword: str
    schema: Any
    valid: list[Any]
    invalid: list[Any]


CASES = [
    Case("true", True, [None, 1, "x", [], {"a": [1]}], []),
    Case("false", False, [], [None, 1, "x", [], {}]),
    Case("empty", {}, [None, 0.5, "x", [[]], {"a": 1}], []),
    Case("type", {"type": "null"}, [None], [False, 0, "", [], {}]),
    Case("type", {"type": "boolean"}, [True, False], [None, 0, "true"]),
    Case("type", {"type": "integer"}, [0, -7, 10**30, 2.0], [1.5, "1", None]),
    Case("type", {"type": "number"}, [0, 1.5, -2.25], ["1", None, True]),
    Case("type", {"type": "string"}, ["", 'é\n"\\', "\U0001f600"], [1, None, ["a"]]),
    Case("type", {"type": "array"}, [[], [1, "a", [None]]], [{}, "[]"]),
    Case("type", {"type": "object"}, [{}, {"a": {"b": []}}], [[], "{}"]),
    Case("type", {"type": ["integer", "null"]}, [3, None], ["3", 3.5, False]),
    Case(
        "enum",
        {"enum": [1, "a", None, [1, {"b": 2}]]},
        [1, 1.0, "a", None, [1, {"b": 2}]],
        [2, "b", True, [1], [1, {"b": 3}]],
    ),
    Case("enum", {"enum": [0, False]}, [0, False], [1, True, "0"]),
    Case("enum", {"type": "string", "enum": ["a", 1]}, ["a"], [1, "1"]),
    Case(
        "enum",
        {"enum": ["red", "green", "blue"], "pattern": "e"},
        ["red", "green", "blue"],
        ["yellow"],
    ),
    Case(
        "const",
        {"const": {"a": [1, 2], "b": None}},
        [{"a": [1, 2], "b": None}],
        [{"a": [1, 2]}, {"a": [2, 1], "b": None}],
    ),
    Case("const", {"const": 2.0}, [2], [2.5, "2"]),
    Case("const", {"const": "x", "enum": ["y"]}, [], ["x", "y"]),
    Case("minimum", {"minimum": 1.1}, [1.1, 2, "x"], [1, 0.6, -5]),
    Case("maximum", {"type": "integer", "maximum": 300}, [300, -(10**20)], [301, 10**20]),
    Case("exclusiveMinimum", {"exclusiveMinimum": 1.1}, [1.2, 10], [1.1, 1]),
    Case("exclusiveMaximum", {"exclusiveMaximum": 3}, [2.999, -1], [3, 3.001]),
    Case("multipleOf in decimals", {"multipleOf": 0.01}, [0.07, 4.35, 3, "x"], [0.001, 0.015]),
    Case("multipleOf", {"type": "integer", "multipleOf": 3, "minimum": 10}, [12, 99], [9, 13]),
    Case("minLength", {"minLength": 2}, ["ab", "\U0001f600\U0001f600", 1], ["a", "\U0001f600"]),
    Case("maxLength", {"maxLength": 2.0}, ["", "ab", "éé"], ["abc"]),
    Case("pattern", {"pattern": "a+"}, ["a", "xxaay", 5], ["b", ""]),
    Case("pattern", {"pattern": "^\\d{3}$", "type": "string"}, ["012"], ["12", "0123", "01a"]),
    Case(
        "pattern",
        {"pattern": "^[a-z]*$", "minLength": 2, "maxLength": 3},
        ["ab", "abc"],
        ["a", "abcd", "AB"],
    ),
    Case("pattern", {"allOf": [{"pattern": "a"}, {"pattern": "b"}]}, ["ab", "b-a"], ["a", "b"]),
    Case("items", {"items": {"type": "integer"}}, [[], [1, 2], {}], [[1, "x"], [None]]),
    Case("items", {"items": False}, [[]], [[1]]),
    Case(
        "items",
        {"type": "array", "items": {"type": "array", "items": {"type": "null"}}},
        [[[], [None]]],
        [[None], [[1]]],
    ),
    Case(
        "prefixItems",
        {"prefixItems": [{"type": "integer"}, {"type": "string"}]},
        [[], [1], [1, "a"], [1, "a", None]],
        [["a"], [1, 2]],
    ),
    Case(
        "prefixItems",
        {"prefixItems": [{"const": 1}], "items": {"const": 2}},
        [[1], [1, 2, 2]],
        [[2], [1, 1]],
    ),
    Case("prefixItems", {"prefixItems": [True, False]}, [[], [1]], [[1, 2]]),
    Case("minItems", {"type": "array", "minItems": 2}, [[1, 2], [1, 2, 3]], [[], [1]]),
    Case("maxItems", {"maxItems": 1}, [[], [1], "long"], [[1, 2]]),
    Case("contains", {"contains": {"type": "integer"}}, [[1], ["a", 1], {}], [[], ["a"]]),
    Case(
        "contains",
        {"contains": {"const": 1}, "minContains": 2, "maxContains": 3},
        [[1, 1], [1, 2, 1, 1]],
        [[1], [1, 1, 1, 1], []],
    ),
    Case(
        "contains",
        {"contains": {"const": 1}, "minContains": 0, "maxContains": 1},
        [[], [1], [2, 1]],
        [[1, 1]],
    ),
    Case(
        "contains",
        {"contains": {"minimum": 5}, "maxItems": 2, "items": {"type": "integer"}},
        [[5], [1, 9]],
        [[1, 2], [9, 9, 9]],
    ),
    Case(
        "uniqueItems",
        {"items": {"enum": [1, 2, 3]}, "uniqueItems": True},
        [[], [1], [3, 1, 2]],
        [[1, 1], [1, 2, 3, 1]],
    ),
    Case("uniqueItems", {"uniqueItems": True, "maxItems": 1}, [[], ["a"]], [["a", "b"]]),
    Case(
        "uniqueItems",
        {"items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
        [[True, False]],
        [[True], [True, True]],
    ),
    Case("uniqueItems", {"uniqueItems": False}, [[1, 1]], []),
    Case(
        "uniqueItems",
        {"items": {"type": "string"}, "uniqueItems": True},
        [[], ["a", "b"], ["", "/", "\n", "\u0001"], ["a", "aa", "A"]],
        [["a", "a"], ["a", "b", "a"], ["", ""], [1, 2]],
    ),
    Case(
        "uniqueItems",
        {"items": {"pattern": "^(ab|cd)$", "type": "string"}, "uniqueItems": True, "minItems": 2},
        [["ab", "cd"], ["cd", "ab"]],
        [[], ["ab"], ["ab", "ab"], ["ab", "cd", "ab"]],
    ),
    Case(
        "uniqueItems",
        {"items": {"pattern": "^(ab|cd)$", "type": "string"}, "uniqueItems": True, "minItems": 3},
        [],
        [["ab", "cd", "ab"], ["ab", "cd"], []],
    ),
    Case(
        "uniqueItems",
        {"items": {"type": ["number", "null", "boolean"]}, "uniqueItems": True, "maxItems": 3},
        [[1, 1.5, None], [True, 1, 0], [0, -1, -1.5]],
        [[1, 1.0], [0.5, 0.50], [None, None], [1, 2, 3, 4], ["1"]],
    ),
    Case(
        "uniqueItems",
        {"items": {"enum": ["a", "b", 1], "minLength": 1}, "uniqueItems": True},
        [["a", 1, "b"], ["b"]],
        [["a", 1, "a"], ["a", "b", 1, 1]],
    ),
    Case(
        "uniqueItems",
        {
            "items": {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "integer"}]},
            "uniqueItems": True,
        },
        [["a", 1], ["1", 1], []],
        [[1, 2, 1], ["a", "a"], ["ab"]],
    ),
    Case(
        "uniqueItems",
        {
            "items": {
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"enum": ["x", None]}},
                "additionalProperties": False,
            },
            "uniqueItems": True,
        },
        [[], [{}], [{"a": 1}, {"a": 2}], [{"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": 1}, {}]],
        [[{}, {}], [{"a": 1}, {"a": 1.0}], [{"a": 1, "b": "x"}, {"b": "x", "a": 1}], [{"c": 1}]],
    ),
    Case(
        "uniqueItems",
        {
            "items": {"type": "array", "items": {"type": ["integer", "boolean"]}},
            "uniqueItems": True,
        },
        [[[], [1], [1, 1]], [[True], [1], [False], [0]], [[1, 2], [2, 1]]],
        [[[], []], [[1], [1.0]], [[1, 2], [0], [1, 2]], [["1"]]],
    ),
    Case(
        "uniqueItems",
        {
            "prefixItems": [{"type": "string"}, {"type": ["string", "integer"]}],
            "items": {"enum": ["a", 1, [1]]},
            "uniqueItems": True,
            "minItems": 1,
        },
        [["a"], ["a", 1, [1]], ["b", "c", 1, "a", [1]], ["x", 2]],
        [[], ["a", "a"], ["a", 1, "a"], ["b", "c", 1, "a", [1], 1], ["a", [1]]],
    ),
    Case(
        "uniqueItems",
        {"items": {"enum": [{"a": 1}, {"a": [1]}, 1, [1]]}, "uniqueItems": True, "minItems": 2},
        [[{"a": 1}, {"a": [1]}, 1, [1]], [1, [1]]],
        [[1], [[1], [1]], [{"a": 1}, {"a": 1.0}], [{"a": 2}, 1]],
    ),
    Case(
        "uniqueItems",
        {
            "items": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]},
            "type": "array",
            "uniqueItems": True,
        },
        [[], [1, [1], [[1]], []], [[1, 2], [2, 1], [1, [2]]]],
        [[1, 1], [[], []], [[1, 1]], [[1, [2]], 3, [1, [2]]]],
    ),
    Case(
        "properties",
        {"properties": {"a": {"type": "integer"}, "b": False}},
        [{}, {"a": 1}, {"c": None}, []],
        [{"a": "x"}, {"b": 1}],
    ),
    Case(
        "required",
        {"required": ["a", "b"]},
        [{"a": 1, "b": 2}, {"a": 1, "c": 0, "b": 2}, []],
        [{}, {"a": 1}],
    ),
    Case(
        "additionalProperties",
        {"properties": {"a": True}, "additionalProperties": {"type": "integer"}},
        [{"a": "x", "b": 1}],
        [{"b": "x"}],
    ),
    Case(
        "additionalProperties",
        {"properties": {"a": True}, "additionalProperties": False},
        [{}, {"a": 1}],
        [{"b": 1}],
    ),
    Case(
        "patternProperties",
        {"patternProperties": {"^a": {"type": "integer"}, "z$": {"minimum": 5}}},
        [{"a": 1}, {"az": 7}, {"z": "x"}, {"b": None}],
        [{"ab": "x"}, {"az": 3}, {"az": "x"}],
    ),
    Case(
        "patternProperties",
        {
            "properties": {"ab": {"maximum": 9}},
            "patternProperties": {"^a": {"minimum": 3}},
            "additionalProperties": False,
        },
        [{"ab": 5}, {"ac": 100}],
        [{"ab": 2}, {"ab": 10}, {"b": 5}],
    ),
    Case(
        "propertyNames",
        {"propertyNames": {"pattern": "^[ab]+$", "maxLength": 2}},
        [{}, {"ab": 1}],
        [{"abc": 1}, {"c": 1}],
    ),
    Case(
        "propertyNames",
        {"propertyNames": {"enum": ["a", "b"]}, "minProperties": 2},
        [{"a": 1, "b": 2}],
        [{"a": 1}, {"a": 1, "c": 2}],
    ),
    Case("propertyNames", {"propertyNames": False}, [{}], [{"a": 1}]),
    Case(
        "minProperties",
        {
            "minProperties": 2,
            "properties": {"a": True, "b": True, "c": True},
            "additionalProperties": False,
        },
        [{"a": 1, "b": 2}, {"b": 1, "c": 2}],
        [{}, {"a": 1}],
    ),
    Case(
        "minProperties",
        {"minProperties": 2, "required": ["a"]},
        [{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}],
        [{}, {"a": 1}, {"b": 1, "c": 2}],
    ),
    Case(
        "minProperties",
        {"minProperties": 3},
        [{"a": 1, "b": 2, "c": 3}, {"a": {}, "": [], "é": None, "d": 4}, [], 5],
        [{}, {"a": 1, "b": 2}],
    ),
    Case(
        "minProperties",
        {
            "minProperties": 2,
            "patternProperties": {"^a": {"type": "integer"}},
            "additionalProperties": False,
        },
        [{"a": 1, "ab": 2}, {"aa": 1, "a": 2, "ab": 3}],
        [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "ab": "2"}],
    ),
    Case(
        "minProperties",
        {"minProperties": 2, "maxProperties": 2, "propertyNames": {"pattern": "^[ab]$"}},
        [{"a": 1, "b": 2}, {"b": 1, "a": 2}],
        [{"a": 1}, {"a": 1, "c": 2}, {"a": 1, "b": 1, "c": 1}],
    ),
    Case(
        "minProperties",
        {"minProperties": 3, "propertyNames": {"pattern": "^[ab]$"}, "type": ["object", "null"]},
        [None],
        [{"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 3}],
    ),
    Case("maxProperties", {"maxProperties": 1}, [{}, {"a": 1}], [{"a": 1, "b": 2}]),
    Case(
        "dependentRequired",
        {"dependentRequired": {"a": ["b", "c"]}},
        [{}, {"b": 1}, {"a": 1, "b": 1, "c": 1}, "a"],
        [{"a": 1}, {"a": 1, "b": 1}],
    ),
    Case(
        "dependentSchemas",
        {"dependentSchemas": {"a": {"required": ["b"], "maxProperties": 2}}},
        [{"c": 1}, {"a": 1, "b": 2}],
        [{"a": 1}, {"a": 1, "b": 1, "c": 1}],
    ),
    Case(
        "allOf",
        {"allOf": [{"type": "integer"}, {"minimum": 3}, {"maximum": 5}]},
        [3, 5],
        [2, 6, "x"],
    ),
    Case(
        "allOf",
        {
            "allOf": [
                {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}}},
            ]
        },
        [{"a": 3}, {"a": 4, "b": None}],
        [{"a": 2}, {"a": 3, "b": 1}, {"b": None}],
    ),
    Case(
        "anyOf",
        {"anyOf": [{"type": "integer"}, {"minLength": 3, "type": "string"}]},
        [1, "abc"],
        ["ab", 1.5],
    ),
    Case(
        "anyOf",
        {"type": "string", "anyOf": [{"maxLength": 1}, {"minLength": 3}]},
        ["", "abc"],
        ["ab", 1],
    ),
    Case("oneOf", {"oneOf": [{"type": "integer"}, {"minimum": 2}]}, [1, 2.5, "x"], [2, 3, 1.5]),
    Case(
        "oneOf",
        {"oneOf": [{"maxLength": 3}, {"minLength": 2}], "type": "string"},
        ["a", "abcd"],
        ["ab", "abc", 1],
    ),
    Case(
        "oneOf",
        SHAPES,
        [{"kind": "circle", "radius": 1}, {"kind": "square", "side": 2}],
        [{"kind": "circle", "side": 1}, {"kind": "oval"}, {}],
    ),
    Case(
        "oneOf",
        {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"},
        [{"a": 1}, {"b": 1, "c": 2}],
        [{}, {"a": 1, "b": 2}],
    ),
    Case("not", {"not": {"type": "integer"}}, [1.5, "x", None], [1, 2.0]),
    Case("not", {"not": {"enum": [1, "a", None]}}, [2, "b", 1.5, False], [1, 1.0, "a", None]),
    Case("not", {"type": "object", "not": {"required": ["a"]}}, [{}, {"b": 1}], [{"a": 1}]),
    Case("not", {"not": {"not": {"type": "string"}}}, ["x"], [1]),
    Case("not", {"type": "string", "not": {"pattern": "^a"}}, ["b", ""], ["a", "ab", 1]),
    Case("not", {"not": {"properties": {"a": {"const": 1}}}}, [{"a": 2}], [{}, {"a": 1}, 5]),
    Case("not", {"not": {"items": {"type": "integer"}}}, [["a"], [1, "a"]], [[], [1], 1]),
    Case("not", {"not": {"minimum": 3}}, [2, 2.9], [3, "x"]),
    Case(
        "if",
        {
            "if": {"properties": {"k": {"const": 1}}, "required": ["k"]},
            "then": {"required": ["a"]},
            "else": {"required": ["b"]},
            "type": "object",
        },
        [{"k": 1, "a": 0}, {"k": 2, "b": 0}, {"b": 0}],
        [{"k": 1, "b": 0}, {"k": 2, "a": 0}],
    ),
    Case("if", {"if": {"type": "integer"}, "then": {"minimum": 5}}, [5, 1.5, "x"], [4]),
    Case("if", {"then": {"minimum": 5}}, [1, 9], []),
    Case(
        "$ref",
        LIST,
        [None, {"value": 1}, {"value": 1, "next": {"value": 2, "next": None}}],
        [{}, {"value": 1, "next": 5}, {"value": 1, "next": {"next": None}}],
    ),
    Case(
        "$ref",
        {"properties": {"child": {"$ref": "#"}}, "additionalProperties": False},
        [{}, {"child": {"child": {}}}],
        [{"child": {"x": 1}}, {"x": 1}],
    ),
    Case(
        "$ref",
        {"$ref": "#/$defs/a", "maximum": 5, "$defs": {"a": {"type": "integer"}}},
        [5, -1],
        [6, 1.5],
    ),
    Case(
        "$ref",
        {
            "$defs": {"a/b": {"type": "null"}, "c~d": {"$ref": "#/$defs/a~1b"}},
            "$ref": "#/$defs/c~0d",
        },
        [None],
        [1],
    ),
    Case("$ref", {"$ref": "#/$defs/%22x%20y", "$defs": {'"x y': {"const": 1}}}, [1], [2]),
    Case(
        "$ref",
        {"items": {"$ref": "#/prefixItems/0"}, "prefixItems": [{"type": "integer"}]},
        [[], [1, 2]],
        [["a"], [1, "a"]],
    ),
    Case(
        "$anchor", {"$ref": "#it", "$defs": {"x": {"$anchor": "it", "type": "integer"}}}, [1], ["x"]
    ),
    Case(
        "$id",
        {
            "$id": "http://forge.test/root",
            "$ref": "part",
            "$defs": {
                "x": {"$id": "part", "$ref": "#/$defs/y", "$defs": {"y": {"const": 1}}},
                "y": {"const": 2},
            },
        },
        [1],
        [2],
    ),
    Case(
        "$dynamicRef",
        {
            "$dynamicRef": "#node",
            "$defs": {
                "x": {"$dynamicAnchor": "node", "type": "array", "items": {"$dynamicRef": "#node"}}
            },
        },
        [[], [[], [[]]]],
        [1, [1]],
    ),
    Case(
        "unknown words",
        {
            "x-order": 3,
            "nullable": True,
            "discriminator": {},
            "title": "t",
            "default": 1,
            "examples": [2],
            "type": "string",
        },
        ["x"],
        [None, 1],
    ),
    Case(
        "recursion",
        {
            "$defs": {
                "dead": {
                    "type": "object",
                    "required": ["a"],
                    "properties": {"a": {"$ref": "#/$defs/dead"}},
                }
            },
            "anyOf": [{"$ref": "#/$defs/dead"}, {"type": "null"}],
        },
        [None],
        [{"a": 1}, {}],
    ),
    Case(
        "oneOf",
        {
            "oneOf": [
                {"properties": {"a": {}}, "additionalProperties": False, "type": "object"},
                {"properties": {"a": {}, "b": {}}, "additionalProperties": False, "type": "object"},
            ]
        },
        [{"b": 1}, {"a": 1, "b": 2}],
        [{}, {"a": 1}, {"c": 1}],
    ),
    Case(
        "not of a closed object",
        {
            "properties": {"a": {}, "b": {}},
            "additionalProperties": False,
            "not": {"propertyNames": {"const": "a"}},
        },
        [{"b": 1}, {"a": 1, "b": 1}],
        [{}, {"a": 1}],
    ),
    Case(
        "not of a closed object",
        {
            "properties": {"ax": {}, "b": {}},
            "additionalProperties": False,
            "not": {"patternProperties": {"^a": {"type": "integer"}}},
        },
        [{"ax": "x"}, {"ax": None, "b": 1}],
        [{}, {"ax": 1}, {"b": "x"}],
    ),
    Case(
        "uniqueItems",
        {"items": {"type": "integer", "minimum": 1, "exclusiveMaximum": 4}, "uniqueItems": True},
        [[], [3, 1, 2]],
        [[1, 1], [0], [4]],
    ),
    Case(
        "unevaluatedProperties",
        {"properties": {"a": {}}, "patternProperties": {"^b": {}}, "unevaluatedProperties": False},
        [{}, {"a": 1, "bc": 2}, []],
        [{"c": 1}],
    ),
    Case(
        "unevaluatedProperties",
        {"additionalProperties": {"type": "null"}, "unevaluatedProperties": False},
        [{"a": None}],
        [{"a": 1}],
    ),
    Case(
        "unevaluatedProperties",
        {"allOf": [{"required": ["a"]}], "unevaluatedProperties": True},
        [{"a": 1, "b": 2}],
        [{}],
    ),
    Case(
        "unevaluatedProperties",
        {
            "allOf": [{"$ref": "#/$defs/base"}, {"patternProperties": {"^x-": {"type": "null"}}}],
            "properties": {"b": {"type": "string"}},
            "unevaluatedProperties": False,
            "$defs": {"base": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}},
        },
        [{"a": 1}, {"a": 1, "b": "x"}, {"a": 1, "x-y": None}, []],
        [{}, {"a": "x"}, {"a": 1, "c": 1}, {"a": 1, "b": 1}, {"a": 1, "x-y": 1}],
    ),
    Case(
        "unevaluatedProperties",
        {
            "$ref": "#/$defs/base",
            "unevaluatedProperties": {"type": "boolean"},
            "$defs": {
                "base": {"properties": {"a": {}}, "allOf": [{"$ref": "#/$defs/more"}]},
                "more": {"properties": {"b": {}}, "anyOf": [{"required": ["a"]}, True]},
            },
        },
        [{"a": 1, "b": 2, "c": True}, {}],
        [{"c": 1}],
    ),
    Case(
        "unevaluatedProperties",
        {"allOf": [{"properties": {"a": {}}}, {"unevaluatedProperties": False}]},
        [{}, 1],
        [{"a": 1}, {"b": 1}],
    ),
    Case(
        "unevaluatedProperties",
        {
            "allOf": [{"additionalProperties": {"type": "integer"}}],
            "properties": {"a": {"const": 1}},
            "unevaluatedProperties": False,
        },
        [{"a": 1, "b": 2}],
        [{"a": 2}, {"b": "x"}],
    ),
    Case(
        "unevaluatedProperties",
        {
            "properties": {"a": {}, "b": {}},
            "if": {"properties": {"a": {"const": 1}}, "required": ["a"]},
            "then": {"required": ["b"]},
            "unevaluatedProperties": False,
        },
        [{}, {"a": 2}, {"a": 1, "b": 1}],
        [{"a": 1}, {"c": 1}],
    ),
    Case(
        "unevaluatedItems",
        {
            "allOf": [{"prefixItems": [{"type": "null"}, {"type": "string"}]}],
            "prefixItems": [True],
            "unevaluatedItems": {"type": "integer"},
        },
        [[], [None], [None, "x", 1, 2]],
        [[1], [None, 1], [None, "x", "y"]],
    ),
    Case(
        "unevaluatedItems",
        {"allOf": [{"items": {"type": "integer"}}], "unevaluatedItems": False},
        [[], [1, 2]],
        [["a"]],
    ),
    Case(
        "not multipleOf",
        {"type": "integer", "not": {"multipleOf": 3}},
        [1, 2, 4, -5, 10**30],
        [0, 3, -6, 3 * 10**30, 1.5],
    ),
    Case(
        "not multipleOf",
        {"type": "number", "not": {"multipleOf": 0.5}, "minimum": 0, "maximum": 2},
        [0.25, 1.75, 0.1],
        [0, 0.5, 1, 2, 2.25],
    ),
    Case(
        "not multipleOf",
        {"not": {"multipleOf": 2.5}},
        [1, 2, 7.25],
        [0, 2.5, 5, -7.5, "x", None],
    ),
    Case(
        "unevaluatedItems",
        {"prefixItems": [{"type": "null"}], "unevaluatedItems": {"type": "integer"}},
        [[None, 1, 2], []],
        [[None, "a"], [1]],
    ),
]

OLD_DRAFTS = [
    Case(
        "draft 4",
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "minimum": 1,
            "exclusiveMinimum": True,
            "maximum": 5,
            "exclusiveMaximum": False,
        },
        [2, 5],
        [1, 6],
    ),
    Case(
        "draft 4",
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "id": "http://forge.test/s",
            "$ref": "#/definitions/a",
            "definitions": {"a": {"type": "null"}},
        },
        [None],
        [1],
    ),
    Case("draft 4", {"$schema": "http://json-schema.org/draft-04/schema#", "const": 1}, [1, 2], []),
    Case(
        "draft 6",
        {
            "$schema": "http://json-schema.org/draft-06/schema#",
            "const": 1,
            "if": True,
            "then": False,
        },
        [1],
        [2],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": [{"type": "integer"}, {"type": "string"}],
            "additionalItems": False,
        },
        [[], [1], [1, "a"]],
        [["a"], [1, "a", 2]],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": {"type": "integer"},
            "additionalItems": False,
        },
        [[1, 2]],
        [["a"]],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"a": {"$ref": "#/definitions/x", "maximum": 1}},
            "definitions": {"x": {"type": "integer"}},
        },
        [{"a": 9}],
        [{"a": "x"}],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "dependencies": {"a": ["b"], "c": {"required": ["d"]}},
        },
        [{}, {"a": 1, "b": 1}, {"c": 1, "d": 1}],
        [{"a": 1}, {"c": 1}],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"a": {"$ref": "#x"}},
            "definitions": {"x": {"$id": "#x", "type": "integer"}},
        },
        [{"a": 1}],
        [{"a": "x"}],
    ),
    Case(
        "draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "contains": {"const": 1},
            "minContains": 2,
        },
        [[1]],
        [[2]],
    ),
    Case(
        "draft 2019-09",
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "type": "object",
            "properties": {"a": {"$recursiveRef": "#"}},
        },
        [{}, {"a": {"a": {}}}],
        [{"a": 1}, 1],
    ),
]
