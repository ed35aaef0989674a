"""Pages: everything escaped, nothing loaded from anywhere, every definition in the footer."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from forge_common.bench.definitions import definitions
from forge_common.bench.page import comparison_page, run_page
from forge_common.bench.report import run_report
from forge_common.bench.service_level import ServiceLevel
from tests.common.bench.builders import failed, observation, result

EVIL = "<script>alert('x')</script><img src=x onerror=y> \x1b[2J | \"quoted\""
RUN = result(
    observation(1, 2, 3),
    failed(EVIL, detail=EVIL),
    slo=ServiceLevel(ttft=2.0),
    model=EVIL,
    url=f"http://host/{EVIL}",
)
PAGES = {"run": run_page(RUN), "comparison": comparison_page(RUN, result(model=EVIL))}
VOID = {"meta"}


class Tags(HTMLParser):
    """Which elements a page has; fails where one is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onerror", "onload"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_a_server_says_stays_text(page: str) -> None:
    assert not {"script", "img"} & Tags(page).seen
    assert escape(EVIL.split()[0]) in page


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_page_loads_nothing(page: str) -> None:
    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"url\(|@import|<link", page)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_page_has_plots_and_says_what_its_numbers_mean(page: str) -> None:
    assert page.count("<svg ") == 7
    assert all(escape(text) in page for text in definitions())


def test_every_definition_stands_in_the_docs() -> None:
    docs = Path(__file__).parents[3] / "docs" / "forge-bench.md"
    text = " ".join(docs.read_text().replace("**", "").split())
    for paragraph in definitions():
        assert paragraph in text


def test_plots_of_nothing_are_still_a_page() -> None:
    assert "nan" not in run_page(result())


def test_terminal_report_is_not_steered_by_the_server() -> None:
    report = run_report(RUN)
    assert "\x1b" not in report
    assert all(line.startswith(("|", "Times", "1 repl")) for line in report.splitlines() if line)
