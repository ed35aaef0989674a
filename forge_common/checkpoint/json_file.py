"""Reads one JSON file of a model directory into a typed Struct, or says what is wrong with it.

Knows nothing of what the fields mean. A model directory is somebody else's text: sizes are bounded
before anything is parsed, and every refusal is one sentence naming the file and the field.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from forge_common.errors import ModelError

MAX_JSON_BYTES = 64 * 2**20  # the largest published tokenizer.json is some 35 MB
LFS_POINTER = b"version https://git-lfs.github.com/spec/"  # how one begins

T = TypeVar("T")


def read_json(path: Path, kind: type[T]) -> T:
    """Decode `path` as `kind`; ModelError when it is absent, too long, or not what it should be."""
    return decode_json(read_bounded(path), kind, str(path))


def decode_json(text: bytes, kind: type[T], source: str) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise ModelError(f"{source}: {error}") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        refuse_lfs_pointer(text, source)
        reason = str(error).removeprefix("JSON is malformed: ")
        raise ModelError(f"{source} is not valid JSON: {reason}") from error


def refuse_lfs_pointer(text: bytes, source: str, what: str = "the file itself") -> None:
    """A clone without git-lfs has a few lines of text in place of each large file."""
    if text.startswith(LFS_POINTER):
        raise ModelError(f"{source} is a git-lfs pointer, not {what}: run `git lfs pull`")


def open_file(path: Path) -> BinaryIO:
    """Opens a regular file; OSError for what might keep its reader waiting, like a pipe."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(None, "Not a regular file")
    return path.open("rb")


def read_bounded(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            num_bytes = os.fstat(file.fileno()).st_size  # reading room for more would be allocated
            text = file.read(min(num_bytes, MAX_JSON_BYTES) + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    if len(text) > MAX_JSON_BYTES:
        raise ModelError(f"{path}: longer than {MAX_JSON_BYTES} bytes")
    return text
