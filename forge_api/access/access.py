"""Access: the keys that hold now, who a request comes from, and the meter of each key.

A key that is sent is hashed, and its digest compared with that of every key in full, so the time
taken tells nothing. A file of keys can be read again while requests run: one that is broken changes
nothing. Knows no route.
"""

from __future__ import annotations

import hmac
import logging
import time
from pathlib import Path

from forge_api.access.api_key import ANYBODY, ApiKey, digest_of
from forge_api.access.keys_file import check_distinct, read_keys_file
from forge_api.access.meter import KeyMeter
from forge_api.access.token_bucket import Clock
from forge_api.metrics import KeyMetrics
from forge_common.config import HttpSettings
from forge_common.errors import ConfigError

ADMIN_NAME = "admin"

logger = logging.getLogger(__name__)


class Access:
    """Raises ConfigError where the file of keys cannot be used."""

    def __init__(
        self, http: HttpSettings, metrics: KeyMetrics, clock: Clock = time.monotonic
    ) -> None:
        self._http = http
        self._metrics = metrics
        self._clock = clock
        self._keys = keys_of(http)
        self._meters: dict[str, KeyMeter] = {}
        self._set_limits()

    @property
    def needs_key(self) -> bool:
        """Also where the file holds none: then nobody has one."""
        return bool(self._http.api_key) or self._http.api_keys_file is not None

    @property
    def has_admin(self) -> bool:
        return any(key.is_admin for key in self._keys)

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        return self._keys

    def owner_of(self, authorization: str) -> ApiKey | None:
        """Whose key the header carries; None where one is needed and this is none."""
        scheme, _, given = authorization.partition(" ")
        digest = digest_of(given.strip().encode("utf-8", "surrogateescape"))
        owners = [key for key in self._keys if hmac.compare_digest(digest, key.digest)]
        if owners and scheme.lower() == "bearer":
            return owners[0]
        return None if self.needs_key else ANYBODY

    def meter_of(self, key: ApiKey) -> KeyMeter:
        """Also of a key that was taken out while its last requests run."""
        meter = self._meters.get(key.name)
        return KeyMeter("", self._metrics, self._clock) if meter is None else meter

    def reload(self) -> None:
        """Read the file again; keys that are gone open nothing any more. Never raises."""
        try:
            self._keys = keys_of(self._http)
        except ConfigError as error:
            logger.error("the keys stay as they were: %s", error)
            return
        self._set_limits()
        logger.info("%d keys hold now", len(self._keys))

    def _set_limits(self) -> None:
        old, self._meters = self._meters, {}
        for key in self._keys:
            meter = old.get(key.name) or KeyMeter(key.name, self._metrics, self._clock)
            meter.set_limits(key.limits, self._http.api_workers)
            self._meters[key.name] = meter


def keys_of(http: HttpSettings) -> tuple[ApiKey, ...]:
    """Those of the settings are named key-1, key-2 and so on; they are without limits."""
    stated = [
        ApiKey(name=f"key-{number}", digest=digest_of(secret.encode()))
        for number, secret in enumerate(dict.fromkeys(http.api_key), start=1)
    ]
    if http.admin_key is not None:
        stated.append(
            ApiKey(name=ADMIN_NAME, digest=digest_of(http.admin_key.encode()), is_admin=True)
        )
    from_file = () if http.api_keys_file is None else read_keys_file(Path(http.api_keys_file))
    keys = (*stated, *from_file)
    names = [key.name for key in keys]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{http.api_keys_file}: the name {name} is one of Forge's own")
    check_distinct(keys, "the keys")
    return keys
