"""What becomes of what is found out for a sequence."""

from __future__ import annotations

from forge_common.protocol.message import Failure, PositionLogprobs, TokenLogprob
from forge_common.protocol.scheduler_worker import SampledSequence
from forge_worker.answer import Answer

ENTRY = PositionLogprobs(TokenLogprob(3, -1.0), [])


def test_logprobs_are_given_only_where_they_were_asked_for() -> None:
    answer = Answer(None, wants_prompt_logprobs=False)
    answer.token_ids += [3, 4]
    assert answer.of(7) == SampledSequence(7, [3, 4])
    answer.add_logprobs(ENTRY)
    answer.add_logprobs(ENTRY)
    assert answer.of(7) == SampledSequence(7, [3, 4], [ENTRY, ENTRY])
    assert Answer(None, wants_prompt_logprobs=True).of(7) == SampledSequence(7, [], None, [])


def test_an_error_is_all_that_is_answered() -> None:
    failure = Failure("it went wrong")
    answer = Answer(failure, wants_prompt_logprobs=True)
    answer.token_ids.append(3)
    answer.is_delayed = True
    assert answer.of(7) == SampledSequence(7, [], error=failure)
