"""Byte-level BPE vocabularies, trained on text that is on any machine, and kept in a file.

The text is what lies in Python's library, the packages installed beside it, and /usr/share: source,
documentation and JSON. One training serves all sizes, since a smaller vocabulary is the beginning
of a larger one. Where the text is too little for the size, fewer tokens come out, and tables say
how many.
"""

from __future__ import annotations

import json
import os
import sysconfig
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from forge_common.tokenizer.token_decoder import byte_level_bytes

LARGEST = 128_000
END = "<|end|>"
SUFFIXES = frozenset({".py", ".pyi", ".json", ".md", ".rst", ".txt", ".html", ".h"})
MAX_FILE_BYTES = 200_000
MAX_TEXT_BYTES = 48_000_000
MAX_TOKEN_CHARACTERS = 64
# Words with the space before them, numbers by three digits, runs of punctuation, runs of spaces.
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


class Bpe(NamedTuple):
    """A tokenizer, and its tokens by id; b"" for the one that ends a text."""

    encoder: tokenizers.Tokenizer
    tokens: list[bytes]
    end_id: int


def file_of_size(num_tokens: int) -> Path:
    """A tokenizer.json of `num_tokens` tokens, or fewer; made where it is not there yet."""
    file = Path(tempfile.gettempdir()) / f"forge-bench-bpe-{num_tokens}.json"
    if not file.exists():
        if num_tokens == LARGEST:
            _write(file, train(texts(text_files()), LARGEST).to_str())
        else:
            _write(file, beginning(file_of_size(LARGEST).read_text(encoding="utf-8"), num_tokens))
    return file


def load(file: Path) -> Bpe:
    encoder = tokenizers.Tokenizer.from_file(str(file))
    by_id = sorted((token_id, text) for text, token_id in encoder.get_vocab().items())
    tokens = [b"" if text == END else byte_level_bytes(text) for _, text in by_id]
    return Bpe(encoder, tokens, tokens.index(b""))


def train(corpus: Iterator[str], num_tokens: int) -> tokenizers.Tokenizer:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=num_tokens,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=MAX_TOKEN_CHARACTERS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def beginning(text: str, num_tokens: int) -> str:
    """What the training would have come to, had it been ended at `num_tokens`."""
    tree: dict[str, Any] = json.loads(text)
    model = tree["model"]
    model["vocab"] = {token: i for token, i in model["vocab"].items() if i < num_tokens}
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
    return json.dumps(tree, ensure_ascii=False)


def text_files() -> Iterator[Path]:
    """In an order that mixes them, and that is the same every time."""
    roots = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "/usr/share"}
    files = {
        Path(folder, name)
        for root in roots
        for folder, _, names in os.walk(root)
        for name in names
        if os.path.splitext(name)[1] in SUFFIXES
    }
    yield from sorted(files, key=lambda file: blake2b(os.fsencode(file), digest_size=8).digest())


def texts(files: Iterator[Path]) -> Iterator[str]:
    num_left = MAX_TEXT_BYTES
    for file in files:
        if num_left <= 0:
            return
        try:
            if file.is_symlink() or file.stat().st_size > MAX_FILE_BYTES:
                continue
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        num_left -= len(text)
        yield text


def _write(file: Path, text: str) -> None:
    """Whole or not at all: another run may be reading."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as new:
        new.write(text)
    Path(new.name).replace(file)
