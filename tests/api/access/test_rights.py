"""What is declared of routes is declared of routes that exist."""

from __future__ import annotations

from forge_api.access.rights import ADMIN, METERED, PUBLIC
from forge_api.app import build_app
from forge_api.operations import OPERATIONS, PAGE_OPERATIONS
from tests.api.fakes import FakeEngine, make_services, speaks


def test_every_declared_route_exists() -> None:
    services = make_services(FakeEngine(speaks("hi")))
    try:
        resources = {resource.canonical for resource in build_app(services).router.resources()}
    finally:
        services.grammars.close()
    assert resources >= PUBLIC | ADMIN | METERED
    assert not PUBLIC & (ADMIN | METERED)


def test_openapi_document_says_the_same_of_what_needs_no_key() -> None:
    assert {
        operation.path for operation in OPERATIONS + PAGE_OPERATIONS if operation.is_public
    } == PUBLIC
