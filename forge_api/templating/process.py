"""The process that runs a model's chat templates: `python -m forge_api.templating.process SECONDS`.

It may use so many seconds of CPU time a prompt and a limited memory, and can open, write and start
nothing; past a limit the kernel ends it and the API process starts another. It ends by itself
when its standard input does, so it never outlives the API process. Knows nothing of HTTP, of
messages' shape, or of the model.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys
from typing import BinaryIO, Final

import msgspec
from jinja2 import Template, UndefinedError

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
    read_frame,
    write_frame,
)

MAX_MEMORY_BYTES: Final = 2**30
MAX_MESSAGE_CHARACTERS: Final = 2000


def serve(requests: BinaryIO, replies: BinaryIO, max_cpu_s: float) -> None:
    decoder = msgspec.json.Decoder(Request)
    templates: dict[str, Template] = {}
    while (body := read_frame(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, max_cpu_s)
        reply = answer(decoder, body, templates)
        signal.setitimer(signal.ITIMER_PROF, 0)
        write_frame(replies, reply)


def answer(
    decoder: msgspec.json.Decoder[Request], body: bytes, templates: dict[str, Template]
) -> bytes:
    """The reply's frame; whatever a stranger's program raises is a reply too."""
    try:
        return msgspec.json.encode(obey(decoder.decode(body), templates))
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


def give_up_rights() -> None:
    """Streams that are open stay so; new files and sockets are refused, and more memory."""
    rehearse()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the API process, which may be draining
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    give_up_rights()
    serve(sys.stdin.buffer, sys.stdout.buffer, max_cpu_s=float(sys.argv[1]))


if __name__ == "__main__":
    main()
