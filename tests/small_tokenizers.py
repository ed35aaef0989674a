"""Small tokenizers, trained in a moment on a few sentences, and the directories that hold them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from forge_common.tokenizer import Tokenizer
from forge_common.tokenizer.special_tokens import read_special_tokens
from forge_common.tokenizer.token_decoder import parse_decoder

UNKNOWN = "<unk>"
SENTENCES = ["hello world, how are you?", "héllo wörld 你好 🙂", "the cat   sat on the mat\n\n"]


@cache
def byte_level_encoder() -> tokenizers.Tokenizer:
    encoder = tokenizers.Tokenizer(models.BPE())
    encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    encoder.train_from_iterator(SENTENCES, trainer)
    encoder.add_tokens(["<think>", "über … alles", "two words"])
    return encoder


@cache
def sentencepiece_encoder() -> tokenizers.Tokenizer:
    encoder = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token=UNKNOWN))
    encoder.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    encoder.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=[UNKNOWN, "<s>", "</s>", *byte_tokens], show_progress=False
    )
    encoder.train_from_iterator(["hello world, how are you?", "the cat sat"], trainer)
    return with_ordinary_byte_tokens(encoder)


def with_ordinary_byte_tokens(encoder: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The trainer can only be told of them as special ones, which SentencePiece's are not."""
    tree = json.loads(encoder.to_str())
    tree["added_tokens"] = tree["added_tokens"][:3]
    return tokenizers.Tokenizer.from_str(json.dumps(tree))


@cache
def metaspace_encoder() -> tokenizers.Tokenizer:
    encoder = tokenizers.Tokenizer(models.Unigram())
    encoder.pre_tokenizer = pre_tokenizers.Metaspace()
    encoder.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=60,
        special_tokens=[UNKNOWN, "<s>", "</s>"],
        unk_token=UNKNOWN,
        show_progress=False,
    )
    encoder.train_from_iterator(SENTENCES, trainer)
    return encoder


def make_tokenizer(encoder: tokenizers.Tokenizer, **config: Any) -> Tokenizer:
    tree = json.loads(encoder.to_str())
    special = read_special_tokens(tree["added_tokens"], config)
    return Tokenizer(encoder, parse_decoder(tree["decoder"]), special)


def write_model_directory(
    path: Path, encoder: tokenizers.Tokenizer, config: dict[str, Any] | None = None
) -> Path:
    encoder.save(str(path / "tokenizer.json"))
    if config is not None:
        (path / "tokenizer_config.json").write_text(json.dumps(config))
    return path
