"""Trains the byte-level BPE tokenizer and writes tokenizer.json and tokenizer_config.json.

Digits stand alone, so that sums line up. It does not know the model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from forge_common.demo_model.making.markup import (
    END_OF_TEXT,
    PLAIN_MARKS,
    SPECIAL,
    TEMPLATE_PATH,
    TURN_END,
)

# Qwen2's rule: contractions, words with one leading mark, single digits, runs of signs, line ends,
# spaces.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
MARKS = re.compile("|".join(map(re.escape, SPECIAL + PLAIN_MARKS)))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL) - len(PLAIN_MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(
        (piece for text in texts for piece in MARKS.split(text) if piece), trainer
    )
    tokenizer.add_special_tokens(
        [AddedToken(mark, normalized=False, special=True) for mark in SPECIAL]
    )
    tokenizer.add_tokens(
        [AddedToken(mark, normalized=False, special=False) for mark in PLAIN_MARKS]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: Path, max_length: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"), pretty=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE_PATH.read_text(),
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
