"""The requests of nano-vllm's benchmark: 256 of them, 100 to 1024 tokens in and as many out.

Drawn as it draws them, with its seed, so that the number of tokens is the one others publish
(github.com/GeeeekExplorer/nano-vllm, bench.py). Knows no engine.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

NUM_REQUESTS = 256
SHORTEST = 100
LONGEST = 1024
LARGEST_TOKEN = 10_000
SEED = 0
TEMPERATURE = 0.6
NUM_OUTPUT_TOKENS = 133_966  # as published


class Request(NamedTuple):
    prompt_token_ids: list[int]
    num_output_tokens: int


def requests() -> list[Request]:
    random = Random(SEED)
    prompts = [_prompt(random) for _ in range(NUM_REQUESTS)]
    return [Request(prompt, random.randint(SHORTEST, LONGEST)) for prompt in prompts]


def _prompt(random: Random) -> list[int]:
    num_tokens = random.randint(SHORTEST, LONGEST)
    return [random.randint(0, LARGEST_TOKEN) for _ in range(num_tokens)]
