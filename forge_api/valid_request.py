"""ValidRequest: a request that was checked and resolved. Only `validation.py` makes one.

Knows nothing of HTTP bodies and nothing of how a request is run.
"""

from __future__ import annotations

from msgspec import Struct

from forge_api.laps import Lap
from forge_api.reasoning import ReasoningStart
from forge_api.tools import ToolFormat
from forge_common.protocol.api_scheduler import Submit
from forge_common.sampling import SamplingParams


class ValidPrompt(Struct, frozen=True):
    token_ids: list[int]
    sampling: SamplingParams
    text: str | None  # as the client wrote it; None where it sent ids


class ToolParsing(Struct, frozen=True):
    """How calls are found in the text."""

    format: ToolFormat
    names: frozenset[str]  # of the tools that the request offers
    is_parallel: bool  # otherwise only the first call of a reply is kept


class OutputOptions(Struct, frozen=True, kw_only=True):
    """How outputs become text."""

    stops: tuple[str, ...]
    include_stop: bool
    skip_special_tokens: bool
    return_token_ids: bool
    is_continuation: bool  # the text goes on from one that is shown too
    tools: ToolParsing | None = None  # None: calls are left in the text
    reasoning: ReasoningStart | None = None  # None: thoughts are left in the text
    kept_special_ids: frozenset[int] = frozenset()  # shown though others are skipped
    echo: bool = False
    returns_prompt_logprobs: bool = False
    grammar_param: str | None = None  # the field that asked for the grammar, if there is one
    is_prompt_only: bool = False  # max_tokens 0: the one token that is made is not shown


class StreamingOptions(Struct, frozen=True):
    include_usage: bool
    continuous_usage: bool


class ValidRequest(Struct, frozen=True, kw_only=True):
    prompts: tuple[ValidPrompt, ...]
    num_choices: int  # of each prompt
    priority: int
    output: OutputOptions
    streaming: StreamingOptions | None  # None: the reply comes whole
    ignored: list[str]
    is_speculative: bool = True
    returns_timings: bool = False
    laps: tuple[Lap, ...] = ()  # what its validation spent time on
    tenant: str = ""
    start_within_s: float | None = None

    @property
    def num_prompt_tokens(self) -> int:
        return sum(len(prompt.token_ids) for prompt in self.prompts)

    def submits(self, request_id: str, *, is_timed: bool = False) -> list[Submit]:
        return [
            Submit(
                f"{request_id}-{index}",
                prompt.token_ids,
                prompt.sampling,
                self.priority,
                self.is_speculative,
                is_timed,
                self.tenant,
                self.start_within_s,
            )
            for index, prompt in enumerate(self.prompts)
        ]
