"""What bytes one token of a vocabulary stands for, read from the `decoder` of a tokenizer.json.

    ByteLevel                            GPT-2's alphabet: each character of a token is one byte
    Replace · ByteFallback · Fuse · Strip  SentencePiece: "▁" is a space, "<0x0A>" is a byte
    Metaspace                            SentencePiece again, in one step

Every token has bytes of its own, so a text is the sum of its tokens; only its start is special
(`num_stripped_spaces`, `first_token_loses`). Knows no token ids and no incomplete characters.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from msgspec import Struct

from forge_common.errors import ModelError


class Replacement(NamedTuple):
    old: str
    new: str


class TokenDecoder(Struct, frozen=True):
    is_byte_level: bool = False
    is_byte_fallback: bool = False
    replacements: tuple[Replacement, ...] = ()
    num_stripped_spaces: int = 0  # at most so many spaces vanish from the start of a text
    first_token_loses: str | None = None  # a character that vanishes from a text's first token

    def token_bytes(self, token: str) -> bytes:
        if self.is_byte_level:
            return byte_level_bytes(token)
        for replacement in self.replacements:
            token = token.replace(replacement.old, replacement.new)
        byte = fallback_byte(token) if self.is_byte_fallback else None
        return token.encode() if byte is None else byte

    def first_token_bytes(self, token: str) -> bytes:
        if self.first_token_loses is not None:
            token = token.replace(self.first_token_loses, "")
        return self.token_bytes(token)


@cache
def byte_level_alphabet() -> dict[str, int]:
    """GPT-2's reversible map: printable Latin-1 stands for itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(printable))
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + index): byte for index, byte in enumerate(others)
    }


def byte_level_bytes(token: str) -> bytes:
    """A token with any character outside the alphabet is an added one and stands for itself."""
    alphabet = byte_level_alphabet()
    try:
        return bytes([alphabet[character] for character in token])
    except KeyError:
        return token.encode()


def fallback_byte(token: str) -> bytes | None:
    """The byte of a token of the form `<0x0A>`."""
    if len(token) != 6 or not token.startswith("<0x") or not token.endswith(">"):
        return None
    try:
        return bytes.fromhex(token[3:5])
    except ValueError:
        return None


def parse_decoder(tree: Any) -> TokenDecoder:
    """The `decoder` object of a tokenizer.json. Raises ModelError for one Forge does not know."""
    steps = flatten(tree)
    kinds = [step.get("type") for step in steps]
    match [kind for kind in kinds if kind != "Fuse"]:
        case ["ByteLevel"]:
            return TokenDecoder(is_byte_level=True)
        case ["Metaspace"]:
            return parse_metaspace(next(step for step in steps if step["type"] == "Metaspace"))
        case _:
            return parse_sentencepiece(steps)


def flatten(tree: Any) -> list[dict[str, Any]]:
    if not isinstance(tree, dict):
        raise ModelError("tokenizer.json has no decoder, so tokens cannot become text.")
    if tree.get("type") != "Sequence":
        return [tree]
    steps = tree.get("decoders")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise ModelError("The decoder sequence in tokenizer.json is malformed.")
    return steps


def parse_metaspace(step: dict[str, Any]) -> TokenDecoder:
    mark = string_of(step, "replacement")
    is_never_prepended = step.get("prepend_scheme", "always") == "never"
    return TokenDecoder(
        replacements=(Replacement(mark, " "),),
        first_token_loses=None if is_never_prepended else mark,
    )


def parse_sentencepiece(steps: list[dict[str, Any]]) -> TokenDecoder:
    """Replacements, then byte fallback, then (on the fused text) a strip at the start."""
    replacements: list[Replacement] = []
    kinds = [step.get("type") for step in steps]
    num_stripped_spaces = 0
    for index, step in enumerate(steps):
        match step.get("type"):
            case "Replace" if "ByteFallback" not in kinds[:index] and "Fuse" not in kinds[:index]:
                replacements.append(parse_replacement(step))
            case "Strip" if "Fuse" in kinds[:index] and num_stripped_spaces == 0:
                num_stripped_spaces = parse_strip(step)
            case "ByteFallback" | "Fuse":
                pass
            case kind:
                raise unsupported(f"the step {kind!r} where it stands")
    return TokenDecoder(
        is_byte_fallback="ByteFallback" in kinds,
        replacements=tuple(replacements),
        num_stripped_spaces=num_stripped_spaces,
    )


def parse_replacement(step: dict[str, Any]) -> Replacement:
    pattern = step.get("pattern")
    if not isinstance(pattern, dict) or set(pattern) != {"String"}:
        raise unsupported("a Replace step whose pattern is no plain string")
    return Replacement(string_of(pattern, "String"), string_of(step, "content", or_empty=True))


def parse_strip(step: dict[str, Any]) -> int:
    start = step.get("start")
    if step.get("content") != " " or step.get("stop") != 0 or type(start) is not int or start < 0:
        raise unsupported("a Strip step that does more than drop spaces at the start")
    return start


def string_of(tree: dict[str, Any], key: str, *, or_empty: bool = False) -> str:
    value = tree.get(key)
    if not isinstance(value, str) or not (value or or_empty):
        raise ModelError(f"The decoder in tokenizer.json has no usable {key!r}.")
    return value


def unsupported(what: str) -> ModelError:
    return ModelError(
        f"The decoder in tokenizer.json has {what}, which Forge does not know; byte-level BPE and"
        " SentencePiece decoders are supported."
    )
