"""What somebody does with the playground, in words."""

from __future__ import annotations

import json
from typing import Any

from tests.web.browser import Page

DONE = "document.querySelectorAll('.turn-actions:not([hidden])').length === {}"


def ask(page: Page, text: str) -> None:
    page.js("document.querySelector('#prompt').focus()")
    page.type(text)
    page.press("Enter")


def wait_for_replies(page: Page, number: int) -> None:
    page.wait_for(DONE.format(number))


def fill(page: Page, **fields: object) -> None:
    """Fields by their ids."""
    for name, value in fields.items():
        page.js(
            f"(() => {{ const field = document.querySelector('#{name}');"
            f"field.value = {json.dumps(str(value))};"
            "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )


def sent_bodies(page: Page) -> list[dict[str, Any]]:
    """Of the chat completions that the page asked for."""
    requests = [event["request"] for event in page.events("Network.requestWillBeSent")]
    return [json.loads(request["postData"]) for request in requests if "postData" in request]


def complaints(page: Page) -> list[Any]:
    """Errors on the console, exceptions, and whatever broke the page's own policy."""
    entries = [event["entry"] for event in page.events("Log.entryAdded")]
    calls = page.events("Runtime.consoleAPICalled")
    issues = [event["issue"] for event in page.events("Audits.issueAdded")]
    return [
        *page.events("Runtime.exceptionThrown"),
        *(issue for issue in issues if issue["code"] == "ContentSecurityPolicyIssue"),
        *(entry for entry in entries if entry["level"] == "error"),
        *(call for call in calls if call["type"] in ("error", "assert")),
    ]
