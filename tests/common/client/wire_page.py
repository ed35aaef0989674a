"""The parts of docs/zmq-client.md that follow from the messages: field tables and real bytes.

`python -m tests.common.client.wire_page` writes them into the page; a test holds the page to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec

from forge_common.errors import RequestErrorKind
from forge_common.protocol import api_scheduler as protocol
from forge_common.protocol.message import PROTOCOL_VERSION, Failure, PositionLogprobs, TokenLogprob
from forge_common.sampling import FinishReason, SamplingParams

PAGE = Path(__file__).parents[3] / "docs" / "zmq-client.md"
BEGIN, END = "<!-- derived: {} -->", "<!-- end -->"

TO_SCHEDULER = get_args(protocol.ClientMessage)
FROM_SCHEDULER = get_args(protocol.SchedulerMessage)
PARTS = (
    protocol.SequenceOutput,
    protocol.SequenceTimes,
    Failure,
    PositionLogprobs,
    TokenLogprob,
    SamplingParams,
    protocol.StepSizes,
    protocol.SequenceState,
    protocol.BlockMap,
)
EXAMPLES: tuple[msgspec.Struct, ...] = (
    protocol.Hello(PROTOCOL_VERSION),
    protocol.SchedulerReady(PROTOCOL_VERSION, 1_700_000_000_000_000, 2048, 4096, 16, 1000),
    protocol.Submit("r1", [3, 4, 5], SamplingParams(max_tokens=16, seed=7, temperature=0.0)),
    protocol.Accepted("r1"),
    protocol.Rejected("r1", "the queue is full", RequestErrorKind.OVERLOADED, retry_after_s=1.0),
    protocol.Outputs([protocol.SequenceOutput("r1", 0, [9], queue_s=0.25)]),
    protocol.Outputs([protocol.SequenceOutput("r1", 0, [4], FinishReason.LENGTH)]),
    protocol.Submit("r1", [3], SamplingParams(max_tokens=16, seed=7), so_far=[[9]]),
    protocol.Abort("r1"),
    protocol.GetStats(),
)
BYTES_PER_LINE = 24


def derived_sections() -> dict[str, str]:
    return {
        "to the scheduler": table(TO_SCHEDULER, is_tagged=True),
        "from the scheduler": table(FROM_SCHEDULER, is_tagged=True),
        "parts": table(PARTS, is_tagged=False),
        "bytes": "\n".join(map(example, EXAMPLES)),
    }


def table(kinds: tuple[type, ...], *, is_tagged: bool) -> str:
    rows = [f"| `{kind.__name__}` | {fields_of(kind, is_tagged=is_tagged)} |" for kind in kinds]
    return "\n".join(
        ["| message | array |" if is_tagged else "| part | array |", "|---|---|", *rows]
    )


def fields_of(kind: type, *, is_tagged: bool) -> str:
    """`["Abort", request_id, choice_index = nil]`"""
    fields = [f'"{kind.__name__}"'] if is_tagged else []
    for field in msgspec.structs.fields(kind):
        fields.append(field.name + "".join(default_of(field)))
    return f"`[{', '.join(fields)}]`"


def default_of(field: msgspec.structs.FieldInfo) -> Iterator[str]:
    if field.default_factory is not msgspec.NODEFAULT:
        yield f" = {msgspec.json.encode(field.default_factory()).decode()}"
    elif field.default is not msgspec.NODEFAULT:
        yield f" = {msgspec.json.encode(field.default).decode()}".replace("null", "nil")


def example(message: msgspec.Struct) -> str:
    frame = msgspec.msgpack.encode(message)
    lines = [frame[at : at + BYTES_PER_LINE] for at in range(0, len(frame), BYTES_PER_LINE)]
    as_json = msgspec.json.encode(msgspec.msgpack.decode(frame)).decode()
    return "\n".join(["```text", as_json, *(line.hex(" ") for line in lines), "```"])


def with_derived_sections(page: str) -> str:
    for name, text in derived_sections().items():
        before, begin, rest = page.partition(BEGIN.format(name))
        _, end, after = rest.partition(END)
        page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


def _python_sources() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def grammar_example() -> str:
    return _python_sources()[1]


def python_example() -> str:
    source = _python_sources()[0]
    return source.strip()


if __name__ == "__main__":
    PAGE.write_text(with_derived_sections(PAGE.read_text()))
