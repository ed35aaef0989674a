"""One browser and one server of random weights for all tests of the page, and a tab for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.conftest import small_model, start_forge
from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Browser, Page, Size, find_chromium

__all__ = ["small_model"]

DESK, PHONE = Size(1280, 800), Size(360, 740)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = find_chromium()
    if executable is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with Browser(executable) as started:
        yield started


@pytest.fixture(scope="package")
def forge(browser: Browser, small_model: object) -> Iterator[LaunchedForge]:
    """Without a browser it need not even start."""
    started = start_forge("--model-path", str(small_model))
    yield started.wait_until_ready()
    started.destroy()


@pytest.fixture
def page(browser: Browser, forge: LaunchedForge) -> Iterator[Page]:
    with browser.page(forge.url, DESK) as opened:
        wait_until_greeted(opened)
        yield opened


@pytest.fixture
def phone(browser: Browser, forge: LaunchedForge) -> Iterator[Page]:
    with browser.page(forge.url, PHONE) as opened:
        wait_until_greeted(opened)
        yield opened


def wait_until_greeted(page: Page) -> None:
    page.wait_for("document.querySelector('#server')?.dataset.state === 'ok'")
