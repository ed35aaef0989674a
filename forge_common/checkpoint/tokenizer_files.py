"""The JSON of a model's tokenizer: what can be known to be wrong before anything reads it further.

Knows which files there must be and that they are JSON objects; nothing of tokens. It imports no
tokenizer, so that a launcher can look before it starts anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from forge_common.checkpoint.json_file import decode_json, read_bounded, read_json
from forge_common.errors import ModelError

TOKENIZER_FILE = "tokenizer.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"


class TokenizerFile(Struct, frozen=True):
    """The parts of a tokenizer.json that the `tokenizers` library does not read for Forge."""

    decoder: Any = None
    added_tokens: Any = None


class TokenizerFiles(NamedTuple):
    text: bytes  # tokenizer.json, as it stands or as it would
    source: str  # where it is from, for errors
    tokenizer: TokenizerFile
    config: dict[str, Any]  # empty where the model has none


def read_tokenizer_files(directory: Path) -> TokenizerFiles:
    """ModelError, in one sentence, where a file is missing or no JSON object."""
    if not (directory / TOKENIZER_FILE).exists():
        raise ModelError(f"{directory}: there is no {TOKENIZER_FILE}")
    path = directory / TOKENIZER_FILE
    text = read_bounded(path)
    description = decode_json(text, TokenizerFile, str(path))
    return TokenizerFiles(text, str(path), description, read_tokenizer_config(directory))


def read_tokenizer_config(directory: Path) -> dict[str, Any]:
    path = directory / TOKENIZER_CONFIG_FILE
    return read_json(path, dict[str, Any]) if path.exists() else {}
