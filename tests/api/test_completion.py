"""ChoiceText and Generation: outputs in, text and ends out, however the tokens are grouped."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.completion import ChoiceText, Generation, one_by_one
from forge_api.output_stream import ChoiceKey
from forge_api.valid_request import OutputOptions, ValidPrompt, ValidRequest
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import SequenceOutput
from forge_common.sampling import FinishReason, SamplingParams
from tests.api.fakes import EOS, TOKENIZER, logprobs_of

KEY = ChoiceKey("r-0", 0)
TEXT = "one STOP two 你好 🙂"


def options(**fields: object) -> OutputOptions:
    defaults = {
        "stops": (),
        "include_stop": False,
        "skip_special_tokens": True,
        "return_token_ids": False,
        "is_continuation": True,
    }
    return OutputOptions(**(defaults | fields))


def make_choice(sampling: dict | None = None, **fields: object) -> ChoiceText:
    prompt = ValidPrompt([1], SamplingParams(99, 1, **(sampling or {})), None)
    return ChoiceText(0, KEY, prompt, TOKENIZER, options(**fields))


def output(token_ids: list[int], reason: FinishReason | None = None, **fields) -> SequenceOutput:
    return SequenceOutput("r-0", 0, token_ids, reason, **fields)


def said(choice: ChoiceText, groups: list[list[int]]) -> str:
    """The text of all groups, the last of which ends the choice."""
    texts = []
    for number, group in enumerate(groups):
        reason = FinishReason.STOP if number == len(groups) - 1 else None
        texts.append(choice.push(output(group, reason)).text)
        if choice.is_finished:
            break
    return "".join(texts)


def grouped(ids: list[int], cuts: list[int]) -> list[list[int]]:
    edges = [0, *sorted({cut % len(ids) for cut in cuts} - {0}), len(ids)]
    return [ids[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.integers(0, 100)), st.sampled_from([(), ("STOP",), ("two", "x"), ("🙂",)]))
def test_the_text_does_not_depend_on_the_grouping(cuts: list[int], stops: tuple) -> None:
    ids = TOKENIZER.encode(TEXT)
    whole = said(make_choice(stops=stops), [ids])
    assert said(make_choice(stops=stops), grouped(ids, cuts)) == whole
    assert whole == (TEXT.partition(stops[0])[0] if stops else TEXT)


def test_a_stop_string_ends_a_choice_that_the_scheduler_still_runs() -> None:
    delta = make_choice(stops=("STOP",)).push(output(TOKENIZER.encode("a STOP b")))
    assert (delta.text, delta.finish_reason, delta.stop_reason) == ("a ", "stop", "STOP")
    assert delta.is_ended_by_text


def test_a_stop_string_in_the_last_output_needs_no_abort() -> None:
    ids = TOKENIZER.encode("a STOP")
    delta = make_choice(stops=("STOP",)).push(output(ids, FinishReason.LENGTH))
    assert (delta.finish_reason, delta.is_ended_by_text) == ("stop", False)


def test_half_a_stop_string_is_shown_when_the_text_ends() -> None:
    ids = TOKENIZER.encode("a STO")
    assert make_choice(stops=("STOP",)).push(output(ids, FinishReason.STOP)).text == "a STO"


def test_the_stop_token_is_no_text_but_is_counted() -> None:
    ids = [*TOKENIZER.encode("hi"), TOKENIZER.encode("x")[0]]
    choice = make_choice({"stop_token_ids": (ids[-1],)})
    delta = choice.push(output(ids, FinishReason.STOP, stop_token_id=ids[-1]))
    assert (delta.text, delta.stop_reason, delta.token_ids) == ("hi", ids[-1], ids)


def test_the_stop_token_can_be_kept() -> None:
    ids = TOKENIZER.encode("x")
    choice = make_choice({"stop_token_ids": tuple(ids)}, include_stop=True)
    assert choice.push(output(ids, FinishReason.STOP, stop_token_id=ids[0])).text == "x"


def test_eos_is_an_end_without_a_stop_reason() -> None:
    choice = make_choice({"eos_token_ids": (EOS,)}, skip_special_tokens=False)
    delta = choice.push(output([EOS], FinishReason.STOP, stop_token_id=EOS))
    assert (delta.text, delta.finish_reason, delta.stop_reason) == ("", "stop", None)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (FinishReason.ERROR, RequestErrorKind.INTERNAL),
        (FinishReason.ABORT, RequestErrorKind.UNAVAILABLE),
    ],
)
def test_a_failed_sequence_raises(reason: FinishReason, kind: RequestErrorKind) -> None:
    with pytest.raises(RequestError) as caught:
        make_choice().push(output([], reason))
    assert caught.value.kind is kind


def make_generation(num_prompts: int, num_choices: int) -> Generation:
    sampling = SamplingParams(99, 1, num_choices=num_choices)
    return Generation(make_request(num_prompts, sampling), "r", TOKENIZER)


def make_request(num_prompts: int, sampling: SamplingParams) -> ValidRequest:
    return ValidRequest(
        prompts=tuple(ValidPrompt([1, 2], sampling, None) for _ in range(num_prompts)),
        num_choices=sampling.num_choices,
        priority=0,
        output=options(stops=("STOP",)),
        streaming=None,
        ignored=[],
    )


def test_choices_are_numbered_over_all_prompts() -> None:
    generation = make_generation(num_prompts=2, num_choices=2)
    outputs = [SequenceOutput(f"r-{p}", c, [70]) for p in range(2) for c in range(2)]
    assert [delta.index for delta in generation.push(outputs)] == [0, 1, 2, 3]


def test_usage_sums_over_prompts_and_choices() -> None:
    generation = make_generation(num_prompts=2, num_choices=2)
    generation.push([SequenceOutput("r-0", 0, [70, 71], num_cached_tokens=1)])
    generation.push([SequenceOutput("r-1", 1, [70], num_cached_tokens=2)])
    usage = generation.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (4, 3, 7)
    assert usage.prompt_tokens_details.cached_tokens == 3


def test_prompt_that_a_later_choice_finds_computed_was_not_cached() -> None:
    generation = make_generation(num_prompts=1, num_choices=2)
    generation.push([SequenceOutput("r-0", 0, [70])])
    generation.push([SequenceOutput("r-0", 1, [70], num_cached_tokens=2)])
    assert generation.usage.prompt_tokens_details.cached_tokens == 0


def test_what_comes_after_a_stop_string_is_not_counted() -> None:
    generation = make_generation(num_prompts=1, num_choices=1)
    ids = TOKENIZER.encode("STOP")
    generation.push([SequenceOutput("r-0", 0, ids), SequenceOutput("r-0", 0, [70])])
    assert generation.usage.completion_tokens == len(ids)


@given(st.lists(st.integers(0, 100)), st.sampled_from([0, 9, 50]))
def test_what_is_counted_does_not_depend_on_the_grouping(cuts: list[int], min_tokens: int) -> None:
    """Several tokens come at once where drafts were accepted; a stop string may end among them."""
    ids = TOKENIZER.encode("a STOP b STOP c")
    sampling = SamplingParams(99, 1, min_tokens=min_tokens, num_logprobs=1)

    def counted(groups: list[list[int]]) -> tuple[object, ...]:
        request = make_request(1, sampling)
        generation = Generation(request, "r", TOKENIZER)
        deltas = generation.push(
            [output(group, logprobs=logprobs_of(group)) for group in groups[:-1]]
            + [output(groups[-1], FinishReason.LENGTH, logprobs=logprobs_of(groups[-1]))]
        )
        return (
            generation.usage,
            "".join(delta.text for delta in deltas),
            [token_id for delta in deltas for token_id in delta.token_ids],
            [position.chosen.token_id for delta in deltas for position in delta.logprobs or []],
            deltas[-1].finish_reason,
        )

    assert counted(grouped(ids, cuts)) == counted([[token_id] for token_id in ids])


def test_what_comes_once_comes_with_the_first_and_the_end_with_the_last() -> None:
    whole = output(
        [5, 6, 7], FinishReason.STOP, stop_token_id=7, num_cached_tokens=4, queue_s=0.5,
        prompt_logprobs=[None], logprobs=logprobs_of([5, 6, 7]),
    )  # fmt: skip
    first, middle, last = one_by_one(whole)
    assert (first.queue_s, first.prompt_logprobs, first.finish_reason) == (0.5, [None], None)
    assert (middle.queue_s, middle.prompt_logprobs, middle.stop_token_id) == (None, None, None)
    assert (last.finish_reason, last.stop_token_id) == (FinishReason.STOP, 7)
    assert [piece.num_cached_tokens for piece in (first, middle, last)] == [4, 4, 4]
    assert [piece.logprobs for piece in (first, middle, last)] == [
        logprobs_of([token_id]) for token_id in whole.token_ids
    ]
