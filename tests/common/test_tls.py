"""Files that cannot be served with are told of in one sentence, and change nothing."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from forge_common.config import HttpSettings
from forge_common.errors import ConfigError
from forge_common.tls import loopback_context, reload_files, scheme_of, server_context
from tests.certificates import FIRST, LOCKED_KEY, SECOND


def settings(**http: Any) -> HttpSettings:
    return HttpSettings(**{name: str(value) for name, value in http.items()})


def test_without_a_certificate_it_is_plain_http() -> None:
    assert server_context(HttpSettings()) is None
    assert loopback_context(HttpSettings()) is None
    assert scheme_of(HttpSettings()) == "http"


def test_old_versions_of_tls_are_not_spoken() -> None:
    context = server_context(settings(ssl_certfile=FIRST))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    assert scheme_of(settings(ssl_certfile=FIRST)) == "https"


def test_with_ca_certificates_clients_need_one() -> None:
    context = server_context(settings(ssl_certfile=FIRST, ssl_ca_certs=SECOND))
    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({"ssl_keyfile": FIRST}, "need --ssl-certfile"),
        ({"ssl_ca_certs": FIRST}, "need --ssl-certfile"),
        ({"ssl_certfile": "/nowhere.pem"}, "No such file"),
        ({"ssl_certfile": FIRST, "ssl_keyfile": SECOND}, "go together"),
        ({"ssl_certfile": FIRST, "ssl_keyfile": LOCKED_KEY}, "has a password"),
        ({"ssl_certfile": __file__}, "no PEM files"),
        ({"ssl_certfile": FIRST, "ssl_ca_certs": __file__}, "--ssl-ca-certs"),
    ],
)
def test_what_is_wrong_with_the_files_is_told(http: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        server_context(settings(**http))
    assert said in str(raised.value)


def test_broken_files_leave_a_context_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    shutil.copy(FIRST, path)
    http = settings(ssl_certfile=path)
    context = server_context(http)
    assert context is not None
    path.write_text("nothing")
    with pytest.raises(ConfigError):
        reload_files(context, http)
    shutil.copy(SECOND, path)
    reload_files(context, http)
