"""The status page in a real browser: it shows what runs while it runs, and rests when unseen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Page
from tests.web.conversation import complaints

pytestmark = pytest.mark.integration
NUM_STREAMS = 4


@pytest.fixture
def load(forge: LaunchedForge) -> Iterator[None]:
    """Long streams, which end when the test does."""
    body = {"prompt": "once upon a time", "max_tokens": 4000, "ignore_eos": True, "stream": True}
    streams = [forge.open("/v1/completions", **body) for _ in range(NUM_STREAMS)]
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            for stream in streams:
                stream.readline()

    reader = threading.Thread(target=read)
    reader.start()
    yield
    is_over.set()
    reader.join()
    for stream in streams:
        stream.close()


def show(page: Page) -> None:
    page.js("location.hash = '/status'")
    page.wait_for("document.querySelectorAll('.tile').length > 0")


def polls(page: Page) -> int:
    urls = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    return sum(url.endswith("/forge/v1/status") for url in urls)


def test_running_sequences_and_their_blocks_are_shown(page: Page, load: None) -> None:
    show(page)
    page.wait_for(f"document.querySelectorAll('.phase.running').length === {NUM_STREAMS}")
    page.wait_for(f"document.querySelector('.tile .value').innerText === '{NUM_STREAMS}'")
    assert "in use" in page.text("#block-note")
    assert not page.text("#block-note").startswith("0 ")
    assert page.wait_for(
        "document.querySelector('.plot path.line-0').getAttribute('d').length > 20"
    )
    used_pixels = """(() => {
      const canvas = document.querySelector('#block-map');
      const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const used = new Set();
      for (let i = 0; i < data.length; i += 4) used.add(data.slice(i, i + 4).join());
      return used.size;
    })()"""
    assert page.js(used_pixels) >= 3  # used, free, and nothing between cells
    assert complaints(page) == []


def test_a_phone_shows_sequences_without_scrolling_sideways(phone: Page, load: None) -> None:
    show(phone)
    phone.wait_for(f"document.querySelectorAll('.phase.running').length === {NUM_STREAMS}")
    assert phone.js("document.scrollingElement.scrollWidth - innerWidth") <= 0


def test_an_idle_server_shows_no_sequence(page: Page) -> None:
    show(page)
    page.wait_for("document.querySelector('#sequences-note').innerText === 'None at the moment'")
    assert page.text("#status-note") == "Ready to serve"


LEAVE = "location.hash = '/playground'"
HIDE = """
Object.defineProperty(document, 'hidden', {value: true});
document.dispatchEvent(new Event('visibilitychange'));
"""


@pytest.mark.parametrize("go_away", [LEAVE, HIDE], ids=["other view", "other tab"])
def test_nothing_is_asked_for_while_nobody_looks(page: Page, go_away: str) -> None:
    assert polls(page) == 0
    show(page)
    page.js(go_away)
    time.sleep(0.2)
    num_polls = polls(page)
    time.sleep(1.5)
    assert polls(page) == num_polls > 0
