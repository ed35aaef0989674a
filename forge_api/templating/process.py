"""The process that runs a model's chat templates: `python -m forge_api.templating.process SECONDS`.

It may use so many seconds of CPU time a prompt, and is confined (`forge_api/confined`). Knows
nothing of HTTP, of messages' shape, or of the model.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Final

import msgspec
from jinja2 import Template, UndefinedError

from forge_api.confined.child import answer_frames
from forge_api.templating.environment import (
    RaisedByTemplate,
    make_environment,
    render,
    undeclared_variables,
)
from forge_api.templating.messages import (
    Failed,
    Load,
    Loaded,
    Render,
    Rendered,
    Reply,
    Request,
)

MAX_MEMORY_BYTES: Final = 2**30
MAX_MESSAGE_CHARACTERS: Final = 2000


class TemplateDesk:
    """Answers frames; the templates are those it was told to load."""

    def __init__(self) -> None:
        self._decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
        self._templates: dict[str, Template] = {}

    def answer(self, body: bytes) -> bytes:
        """The reply's frame; whatever a stranger's program raises is a reply too."""
        try:
            return msgspec.json.encode(obey(self._decoder.decode(body), self._templates))
        except RaisedByTemplate as error:
            return msgspec.json.encode(Failed(printable(str(error)), is_raised_by_template=True))
        except Exception as error:
            return msgspec.json.encode(Failed(printable(f"{type(error).__name__}: {error}")))


def obey(request: Request, templates: dict[str, Template]) -> Reply:
    match request:
        case Load():
            return load(request, templates)
        case Render(template=name, variables=variables):
            return Rendered(render(templates[name], variables))


def printable(message: str) -> str:
    return message[:MAX_MESSAGE_CHARACTERS].encode(errors="replace").decode()


def load(request: Load, templates: dict[str, Template]) -> Loaded:
    environment = make_environment()
    variables = {}
    for name, source in request.templates.items():
        templates[name] = environment.from_string(source)
        variables[name] = undeclared_variables(environment, source)
    return Loaded(variables)


def rehearse() -> None:
    """Let Python import what it only imports on first use, while it can still open files."""
    for source in (r"{{ '\n' | tojson }} {{ strftime_now('%Z') }}", "{{ missing.attribute }}"):
        with contextlib.suppress(UndefinedError):
            make_environment().from_string(source).render()


def main() -> None:
    rehearse()
    answer_frames(TemplateDesk().answer, float(sys.argv[1]), MAX_MEMORY_BYTES)


if __name__ == "__main__":
    main()
