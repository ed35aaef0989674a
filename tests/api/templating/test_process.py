"""What the template process answers, asked here without a process."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import msgspec

from forge_api.confined.child import serve
from forge_api.confined.frames import read_frame, write_frame
from forge_api.templating.messages import (
    Failed,
    Load,
    Loaded,
    Render,
    Rendered,
    Reply,
)
from forge_api.templating.process import TemplateDesk


def answers(*requests: Any) -> list[Reply]:
    incoming, outgoing = BytesIO(), BytesIO()
    for request in requests:
        write_frame(incoming, msgspec.json.encode(request))
    incoming.seek(0)
    serve(
        incoming, outgoing, TemplateDesk().answer, max_cpu_s=0
    )  # no limit: it would end the test's own process
    outgoing.seek(0)
    bodies = iter(lambda: read_frame(outgoing), None)
    return [msgspec.json.decode(body, type=Reply) for body in bodies]


def test_loaded_templates_are_rendered() -> None:
    load = Load({"a": "{{ x }}!", "b": "{{ y }}{{ x }}"})
    assert answers(load, Render("a", {"x": "é"})) == [
        Loaded({"a": ["x"], "b": ["x", "y"]}),
        Rendered("é!"),
    ]


def test_a_failure_is_told_and_the_next_request_answered() -> None:
    load = Load({"bad": "{{ x.y.z }}", "no": "{{ raise_exception('no') }}", "good": "ok"})
    failed, refused, rendered = answers(load, *(Render(n, {}) for n in ("bad", "no", "good")))[1:]
    assert isinstance(failed, Failed)
    assert not failed.is_raised_by_template
    assert refused == Failed("no", is_raised_by_template=True)
    assert rendered == Rendered("ok")


def test_what_is_no_request_is_refused() -> None:
    assert all(isinstance(reply, Failed) for reply in answers({"type": "Other"}, 3, None))


def test_half_a_surrogate_pair_in_a_template_is_a_failure() -> None:
    sources = {"text": r"{{ '\ud800' }}", "error": r"{{ raise_exception('\ud800') }}"}
    text, error = answers(Load(sources), Render("text", {}), Render("error", {}))[1:]
    assert isinstance(text, Failed)
    assert error == Failed("?", is_raised_by_template=True)
