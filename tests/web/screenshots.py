"""The pictures in docs/images: `python -m tests.web.screenshots` takes them anew, in two minutes.

Of the demo model, answering what is asked of it here; needs a Chromium.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.conftest import start_forge
from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Browser, Page, Size, find_chromium
from tests.web.conversation import ask, fill, wait_for_replies

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE, TALL = Size(1280, 800), Size(1280, 1060)
NUM_CLIENTS = 14
LOAD_S = 58.0
SYSTEM = {"role": "system", "content": "You are a friendly guide through a small museum. " * 8}
QUESTIONS = (
    "Tell me a story about a robot.",
    "What is the capital of France?",
    "Write a poem about the sea.",
    "What is Forge?",
    "Count from one to twenty.",
)


def take_playground(page: Page) -> None:
    page.click("#shows_tokens")
    fill(page, seed=4, temperature=0.8)
    ask(page, "Tell me a short story about a robot.")
    wait_for_replies(page, 1)
    page.js("scrollTo(0, 0)")
    page.js(UNSURE_CHIP)
    page.screenshot(IMAGES / "playground.png")


UNSURE_CHIP = (
    "[...document.querySelectorAll('.chip')].slice(4, 40)"
    ".sort((a, b) => a.dataset.logprob - b.dataset.logprob)[0].focus({preventScroll: true})"
)


def take_status(page: Page) -> None:
    page.resize(TALL)
    page.js("location.hash = '/status'")
    time.sleep(LOAD_S)
    page.wait_for("document.querySelectorAll('#sequences tbody tr').length > 5")
    page.screenshot(IMAGES / "status.png")


@contextmanager
def load(forge: LaunchedForge) -> Iterator[None]:
    """Clients that ask one thing after another, with pauses."""
    is_over = threading.Event()

    def client(seed: int) -> None:
        chance = random.Random(seed)
        while not is_over.is_set():
            messages = [SYSTEM, {"role": "user", "content": chance.choice(QUESTIONS)}]
            body = {"ignore_eos": True, "temperature": 1.3, "max_tokens": chance.randint(40, 800)}
            forge.post("/v1/chat/completions", messages=messages, **body)
            is_over.wait(chance.expovariate(2.0 + 1.5 * (seed % 3)))

    clients = [threading.Thread(target=client, args=(seed,)) for seed in range(NUM_CLIENTS)]
    for thread in clients:
        thread.start()
    yield
    is_over.set()
    for thread in clients:
        thread.join()


def main() -> None:
    executable = find_chromium()
    assert executable is not None, "there is no Chromium"
    IMAGES.mkdir(exist_ok=True)
    forge = start_forge("--num-blocks", "1000", "--max-batch-size", "10").wait_until_ready()
    try:
        with Browser(executable) as browser, browser.page(forge.url, SIZE) as page:
            page.wait_for("document.querySelector('#server')?.dataset.state === 'ok'")
            take_playground(page)
            with load(forge):
                take_status(page)
    finally:
        forge.destroy()


if __name__ == "__main__":
    main()
