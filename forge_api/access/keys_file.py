"""Reads a file of keys: TOML, one table a key, each with the key itself or its SHA-256.

    [keys.alice]
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    requests_per_minute = 60

What is wrong is one sentence that names the file and the line, or the table and the field; it never
holds a secret. Knows nothing of who asks for what.
"""

from __future__ import annotations

import logging
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from forge_api.access.api_key import ApiKey, KeyLimits, digest_of
from forge_common.errors import ConfigError

MAX_KEYS = 1000
MAX_FILE_BYTES = 2**20

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_.@-]{1,64}\Z")]
Limit = Annotated[int, Meta(ge=1, le=10**12)]

logger = logging.getLogger(__name__)


class KeyTable(Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file; either `key` or `sha256` stands in it."""

    key: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    sha256: Annotated[str, Meta(pattern=r"\A[0-9a-fA-F]{64}\Z")] | None = None
    priority: Annotated[int, Meta(ge=-(2**31), lt=2**31)] | None = None
    models: Annotated[list[str], Meta(min_length=1, max_length=1000)] | None = None
    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    max_concurrent_requests: Limit | None = None
    is_admin: bool = False


def read_keys_file(path: Path) -> tuple[ApiKey, ...]:
    """Raises ConfigError. A file with secrets that anybody may read is warned of."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, by all that is served
            raise ConfigError(f"{path}: a file of keys is a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: a file of keys has {MAX_FILE_BYTES} bytes at most")
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, bad UTF-8, and huge numbers
        raise ConfigError(f"{path}: {error}") from error
    tables = _tables_of(path, document)
    keys = tuple(_key_of(path, name, table) for name, table in tables.items())
    check_distinct(keys, str(path))
    if any("key" in table for table in tables.values()):
        _warn_of_readers(path)
    return keys


def check_distinct(keys: Iterable[ApiKey], source: str) -> None:
    """One secret must not have two names."""
    names: dict[bytes, str] = {}
    for key in keys:
        if (other := names.setdefault(key.digest, key.name)) != key.name:
            raise ConfigError(f"{source}: {other} and {key.name} have the same key")


def _tables_of(path: Path, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for section in document:
        if section != "keys":
            raise ConfigError(f"{path}: unknown section [{section}]; keys are tables [keys.NAME]")
    tables = document.get("keys", {})
    if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
        raise ConfigError(f"{path}: keys are tables, [keys.NAME]")
    if len(tables) > MAX_KEYS:
        raise ConfigError(f"{path}: {len(tables)} keys, and there may be {MAX_KEYS}")
    return tables


def _key_of(path: Path, name: str, table: dict[str, Any]) -> ApiKey:
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {name!r} is no name: 1 to 64 of A-Z a-z 0-9 _ . @ -") from error
    try:
        entry = msgspec.convert(table, KeyTable)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).replace("`", "").partition(" - at $.")
        field = f" {place}" if place else ""
        raise ConfigError(f"{path}: [keys.{name}]{field}: {problem}") from error
    return ApiKey(
        name=name,
        digest=_digest_in(path, name, entry),
        priority=entry.priority,
        models=None if entry.models is None else frozenset(entry.models),
        limits=KeyLimits(
            requests_per_minute=entry.requests_per_minute,
            tokens_per_minute=entry.tokens_per_minute,
            max_concurrent_requests=entry.max_concurrent_requests,
        ),
        is_admin=entry.is_admin,
    )


def _digest_in(path: Path, name: str, entry: KeyTable) -> bytes:
    if entry.key is not None and entry.sha256 is None:
        return digest_of(entry.key.encode())
    if entry.sha256 is not None and entry.key is None:
        return bytes.fromhex(entry.sha256)
    raise ConfigError(f"{path}: [keys.{name}]: give either key or sha256")


def _warn_of_readers(path: Path) -> None:
    if path.stat().st_mode & stat.S_IROTH:
        logger.warning("%s holds keys, and anybody on this machine may read it", path)
