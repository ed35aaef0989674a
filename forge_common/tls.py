"""TLS of the HTTP port: certificates from PEM files, TLS 1.2 or newer.

A context that is in use can be given new files: connections made from then on use them. Knows no
socket.
"""

from __future__ import annotations

import ssl

from forge_common.config import HttpSettings
from forge_common.errors import ConfigError


def server_context(http: HttpSettings) -> ssl.SSLContext | None:
    """None where the settings name no certificate. Raises ConfigError."""
    if http.ssl_certfile is None:
        if http.ssl_keyfile is not None or http.ssl_ca_certs is not None:
            raise ConfigError("--ssl-keyfile and --ssl-ca-certs need --ssl-certfile")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_files(context, http)
    return context


def load_files(context: ssl.SSLContext, http: HttpSettings) -> None:
    """Raises ConfigError naming the files; then nothing should be served with `context`."""
    _load_own(context, http)
    if http.ssl_ca_certs is None:
        return
    try:
        context.load_verify_locations(http.ssl_ca_certs)
    except OSError as error:
        raise ConfigError(f"--ssl-ca-certs {http.ssl_ca_certs}: {_reason(error)}") from error
    context.verify_mode = ssl.CERT_REQUIRED


def reload_files(context: ssl.SSLContext, http: HttpSettings) -> None:
    """Give `context` the files as they are now. Where they fail: ConfigError, and no change."""
    server_context(http)
    load_files(context, http)


def loopback_context(http: HttpSettings) -> ssl.SSLContext | None:
    """For a client on the server's own host, which knows whom it speaks to: nothing is verified.

    Where clients need a certificate it shows the server's.
    """
    if http.ssl_certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if http.ssl_ca_certs is not None:
        _load_own(context, http)
    return context


def scheme_of(http: HttpSettings) -> str:
    return "http" if http.ssl_certfile is None else "https"


def _load_own(context: ssl.SSLContext, http: HttpSettings) -> None:
    def no_password() -> str:
        raise ConfigError(f"{http.ssl_keyfile or http.ssl_certfile}: the key has a password")

    try:
        context.load_cert_chain(http.ssl_certfile or "", http.ssl_keyfile, no_password)
    except OSError as error:
        files = " and ".join(filter(None, (http.ssl_certfile, http.ssl_keyfile)))
        raise ConfigError(f"--ssl-certfile {files}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no PEM files that go together ({error.reason or 'unreadable'})"
    return error.strerror or str(error)
