"""The page for everybody: by keyboard, on a phone, in both themes, read out, and with a key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import start_forge
from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Browser, Page
from tests.web.conftest import DESK, PHONE, wait_until_greeted
from tests.web.conversation import ask, complaints, fill, wait_for_replies

pytestmark = pytest.mark.integration
CONTROLS = {
    "button", "checkbox", "combobox", "image", "link", "listbox", "option", "spinbutton", "table",
    "textbox", "navigation", "list",
}  # fmt: skip
NAMELESS = {"list"}  # one may have no name
MIN_CONTRAST = 4.5  # WCAG 2, AA
CONTRASTS = """(() => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = channels(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const text = [...node.childNodes].filter((child) => child.nodeType === 3 && child.data.trim());
    if (text.length === 0 || !node.checkVisibility()) continue;
    if (node.closest('.unseen, .skip, svg')) continue;
    const [a, b] = [channels(getComputedStyle(node).color), ground(node)].map(light);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([contrast, node.className || node.tagName, text[0].data.slice(0, 30)]);
  }
  return found;
})()"""


def show_everything(page: Page) -> None:
    """Tokens, an error, and a reply."""
    page.click("#shows_tokens")
    fill(page, max_tokens=40, seed=5)
    ask(page, "averylongwordthatdoesnotfit" * 9)
    wait_for_replies(page, 1)
    page.js("document.querySelectorAll('.chip')[4].focus()")


def overflow(page: Page) -> int:
    return int(page.js("document.scrollingElement.scrollWidth - innerWidth"))


def test_a_chat_takes_nothing_but_a_keyboard(page: Page) -> None:
    page.press("Tab")
    assert page.js("document.activeElement.className") == "skip"
    while page.js("document.activeElement.id") != "shows_tokens":
        page.press("Tab")
    page.press(" ")
    while page.js("document.activeElement.id") != "prompt":
        page.press("Tab")
        ring = page.js("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", page.js("document.activeElement.outerHTML")
    fill(page, max_tokens=3000)
    page.type("two")
    page.press("Enter", shift=True)
    page.type("lines")
    assert page.js("document.activeElement.value") == "two\nlines"
    page.press("Enter")
    page.wait_for("document.querySelectorAll('.chip').length > 8")
    page.press("Escape")
    wait_for_replies(page, 1)
    page.press("Tab", shift=True)
    while not page.js("document.activeElement.classList.contains('chip')"):
        page.press("Tab", shift=True)
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert page.js("[...document.querySelectorAll('.chip')].indexOf(document.activeElement)") == 2
    assert page.text(".card caption") == "Likeliest tokens here"
    page.press("Tab")  # one stop for all tokens
    assert not page.js("document.activeElement.classList.contains('chip')")


def test_a_phone_never_scrolls_sideways(phone: Page) -> None:
    phone.click("summary")
    show_everything(phone)
    assert overflow(phone) <= 0
    phone.js("location.hash = '/status'")
    phone.wait_for("document.querySelectorAll('.tile').length > 0")
    assert overflow(phone) <= 0


def test_every_control_has_a_name(page: Page) -> None:
    show_everything(page)
    for view in ("playground", "status"):
        page.js(f"location.hash = '/{view}'")
        time.sleep(0.1)
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        controls = [
            node
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in CONTROLS - NAMELESS
        ]
        assert len(controls) > 5
        nameless = [node for node in controls if not node["name"]["value"].strip()]
        assert nameless == []


def test_headings_and_landmarks_are_there(page: Page) -> None:
    assert page.js("document.documentElement.lang") == "en"
    assert page.js("document.querySelectorAll('main').length") == 1
    visible = "[...document.querySelectorAll('h1')].filter((h) => h.checkVisibility()).length"
    assert page.js(visible) == 1
    ids = "[...document.querySelectorAll('[id]')].map((node) => node.id)"
    assert page.js(f"new Set({ids}).size === {ids}.length")


def test_a_reply_is_read_out_once_and_whole(page: Page) -> None:
    fill(page, max_tokens=20, seed=2)
    ask(page, "hello")
    wait_for_replies(page, 1)
    assert page.js("document.querySelector('#announcer').getAttribute('aria-live')") == "polite"
    assert page.js(
        "document.querySelector('#announcer').textContent"
        " === document.querySelector('.turn.reply > .text').textContent"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(page: Page, theme: str) -> None:
    page.prefer(color_scheme=theme)
    show_everything(page)
    for view in ("playground", "status"):
        page.js(f"location.hash = '/{view}'")
        time.sleep(0.2)
        found = page.js(CONTRASTS)
        assert len(found) > 15
        assert [entry for entry in found if entry[0] < MIN_CONTRAST] == []


def test_nothing_moves_where_motion_is_not_wanted(page: Page) -> None:
    page.prefer(reduced_motion="reduce")
    fill(page, max_tokens=3000)
    ask(page, "hello")
    page.wait_for("document.querySelector('.is-open > .text')?.textContent.length > 0")
    animation = (
        "getComputedStyle(document.querySelector('.is-open > .text'), '::after').animationName"
    )
    assert page.js(animation) == "none"
    page.press("Escape")


@pytest.fixture(scope="module")
def locked_forge(browser: Browser, small_model: Path) -> Iterator[LaunchedForge]:
    started = start_forge("--model-path", str(small_model), "--api-key", "secret")
    yield started.wait_until_ready()
    started.destroy()


def test_a_key_is_asked_for_and_kept_for_the_tab(
    browser: Browser, locked_forge: LaunchedForge
) -> None:
    with browser.page(locked_forge.url, PHONE) as page:
        page.wait_for("document.querySelector('#key-dialog').open")
        page.type("secret")
        page.press("Enter")
        wait_until_greeted(page)
        fill(page, max_tokens=4)
        ask(page, "hello")
        wait_for_replies(page, 1)
        page.open(locked_forge.url)
        wait_until_greeted(page)
        assert page.js("Object.keys(localStorage).length + document.cookie.length") == 0
        assert [entry for entry in complaints(page) if "401" not in str(entry)] == []


def test_whoever_has_no_key_is_told_and_not_pestered(
    browser: Browser, locked_forge: LaunchedForge
) -> None:
    with browser.page(locked_forge.url, DESK) as page:
        page.wait_for("document.querySelector('#key-dialog').open")
        page.press("Escape")
        page.js("location.hash = '/status'")
        page.wait_for("document.querySelector('#status-note').innerText.includes('API key')")
        assert page.text("#server-text") == "Needs an API key"
        assert page.js("document.querySelector('#key-dialog').open") is False
