"""Where a request leaves no token, the error names the field to change."""

from __future__ import annotations

import pytest

from forge_common.errors import RequestErrorKind
from forge_common.sampling import SamplingParams
from forge_worker.sampler.blame import blamed
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE

WITH_GRAMMAR = SamplingParams(max_tokens=9, seed=1, grammar=b"g", min_tokens=3)


@pytest.mark.parametrize(
    ("params", "num_output_tokens", "param"),
    [
        (WITH_GRAMMAR, 2, "min_tokens"),
        (WITH_GRAMMAR, 3, "grammar"),
        (SamplingParams(max_tokens=9, seed=1, grammar=b"g", bad_words=((1,),)), 0, "bad_words"),
        (SamplingParams(max_tokens=9, seed=1, allowed_token_ids=(1,)), 0, "allowed_token_ids"),
    ],
)
def test_field_that_takes_tokens_away_is_named(
    params: SamplingParams, num_output_tokens: int, param: str
) -> None:
    failure = blamed(ALL_RULED_OUT, params, num_output_tokens)
    assert (failure.kind, failure.param) == (RequestErrorKind.INVALID, param)
    shown = "the grammar" if param == "grammar" else f"`{param}`"
    assert shown in failure.message
    assert failure.code == ALL_RULED_OUT.code


def test_what_is_not_the_requests_fault_stays_as_it_is() -> None:
    assert blamed(NOT_FINITE, WITH_GRAMMAR, 0) == NOT_FINITE
