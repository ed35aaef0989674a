"""A choice's text parted into thoughts, content and calls, however it comes."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from forge_api.chat_reply import DeltaSplitter
from forge_api.completion import ChoiceDelta
from forge_api.output_stream import ChoiceKey
from forge_api.reasoning import ReasoningStart
from forge_api.tool_calls import ToolCallCollector
from forge_api.tools import FORMATS
from forge_api.valid_request import OutputOptions, ToolParsing
from tests.api.tools.replies import cut, cuts

CALL = '<tool_call>{"name": "f", "arguments": {"a": "</think>"}}</tool_call>'
FRAGMENTS = ["<think>", "</think>", CALL, CALL[:30], "[f(a=1)]", "\n", " ", "hello"]


class Parts(NamedTuple):
    reasoning: str
    content: str
    calls: list[tuple[str, str]]
    finish_reason: str | None


def parts(options: OutputOptions, pieces: list[str]) -> Parts:
    splitter = DeltaSplitter(options)
    collector = ToolCallCollector()
    reasoning, content, reason = "", "", None
    for number, piece in enumerate(pieces, start=1):
        end = "stop" if number == len(pieces) else None
        delta = ChoiceDelta(0, ChoiceKey("r", 0), piece, [], finish_reason=end)
        split = splitter.split(delta)
        reasoning += split.reasoning
        content += split.content
        collector.add(split.tool_calls)
        reason = split.finish_reason
    calls = [(str(call.function.name), call.function.arguments) for call in collector.calls]
    return Parts(reasoning, content, calls, reason)


@given(
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([None, *ReasoningStart]),
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=7).map("".join),
    cuts,
    st.booleans(),
)
def test_a_stream_joins_to_the_whole_reply(
    name: str, start: ReasoningStart | None, text: str, places: list[int], is_parallel: bool
) -> None:
    options = OutputOptions(
        stops=(), include_stop=False, skip_special_tokens=True, return_token_ids=False,
        is_continuation=False, reasoning=start,
        tools=ToolParsing(FORMATS[name], frozenset({"f"}), is_parallel),
    )  # fmt: skip
    whole = parts(options, [text])
    assert parts(options, cut(text, places)) == whole
    assert parts(options, list(text)) == whole
    assert whole.finish_reason == ("tool_calls" if whole.calls else "stop")
    assert is_parallel or len(whole.calls) <= 1
