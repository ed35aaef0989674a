"""The tokenizer.json that a GGUF file's tokenizer would have, so that nobody sees a difference.

    gpt2     byte-level BPE with the file's merges, words cut as `tokenizer.ggml.pre` names it
    llama    SentencePiece's BPE: "▁" for spaces, bytes as `<0x0A>`, merges by the scores of tokens

Knows both formats, and encodes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from forge_common.checkpoint.gguf.pre_tokenizers import PRE_TOKENIZERS, PreTokenizer
from forge_common.checkpoint.gguf.vocabulary import PREFIX, TokenKind, Vocabulary
from forge_common.errors import ModelError

SPACE_MARK = "▁"
MAX_PIECE_CHARS = 1024  # of a token that is put together from others; real ones have up to 128


class Pair(NamedTuple):
    left: str
    right: str


def tokenizer_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """ModelError where the kind of tokenizer is unknown, or what it needs is missing."""
    metadata = vocabulary.metadata
    kind = metadata.text(PREFIX + "model")
    if kind == "gpt2":
        return _byte_level(vocabulary, _pre_tokenizer(vocabulary))
    if kind == "llama":
        return _sentencepiece(vocabulary)
    raise ModelError(
        f"{metadata.source}: tokenizer {(kind or '(none stated)')[:100]} is unknown;"
        " known: gpt2, llama"
    )


def _pre_tokenizer(vocabulary: Vocabulary) -> PreTokenizer:
    name = vocabulary.metadata.text(PREFIX + "pre") or "default"
    if name not in PRE_TOKENIZERS:
        raise ModelError(
            f"{vocabulary.metadata.source}: pre-tokenizer {name[:100]} is unknown;"
            f" known: {', '.join(PRE_TOKENIZERS)}"
        )
    return PRE_TOKENIZERS[name]


def _byte_level(vocabulary: Vocabulary, pre_tokenizer: PreTokenizer) -> dict[str, Any]:
    normalizer = pre_tokenizer.normalizer
    return {
        **_common(vocabulary, adds_bos=pre_tokenizer.adds_bos),
        "normalizer": normalizer and {"type": normalizer},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [dict(step) for step in pre_tokenizer.steps],
        },
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
        "model": _model(vocabulary, _merges(vocabulary))
        | {"ignore_merges": pre_tokenizer.ignores_merges},
    }


def _merges(vocabulary: Vocabulary) -> list[str]:
    """Each is the text of two tokens with a space between, which no byte-level token has."""
    source = vocabulary.metadata.source
    merges = vocabulary.metadata.texts(PREFIX + "merges")
    if merges is None:
        raise ModelError(f"{source}: the list of merges is missing")
    wrong = next((merge for merge in merges if merge.count(" ") != 1), None)
    if wrong is not None:
        raise ModelError(f"{source}: the merge `{wrong[:100]}` has no two parts")
    return merges


def _sentencepiece(vocabulary: Vocabulary) -> dict[str, Any]:
    has_prefix = vocabulary.flag("add_space_prefix", True)
    to_marks = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE_MARK}
    to_spaces = {"type": "Replace", "pattern": {"String": SPACE_MARK}, "content": " "}
    prefix = [{"type": "Prepend", "prepend": SPACE_MARK}] if has_prefix else []
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if has_prefix else []
    steps = [to_spaces, {"type": "ByteFallback"}, {"type": "Fuse"}, *strip]
    return {
        **_common(vocabulary, adds_bos=True),
        "normalizer": {"type": "Sequence", "normalizers": [*prefix, to_marks]},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": steps},
        "model": _model(vocabulary, list(_merges_by_score(vocabulary)))
        | {"unk_token": vocabulary.unknown_token, "fuse_unk": True, "byte_fallback": True},
    }


def _merges_by_score(vocabulary: Vocabulary) -> Iterator[Pair]:
    """Every way to put a token together from two others, of the best-scored token first.

    Ways to make the same token come in the order of their parts' ids. That is how HuggingFace
    reads a SentencePiece model, too.
    """
    scores = vocabulary.metadata.floats(PREFIX + "scores")
    if scores is None or len(scores) != len(vocabulary.tokens):
        raise ModelError(
            f"{vocabulary.metadata.source}: the scores of tokens are missing or of another number"
        )
    tokens, kinds, ids = vocabulary.tokens, vocabulary.kinds, vocabulary.ids
    made_of_others = (TokenKind.NORMAL, TokenKind.USER_DEFINED, TokenKind.UNUSED)
    by_score = sorted(range(len(tokens)), key=lambda id_: (-scores[id_], -len(tokens[id_])))
    for id_ in by_score:
        token = tokens[id_]
        if kinds[id_] not in made_of_others:
            continue
        if len(token) > MAX_PIECE_CHARS:
            raise ModelError(f"{vocabulary.metadata.source}: token {id_} is too long")
        halves = [Pair(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [pair for pair in halves if pair.left in ids and pair.right in ids]
        yield from sorted(known, key=lambda pair: (ids[pair.left], ids[pair.right]))


def _model(vocabulary: Vocabulary, merges: Sequence[Pair | str]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocabulary.ids,
        "merges": merges,
    }


def _common(vocabulary: Vocabulary, *, adds_bos: bool) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": vocabulary.added_tokens(),
        "post_processor": _post_processor(vocabulary, adds_bos),
    }


def _post_processor(vocabulary: Vocabulary, adds_bos: bool) -> dict[str, Any] | None:
    """What is put around a text that asks for it: a token before it, one behind it, or neither."""
    first = _around(vocabulary, "bos_token", vocabulary.flag("add_bos_token", adds_bos))
    last = _around(vocabulary, "eos_token", vocabulary.flag("add_eos_token", False))
    if not first and not last:
        return None
    text = {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 0}}
    marks = {token: [{"SpecialToken": {"id": token, "type_id": 0}}] for token in (*first, *last)}
    before = [mark for token in first for mark in marks[token]]
    after = [mark for token in last for mark in marks[token]]
    ids = vocabulary.ids
    return {
        "type": "TemplateProcessing",
        "single": [*before, text, *after],
        "pair": [*before, text, *after, *before, other, *after],
        "special_tokens": {
            token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in marks
        },
    }


def _around(vocabulary: Vocabulary, name: str, is_wanted: bool) -> list[str]:
    token = vocabulary.named.get(name)
    return [token] if is_wanted and token is not None else []
