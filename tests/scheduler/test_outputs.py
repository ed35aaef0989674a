from __future__ import annotations

from forge_common.protocol.message import Failure, PositionLogprobs, TokenLogprob
from forge_common.protocol.scheduler_worker import SampledSequence, ScheduledSequence
from forge_common.sampling import FinishReason
from forge_scheduler import outputs
from tests.builders import make_sequence


def logprobs_of(*token_ids: int) -> list[PositionLogprobs]:
    return [PositionLogprobs(TokenLogprob(token_id, -1.0), []) for token_id in token_ids]


def chunk(start: int, num_tokens: int) -> ScheduledSequence:
    return ScheduledSequence(0, start, num_tokens, [], False)


def test_output_carries_the_new_tokens() -> None:
    output = outputs.accept(make_sequence(), SampledSequence(0, [7], logprobs_of(7)))
    assert output.token_ids == [7]
    assert output.logprobs == logprobs_of(7)
    assert output.finish_reason is None


def test_output_is_cut_behind_the_stop_token() -> None:
    sequence = make_sequence(eos_token_ids=(2,))
    output = outputs.accept(sequence, SampledSequence(0, [7, 2, 8], logprobs_of(7, 2, 8)))
    assert output.token_ids == [7, 2]
    assert output.logprobs == logprobs_of(7, 2)
    assert output.stop_token_id == 2


def test_prompt_logprobs_come_whole_with_the_first_output() -> None:
    sequence = make_sequence([5, 6, 7])
    outputs.keep_prompt_logprobs(
        sequence, chunk(0, 2), SampledSequence(0, [], None, logprobs_of(6, 7))
    )
    first = outputs.accept(sequence, SampledSequence(0, [1]))
    second = outputs.accept(sequence, SampledSequence(0, [1]))
    assert first.prompt_logprobs == [None, *logprobs_of(6, 7)]
    assert second.prompt_logprobs is None


def test_chunks_computed_again_give_the_same_prompt_logprobs() -> None:
    sequence = make_sequence([5, 6, 7, 8])
    for start, tokens in ((0, (6, 7)), (0, (6,)), (1, (7,)), (2, (8,))):
        sampled = SampledSequence(0, [], None, logprobs_of(*tokens))
        outputs.keep_prompt_logprobs(sequence, chunk(start, len(tokens)), sampled)
    assert sequence.prompt_logprobs == [None, *logprobs_of(6, 7, 8)]


def test_last_words_say_why() -> None:
    output = outputs.last_words(make_sequence(), FinishReason.ERROR, Failure("broken"))
    assert (output.token_ids, output.error) == ([], Failure("broken"))
