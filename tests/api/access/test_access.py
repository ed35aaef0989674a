"""Keys from everywhere open; a broken file changes nothing; nobody has two names."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import pytest

from forge_api.access import access as access_module
from forge_api.access.access import Access
from forge_api.access.api_key import ANYBODY
from forge_api.metrics import Metrics
from forge_common.config import HttpSettings
from forge_common.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text('[keys.alice]\nkey = "a"\nrequests_per_minute = 5\n')
    path.chmod(0o600)
    return path


def make_access(**http: Any) -> Access:
    return Access(HttpSettings(**http), Metrics().keys)


def name_of(access: Access, key: str) -> str | None:
    owner = access.owner_of(f"Bearer {key}")
    return None if owner is None else owner.name


def test_keys_of_settings_and_file_hold_side_by_side(file: Path) -> None:
    access = make_access(api_key=("one", "two"), admin_key="root", api_keys_file=str(file))
    names = [name_of(access, key) for key in ("one", "two", "root", "a", "b")]
    assert names == ["key-1", "key-2", "admin", "alice", None]


def test_without_any_key_everybody_comes_in() -> None:
    access = make_access()
    assert access.owner_of("") is ANYBODY
    assert access.owner_of("Bearer none") is ANYBODY


def test_admin_key_alone_closes_nothing_else() -> None:
    access = make_access(admin_key="root")
    assert access.owner_of("") is ANYBODY
    assert name_of(access, "root") == "admin"


def test_file_without_keys_lets_nobody_in(file: Path) -> None:
    file.write_text("")
    assert make_access(api_keys_file=str(file)).owner_of("Bearer a") is None


def test_every_key_is_compared_also_behind_the_one_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[bytes] = []
    truly = hmac.compare_digest

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return truly(given, known)

    access = make_access(api_key=("one", "two", "three"))
    monkeypatch.setattr(access_module.hmac, "compare_digest", compare)
    assert name_of(access, "one") == "key-1"
    assert len(compared) == 3


def test_reload_takes_keys_in_and_out_and_keeps_what_was_used(file: Path) -> None:
    access = make_access(api_keys_file=str(file))
    alice = access.owner_of("Bearer a")
    assert alice is not None
    with access.meter_of(alice).request():
        file.write_text(file.read_text() + '[keys.bob]\nkey = "b"\n')
        access.reload()
        assert name_of(access, "b") == "bob"
        assert access.meter_of(alice).num_running == 1
    file.write_text('[keys.bob]\nkey = "b"\n')
    access.reload()
    assert name_of(access, "a") is None


def test_broken_file_keeps_the_keys_and_is_one_error(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = make_access(api_keys_file=str(file))
    file.write_text("a = = 1")
    access.reload()
    file.unlink()
    access.reload()
    assert name_of(access, "a") == "alice"
    assert len(caplog.records) == 2
    assert "line 1" in caplog.records[0].message


def test_name_of_forges_own_is_refused(file: Path) -> None:
    file.write_text('[keys.key-1]\nkey = "a"')
    with pytest.raises(ConfigError, match="key-1"):
        make_access(api_key=("one",), api_keys_file=str(file))


def test_one_secret_under_two_names_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="key-1 and alice have the same key"):
        make_access(api_key=("a",), api_keys_file=str(file))
