"""Addresses of a schema's parts: JSON pointers (RFC 6901), and URIs with what follows their `#`.

Clients write them, so they may be anything. Knows no schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from forge_common.grammar.errors import GrammarError

INDEX = re.compile("0|[1-9][0-9]{0,8}")  # of an item; with more digits there is none


class Address(NamedTuple):
    resource: str  # a URI
    fragment: str  # what follows its `#`


def pointer_token(token: str) -> str:
    return "/" + token.replace("~", "~0").replace("/", "~1")


def pointer_tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def look_up(value: object, tokens: Iterable[str]) -> object:
    """LookupError where there is nothing."""
    for token in tokens:
        if isinstance(value, list) and INDEX.fullmatch(token):
            value = value[int(token)]
        elif isinstance(value, dict):
            value = value[token]
        else:
            raise LookupError(token)
    return value


def address(base: str, reference: str) -> Address:
    """What `reference` means in a schema whose URI is `base`. GrammarError where it is no URI."""
    if reference.startswith("#"):
        return Address(base, unquote(reference[1:]))
    try:
        resource, fragment = urldefrag(urljoin(base, reference))
    except ValueError as error:
        raise GrammarError(f"{reference!r} is no URI") from error
    return Address(resource, unquote(fragment))
