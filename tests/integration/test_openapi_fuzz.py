"""What schemathesis sends by Forge's own OpenAPI document, good and bad: no 500, and no death.

Replies must be of the documented status, media type and shape; what breaks a schema is refused.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from forge_api.openapi import document
from forge_api.operations import OPERATIONS, PAGE_OPERATIONS
from tests.integration.conftest import start_forge
from tests.integration.launched_forge import LaunchedForge

DOCUMENT = json.loads(json.dumps(document(OPERATIONS + PAGE_OPERATIONS)))
schema = schemathesis.openapi.from_dict(DOCUMENT)
NUM_EXAMPLES = 25  # for each route
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def short_forge(small_model: Path) -> Iterator[LaunchedForge]:
    """Its replies are short, whatever number of tokens is asked for."""
    argv = ("--model-path", str(small_model), "--max-model-len", "48", "--log-level", "error")
    forge = start_forge(*argv).wait_until_ready()
    children = forge.children
    yield forge
    assert forge.children == children  # the same processes, after all that was sent
    forge.destroy()


def test_the_document_is_served(short_forge: LaunchedForge) -> None:
    with urllib.request.urlopen(f"{short_forge.url}/openapi.json") as reply:  # noqa: S310
        assert json.load(reply) == DOCUMENT


@schema.parametrize()
@settings(
    max_examples=NUM_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_route_keeps_to_its_document(short_forge: LaunchedForge, case: Any) -> None:
    response = case.call(base_url=short_forge.url, timeout=30)
    is_too_large = response.status_code == 413  # a refusal that schemathesis does not know as one
    checks = [check for check in CHECKS if check is not negative_data_rejection or not is_too_large]
    case.validate_response(response, checks=checks)
