"""Answers prompts with the exported directory, read by HuggingFace's own classes: a check that it
is a checkpoint like any other. It does not know how answers are judged.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

MAX_TOKENS = 130


def load(directory: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model as it will be served: from the bfloat16 file, not from the training weights."""
    tokenizer = AutoTokenizer.from_pretrained(directory, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    return model.eval(), tokenizer


@torch.inference_mode()
def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[str],
    is_greedy: bool = True,
) -> list[str]:
    """One answer for each prompt: the likeliest tokens, or the sampling of generation_config.json."""
    encoded = tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)
    how = {"do_sample": False, "temperature": None, "top_p": None} if is_greedy else {}
    output = model.generate(**encoded, max_new_tokens=MAX_TOKENS, **how)
    given = encoded["input_ids"].shape[1]
    return list(tokenizer.batch_decode(output[:, given:], skip_special_tokens=True))
