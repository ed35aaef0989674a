"""The page's modules by themselves, in the browser that runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Browser, Page
from tests.web.conftest import DESK

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def page(browser: Browser, forge: LaunchedForge) -> Iterator[Page]:
    """They change nothing about it."""
    with browser.page(forge.url, DESK) as opened:
        yield opened


def evaluate(page: Page, module: str, expression: str) -> Any:
    """Of what `module` exports, as `it`."""
    return page.js(f'import("/web/{module}.js").then((it) => {expression})')


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_whole_however_bytes_are_cut(page: Page, size: int) -> None:
    text = (
        'data: {"a":1}\n\n: a comment\n\ndata: two\r\ndata: lines\r\n\r\nevent: x\ndata:tight\n\n'
    )
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    parse = f"""(() => {{
      const parser = new it.EventStreamParser();
      return {json.dumps(pieces)}.flatMap((piece) => parser.push(piece));
    }})()"""
    assert evaluate(page, "event_stream", parse) == ['{"a":1}', "two\nlines", "tight"]


def test_empty_fields_are_left_to_the_server(page: Page) -> None:
    body = evaluate(page, "chat_request", "it.chatRequest({shows_tokens: false, seed: 0}, [])")
    assert set(body) == {"messages", "stream", "stream_options", "seed"}


def test_totals_become_rates(page: Page) -> None:
    make = """(() => {
      const names = ["num_steps", "step_s", "num_cached_prompt_tokens", "num_prompt_tokens",
        "num_output_tokens", "num_draft_tokens", "num_accepted_tokens"];
      const status = (value) => ({
        totals: Object.fromEntries(names.map((name, index) => [name, value * (index + 1)])),
        health: {engine: {num_running: 1, num_waiting: 2, num_blocks: 4, num_free_blocks: 1}},
      });
      const history = new it.History();
      const looks = [[0, 0], [10, 2], [10, 3], [11, 20], [0, 21]];
      for (const [value, atS] of looks) history.take(status(value), atS);
      return history.samples;
    })()"""
    first, idle, gap, restarted = evaluate(page, "history", make)
    assert (first["outputTokensPerS"], first["stepMs"], first["usedShare"]) == (25, 2000, 0.75)
    assert (first["promptTokensPerS"], first["cachedTokensPerS"]) == (5, 15)
    assert (idle["stepMs"], idle["acceptedShare"], idle["isGap"]) == (None, None, False)
    assert (gap["isGap"], restarted["isGap"]) == (True, True)


@pytest.mark.parametrize(("value", "top"), [(0, 0), (0.3, 0.5), (1, 1), (11, 20), (501, 1000)])
def test_scales_are_round(page: Page, value: float, top: float) -> None:
    assert evaluate(page, "plot", f"it.roundedUp({value})") == pytest.approx(top)


def test_cells_are_shares_of_what_was_seen(page: Page) -> None:
    cells = "{num_blocks: 70, blocks_per_cell: 40, blocks_seen: 14, used: [7, 10], cached: [7, 0]}"
    assert evaluate(page, "block_map", f"it.cellsOf({cells})") == [
        {"used": 0.5, "cached": 0.5},
        {"used": 1, "cached": 0},
    ]


@pytest.mark.parametrize(
    ("probability", "level"), [(1, 0), (0.9, 0), (0.89, 1), (0.5, 2), (0.2, 3), (0.01, 4)]
)
def test_colours_follow_probability(page: Page, probability: float, level: int) -> None:
    assert evaluate(page, "token_view", f"it.levelOf(Math.log({probability}) + 1e-9)") == level


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("figure(0.4213)", "0.42"),
        ("figure(7.256)", "7.26"),
        ("figure(12400)", "12,400"),
        ("duration(0.0234)", "23.4 ms"),
        ("duration(125)", "2 min 5 s"),
        ("percent(0.123)", "12 %"),
        ("percent(0.00001)", "< 0.1 %"),
        ("counted(1, 'token')", "1 token"),
    ],
)
def test_numbers_read_well(page: Page, call: str, text: str) -> None:
    assert evaluate(page, "format", f"it.{call}") == text
