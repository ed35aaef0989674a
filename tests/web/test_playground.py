"""The playground in a real browser: it streams, stops, shows tokens, and says what is wrong."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from tests.integration.launched_forge import LaunchedForge
from tests.web.browser import Page
from tests.web.conversation import ask, complaints, fill, sent_bodies, wait_for_replies

pytestmark = pytest.mark.integration
REPLY = ".turn.reply:last-child > .text"


def num_running(forge: LaunchedForge) -> int:
    with urllib.request.urlopen(forge.url + "/forge/v1/health") as reply:  # noqa: S310 - our own
        return int(json.load(reply)["engine"]["num_running"])


def wait_until_running(forge: LaunchedForge, number: int) -> None:
    deadline = time.monotonic() + 5.0
    while num_running(forge) != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_page_loads_from_its_own_origin_and_without_complaint(
    page: Page, forge: LaunchedForge
) -> None:
    fill(page, max_tokens=4)
    ask(page, "hello")
    wait_for_replies(page, 1)
    urls = [event["request"]["url"] for event in page.events("Network.requestWillBeSent")]
    assert len(urls) > 10
    assert all(url.startswith(forge.url) for url in urls)
    assert complaints(page) == []


def test_a_reply_comes_piece_by_piece_with_its_numbers(page: Page) -> None:
    page.js(
        f"""(() => {{
        window.lengths = new Set();
        const look = () => lengths.add(document.querySelector("{REPLY}")?.textContent.length ?? 0);
        const options = {{ subtree: true, childList: true, characterData: true }};
        new MutationObserver(look).observe(document.querySelector("#turns"), options);
        }})()"""
    )
    fill(page, max_tokens=3900, seed=1)
    ask(page, "hello")
    wait_for_replies(page, 1)
    lengths = sorted(page.js("[...lengths]"))
    assert any(0 < length < lengths[-1] for length in lengths)
    numbers = page.text(".numbers")
    assert numbers.startswith("3,900 tokens · ")
    assert "tokens/s" in numbers
    assert "first after" in numbers


def test_stop_ends_the_sequence_on_the_server(page: Page, forge: LaunchedForge) -> None:
    fill(page, max_tokens=4000)
    ask(page, "hello")
    page.wait_for(f"document.querySelector('{REPLY}')?.textContent.length > 20")
    assert num_running(forge) == 1
    page.click("#stop")
    wait_for_replies(page, 1)
    wait_until_running(forge, 0)
    assert "stopped" in page.text(".numbers")
    assert page.text(REPLY)
    assert complaints(page) == []


def test_turns_are_remembered_and_a_reply_can_be_had_anew(page: Page) -> None:
    fill(page, max_tokens=5, seed=3, system="Be brief.", temperature=0.5, top_p=0.9, top_k=40)
    ask(page, "one")
    wait_for_replies(page, 1)
    first = page.js(f"document.querySelector('{REPLY}').textContent")
    ask(page, "two")
    wait_for_replies(page, 2)
    page.js("[...document.querySelectorAll('.turn-actions .link')].at(-1).click()")
    page.wait_for("document.querySelectorAll('.is-open').length === 0")
    _, second, third = sent_bodies(page)
    assert second == third
    roles = [message["role"] for message in second["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert second["messages"][2]["content"] == first
    asked = {"seed": 3, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "max_tokens": 5}
    assert asked.items() <= second.items()


def test_an_error_of_a_schema_stands_at_its_field(page: Page) -> None:
    fill(page, schema='{"type": "objekt"}')
    ask(page, "hello")
    error = page.wait_for(
        "document.querySelector('[data-param=response_format] .error')?.innerText"
    )
    assert "objekt" in error
    assert page.js("document.activeElement.id") == "schema"
    assert page.js("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.js("document.querySelectorAll('.turn').length") == 0
    assert page.js("document.querySelector('#prompt').value") == "hello"


def test_what_is_no_json_is_told_before_anything_is_sent(page: Page) -> None:
    fill(page, schema="{")
    ask(page, "hello")
    assert "not JSON" in page.wait_for("document.querySelector('.error')?.innerText")
    assert sent_bodies(page) == []


def test_a_parameter_out_of_bounds_is_told_at_its_field(page: Page) -> None:
    fill(page, top_p=7)
    ask(page, "hello")
    assert "1" in page.wait_for("document.querySelector('[data-param=top_p] .error')?.innerText")


def test_a_schema_is_kept_to(page: Page) -> None:
    page.click("#schema-example")
    fill(page, seed=1)
    ask(page, "hello")
    wait_for_replies(page, 1)
    assert set(json.loads(page.text(REPLY))) == {"name", "age"}


def test_tokens_show_the_logprobs_of_the_api(page: Page, forge: LaunchedForge) -> None:
    page.click("#shows_tokens")
    fill(page, max_tokens=12, seed=5, temperature=0.7)
    ask(page, "hello")
    wait_for_replies(page, 1)
    [body] = sent_bodies(page)
    same = {name: value for name, value in body.items() if not name.startswith("stream")}
    reply = forge.post("/v1/chat/completions", **same)
    expected = reply["choices"][0]["logprobs"]["content"]
    shown = page.js("[...document.querySelectorAll('.chip')].map((chip) => +chip.dataset.logprob)")
    assert shown == pytest.approx([token["logprob"] for token in expected], abs=1e-4)
    page.js("document.querySelectorAll('.chip')[3].focus()")
    row = page.text(".card tbody tr")
    likeliest = max(other["logprob"] for other in expected[3]["top_logprobs"])
    assert f"{likeliest:.2f}" in row


def test_thoughts_are_folded_and_calls_are_shown(page: Page) -> None:
    """Of chunks as the API sends them: a model of random weights neither thinks nor calls."""
    begun = {"name": "add", "arguments": '{"a"'}
    chunks = [
        {"delta": {"reasoning_content": "Let me see."}},
        {"delta": {"content": "<b>4</b>"}},
        {"delta": {"tool_calls": [{"index": 0, "id": "c", "function": begun}]}},
        {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}},
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    page.js(
        f"""(async () => {{
        const {{ Reply }} = await import("/web/reply.js");
        const {{ ReplyView }} = await import("/web/turn_view.js");
        const reply = new Reply();
        const onResults = (messages) => {{ window.results = messages; }};
        const view = new ReplyView("m", {{ onResults }});
        document.querySelector("#turns").append(view.node);
        for (const choice of {json.dumps(chunks)}) {{
          reply.take({{ choices: [choice] }});
          view.update(reply);
        }}
        reply.end();
        view.update(reply);
        }})()"""
    )
    assert page.text(REPLY) == "<b>4</b>"
    assert page.js("document.querySelector('.thoughts').open") is False
    assert page.js("document.querySelector('.thoughts .text').textContent") == "Let me see."
    assert page.text(".call h3") == "add"
    assert json.loads(page.text(".call pre")) == {"a": 1}
    assert "waits for a tool" in page.text(".numbers")
    page.js("document.querySelector('.results input').focus()")
    page.type("five")
    page.press("Enter")
    [result] = page.js("window.results")
    assert result == {"role": "tool", "tool_call_id": "c", "content": "five"}
