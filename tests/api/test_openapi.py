"""The document is true to the routes, and what it says of bodies is what is read and written."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import msgspec
import pytest

from forge_api.app import PAGE, ROUTES
from forge_api.openai_types import ChatCompletionRequest
from forge_api.openapi import Operation, document, operation_id
from forge_api.operations import OPERATIONS, PAGE_OPERATIONS
from forge_api.parameters import REFUSED, REFUSED_IN_CHAT, BodyParser
from forge_common.errors import RequestError

METHODS = {"GET": "get", "POST": "post"}
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return msgspec.json.decode(msgspec.json.encode(document(OPERATIONS + PAGE_OPERATIONS)))


def test_every_route_is_described_and_nothing_else() -> None:
    routes = {
        (METHODS[route.method], re.sub(r":[^}]*}", "}", route.path)) for route in (*ROUTES, *PAGE)
    }
    assert {(each.method, each.path) for each in (*OPERATIONS, *PAGE_OPERATIONS)} == routes


def test_names_of_operations_differ() -> None:
    assert len({operation_id(each) for each in OPERATIONS}) == len(OPERATIONS)


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    references = re.findall(
        r'"\$ref":"#/components/schemas/([^"]+)"', msgspec.json.encode(openapi).decode()
    )
    assert set(references) <= set(openapi["components"]["schemas"])
    assert references


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/health"])
def test_probes_need_no_key(openapi: dict[str, Any], path: str) -> None:
    described = openapi["paths"][path]["get"]
    assert described["security"] == []
    assert "401" not in described["responses"]


def test_all_else_takes_a_key_and_may_refuse(openapi: dict[str, Any]) -> None:
    described = openapi["paths"]["/v1/models"]["get"]
    assert {"key": []} in described["security"]
    assert {"200", "401", "429"} <= set(described["responses"])


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        ({"messages": MESSAGES}, True),
        ({"messages": MESSAGES, "temperature": 0.5, "n": 2, "stop": ["a", "b"]}, True),
        ({"messages": []}, False),
        ({}, False),
        ({"messages": MESSAGES, "n": 17}, False),
        ({"messages": MESSAGES, "temperature": -1}, False),
        ({"messages": [{"role": "nobody", "content": "hi"}]}, False),
        ({"messages": MESSAGES, "logit_bias": {"5": 101}}, False),
    ],
)
def test_a_body_fits_the_schema_exactly_if_it_is_read(
    openapi: dict[str, Any], body: dict[str, Any], is_valid: bool
) -> None:
    schema = {"$ref": "#/components/schemas/ChatCompletionRequest", **openapi}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(body) is is_valid
    parser = BodyParser(ChatCompletionRequest, REFUSED | REFUSED_IN_CHAT, is_strict=False)
    if is_valid:
        assert parser.parse(msgspec.json.encode(body)).ignored == []
    else:
        with pytest.raises(RequestError):
            parser.parse(msgspec.json.encode(body))


def test_a_path_tells_its_parameters() -> None:
    operation = Operation("get", "/v1/things/{name}", "A thing", "text/plain")
    described = document((operation,))["paths"]["/v1/things/{name}"]["get"]
    assert [each["name"] for each in described["parameters"]] == ["name"]
