"""A file of keys is read whole or refused with the place of what is wrong, never with a secret."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_api.access.api_key import ApiKey, KeyLimits, digest_of
from forge_api.access.keys_file import MAX_KEYS, read_keys_file
from forge_common.errors import ConfigError


def read(tmp_path: Path, text: str, mode: int = 0o600) -> tuple[ApiKey, ...]:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    path.chmod(mode)
    return read_keys_file(path)


def test_every_field_of_a_key_is_taken(tmp_path: Path) -> None:
    (key,) = read(
        tmp_path,
        """
        [keys.alice]
        key = "sk-alice"
        priority = -3
        models = ["a", "b"]
        requests_per_minute = 60
        tokens_per_minute = 1000
        max_concurrent_requests = 4
        is_admin = true
        """,
    )
    assert key == ApiKey(
        name="alice",
        digest=digest_of(b"sk-alice"),
        priority=-3,
        models=frozenset({"a", "b"}),
        limits=KeyLimits(requests_per_minute=60, tokens_per_minute=1000, max_concurrent_requests=4),
        is_admin=True,
    )


def test_key_may_stand_there_as_its_digest(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"sk-bob").hexdigest()
    (key,) = read(tmp_path, f'[keys.bob]\nsha256 = "{digest}"')
    assert key.digest == digest_of(b"sk-bob")


def test_empty_file_has_no_keys(tmp_path: Path) -> None:
    assert read(tmp_path, "") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[keys.a", "end of document"),
        ("a = 1\nb = = 2", "line 2"),
        ("[key.a]", "unknown section [key]"),
        ("keys = 3", "keys are tables"),
        ("[keys]\na = 3", "keys are tables"),
        ('[keys."a b"]\nkey = "secret"', "'a b' is no name"),
        ("[keys.a]", "[keys.a]: give either key or sha256"),
        (f'[keys.a]\nkey = "secret"\nsha256 = "{"0" * 64}"', "[keys.a]: give either"),
        ('[keys.a]\nsha256 = "secret"', "[keys.a] sha256: "),
        ('[keys.a]\nkey = ""', "[keys.a] key: "),
        ('[keys.a]\nkey = "secret"\nrequests_per_minute = 0', "[keys.a] requests_per_minute: "),
        ('[keys.a]\nkey = "secret"\nmodels = []', "[keys.a] models: "),
        ('[keys.a]\nkey = "secret"\nrequests = 3', "[keys.a]: Object contains unknown field"),
        ('[keys.a]\nkey = "secret"\n[keys.b]\nkey = "secret"', "a and b have the same key"),
        ('[keys.a]\nkey = "secret"\n[keys.a]\nkey = "other"', "line 3"),
        ("\0", "line 1"),
        (f'[keys.a]\nkey = "secret"\npriority = {"9" * 5000}', "4300 digits"),
        (f"a = {'[' * 100_000}", "recursion"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert said in str(raised.value)
    assert "keys.toml" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_keys_file(tmp_path / "none")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="regular file"):
        read_keys_file(path)


def test_number_of_keys_is_bounded(tmp_path: Path) -> None:
    text = "".join(f'[keys.k{index}]\nkey = "{index}"\n' for index in range(MAX_KEYS + 1))
    with pytest.raises(ConfigError, match="1001 keys"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "mode", "is_warned"),
    [
        ('[keys.a]\nkey = "k"', 0o644, True),
        ('[keys.a]\nkey = "k"', 0o640, False),
        (f'[keys.a]\nsha256 = "{"0" * 64}"', 0o644, False),
    ],
)
def test_secrets_that_anybody_may_read_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, mode: int, is_warned: bool
) -> None:
    read(tmp_path, text, mode)
    assert ("anybody" in caplog.text) == is_warned


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(
                ["key", "sha256", "priority", "models", "is_admin", "tokens_per_minute"]
            ),
            st.sampled_from(['"x"', "1", "-1", "[]", '["m"]', "true", "nan", "1979-05-27", "{}"]),
        ).map(" = ".join),
        max_size=5,
    ).map(lambda lines: "\n".join(["[keys.a]", *lines])),
)


@given(text=TEXTS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_read_or_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    path.chmod(0o600)
    with suppress(ConfigError):
        assert len(read_keys_file(path)) <= 1
