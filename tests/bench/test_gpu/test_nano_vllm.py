"""The requests are those that others measured with."""

from __future__ import annotations

from tests.bench.gpu.nano_vllm import LONGEST, NUM_OUTPUT_TOKENS, NUM_REQUESTS, SHORTEST, requests


def test_number_of_tokens_is_the_published_one() -> None:
    drawn = requests()
    assert len(drawn) == NUM_REQUESTS
    assert sum(request.num_output_tokens for request in drawn) == NUM_OUTPUT_TOKENS


def test_prompts_are_of_the_lengths_it_says() -> None:
    lengths = [len(request.prompt_token_ids) for request in requests()]
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST
    assert len(set(lengths)) > NUM_REQUESTS // 2


def test_drawing_again_gives_the_same() -> None:
    assert requests() == requests()
