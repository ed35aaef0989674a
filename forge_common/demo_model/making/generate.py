"""Answers prompts with a trained model, several at a time. Slow and simple: no cache, the whole
text each step.

It does not know the checkpoint's form nor how answers are judged.
"""

from __future__ import annotations

import torch
from tokenizers import Tokenizer
from torch import Tensor

from forge_common.demo_model.making.markup import END_OF_TEXT, TURN_END
from forge_common.demo_model.making.model import DemoLlama


@torch.inference_mode()
def answers(
    model: DemoLlama,
    tokenizer: Tokenizer,
    prompts: list[str],
    temperature: float = 0.0,
    max_tokens: int = 120,
) -> list[str]:
    """One answer for each prompt; temperature 0 is greedy."""
    encoded = [tokenizer.encode(prompt).ids for prompt in prompts]
    stops = {tokenizer.token_to_id(TURN_END), tokenizer.token_to_id(END_OF_TEXT)}
    lengths = [len(ids) for ids in encoded]
    rows = [list(ids) for ids in encoded]
    unfinished = set(range(len(rows)))
    for _ in range(max_tokens):
        if not unfinished:
            break
        active = sorted(unfinished)
        for index, token in zip(
            active, next_tokens(model, [rows[i] for i in active], temperature), strict=True
        ):
            unfinished -= {index} if token in stops else set()
            rows[index] += [] if token in stops else [token]
    return [
        tokenizer.decode(row[length:], skip_special_tokens=True)
        for row, length in zip(rows, lengths, strict=True)
    ]


def next_tokens(model: DemoLlama, rows: list[list[int]], temperature: float) -> list[int]:
    longest = max(map(len, rows))
    token_ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    last = torch.tensor([len(row) - 1 for row in rows])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(token_ids)[torch.arange(len(rows)), last]
    return choose(model.logits(hidden.float()), temperature).tolist()


def choose(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0.0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1)[:, 0]
