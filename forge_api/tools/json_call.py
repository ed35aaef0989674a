"""Reads one call that is a JSON object.

    {"name": "add", "arguments": {"a": 1}}

The arguments are also known as "parameters", may stand before the name, and may be an object that
was written into a string. Knows nothing of what stands around the object.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from forge_api.tools.json_value import read_value
from forge_api.tools.reading import (
    END,
    Reading,
    Unexpected,
    demand,
    expect,
    first_unspaced,
    skip_spaces,
)
from forge_api.tools.reply_writer import ReplyWriter

ARGUMENT_KEYS: Final = ("arguments", "parameters")
OTHER_BARE_KEYS: Final = ("type", "id")
BARE_KEYS: Final = ("name", *OTHER_BARE_KEYS, *ARGUMENT_KEYS)


class WrittenCall:
    """What is known of a call while its object is read. It starts when it has both its parts.

    A bare one is told from other JSON by its contents only: it names a known tool, then has
    arguments, and nothing that no call has. It is as plain as models write it, without escapes in
    keys and name, so that a grammar of free text can tell it as soon as its arguments begin.
    """

    def __init__(self, writer: ReplyWriter, *, is_bare: bool) -> None:
        self._writer = writer
        self._is_bare = is_bare
        self._name: str | None = None
        self._has_arguments = False
        self._is_started = False
        self._held_arguments: list[str] = []  # they came before the name

    def read_member(self, key: str, first: str) -> Reading[str]:
        """One value, of which `first` is the first character. Returns what follows it."""
        if self._is_bare:
            self._check_bare(key, first)
        if key == "name" and not self._is_started:
            return (yield from self._read_name(first))
        if key in ARGUMENT_KEYS and not self._has_arguments:
            return (yield from self._read_arguments(first))
        return (yield from read_value(first, ignore))

    def _check_bare(self, key: str, first: str) -> None:
        demand(key in BARE_KEYS)
        demand(self._name is not None or key not in ARGUMENT_KEYS)
        demand(first == '"' or key not in OTHER_BARE_KEYS)

    def end(self) -> None:
        """The object is closed. A call without arguments has none to give."""
        if self._name is None or (self._is_bare and not self._has_arguments):
            raise Unexpected
        if not self._has_arguments:
            self._has_arguments = True
            self._start()
            self._add_arguments("{}")
        self._writer.settle()

    def _read_name(self, first: str) -> Reading[str]:
        text: list[str] = []
        following = yield from read_value(first, text.append)
        self._name = decoded("".join(text), str)
        demand(bool(self._name))
        if self._is_bare:
            demand(self._name in self._writer.known_names and "\\" not in "".join(text))
        self._start()
        return following

    def _read_arguments(self, first: str) -> Reading[str]:
        if first == "{":
            self._has_arguments = True
            self._start()
            return (yield from read_value(first, self._add_arguments))
        text: list[str] = []
        following = yield from read_value(first, text.append)
        written = object_in(decoded("".join(text), str))
        self._has_arguments = True
        self._start()
        self._add_arguments(written)
        return following

    def _start(self) -> None:
        if self._name is None or not self._has_arguments or self._is_started:
            return
        self._is_started = True
        self._writer.start_call(self._name)
        for text in self._held_arguments:
            self._writer.add_arguments(text)

    def _add_arguments(self, text: str) -> None:
        if self._is_started:
            self._writer.add_arguments(text)
        else:
            self._held_arguments.append(text)


def read_call(writer: ReplyWriter, *, is_bare: bool = False) -> Reading[None]:
    """One call whose opening brace was read."""
    call = WrittenCall(writer, is_bare=is_bare)
    character = yield from skip_spaces()
    while character != "}":
        key = yield from read_key(character, is_plain=is_bare)
        first = yield from skip_spaces()
        following = yield from call.read_member(key, first)
        character = yield from first_unspaced(following)
        if character == ",":
            character = yield from skip_spaces()
            demand(character == '"')
        else:
            demand(character == "}")
    call.end()


def read_key(first: str, *, is_plain: bool) -> Reading[str]:
    """A key with the colon after it; a plain one has no escapes."""
    demand(first == '"')
    text: list[str] = []
    following = yield from read_value(first, text.append)
    demand((yield from first_unspaced(following)) == ":")
    demand(not is_plain or "\\" not in "".join(text))
    return str(decoded("".join(text), str))


def read_array(writer: ReplyWriter) -> Reading[None]:
    """Calls in an array whose opening bracket was read."""
    separator = ","
    while separator == ",":
        yield from expect("{")
        yield from read_call(writer)
        separator = yield from skip_spaces()
    demand(separator in ("]", END))


def decoded(text: str, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (ValueError, RecursionError) as error:
        raise Unexpected from error


def object_in(text: str) -> str:
    """The text of an object that was written into a string."""
    decoded(text, dict[str, msgspec.Raw])
    return text.strip()


def ignore(text: str) -> None:
    """Takes the text of a value that means nothing here."""
