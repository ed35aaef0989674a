"""ApiKey: one key as Forge knows it, which is by its digest. Knows no file and no clock."""

from __future__ import annotations

import hashlib

from msgspec import Struct


class KeyLimits(Struct, frozen=True, kw_only=True):
    """None is without limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrent_requests: int | None = None


class ApiKey(Struct, frozen=True, kw_only=True):
    name: str
    digest: bytes
    priority: int | None = None  # None: as each request says
    models: frozenset[str] | None = None  # None: all of them
    limits: KeyLimits = KeyLimits()
    is_admin: bool = False

    def may_use(self, model: str) -> bool:
        return self.models is None or model in self.models

    def priority_of(self, asked: int) -> int:
        """A request may ask to run later than its key lets it, never sooner."""
        return asked if self.priority is None else max(self.priority, asked)


# Whoever comes where no key is needed.
ANYBODY = ApiKey(name="", digest=b"")


def digest_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
