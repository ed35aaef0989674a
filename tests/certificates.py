"""Certificates to test with: self-signed for localhost, good for a hundred years, worth nothing."""

from __future__ import annotations

import ssl
from pathlib import Path

DIRECTORY = Path(__file__).parent / "common" / "certificates"
FIRST = DIRECTORY / "first.pem"  # certificate and key, as the second
SECOND = DIRECTORY / "second.pem"
LOCKED_KEY = DIRECTORY / "locked.key"  # the first one's, behind a password


def trusting(certificate: Path) -> ssl.SSLContext:
    """A client that speaks to nobody else."""
    return ssl.create_default_context(cafile=str(certificate))
