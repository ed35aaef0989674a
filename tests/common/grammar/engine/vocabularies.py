"""Vocabularies for tests: the demo model's, and a small one full of odd tokens."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import forge_common.demo_model
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.tokenizer import Tokenizer

PIECES = (
    *(
        b'"',
        b'":',
        b'","',
        b'{"',
        b'"}',
        b"[[",
        b"]]",
        b"],[",
        b"[]",
        b"}}",
        b'"}]}',
        b'":"',
        b"\\u",
    ),
    *(b"00", b"123", b"1e", b"-1", b".5", b"true", b"null", b"  ", b"\n  ", b'\\"', b"\\u00e9"),
    *("é".encode(), "€".encode(), "😀".encode(), "aé".encode(), 'é"'.encode(), "€€".encode()),
    *(
        b"\xe2\x82",
        b"\x82\xac",
        b"\xac",
        b"\xf0\x9f",
        b"\x98\x80",
        b"\xc3",
        b'\xa9"',
        b"\xf0\x9f\x98",
    ),
    *(b"name", b'"name":', b'"tags":[', b"key_", b'"key_1', b'":1,"key_', b"ab", b"aab", b"aa-b"),
)


@cache
def odd_vocabulary() -> Vocabulary:
    """Token 0 ends; 1 is special; every byte twice; some tokens three times."""
    rng = random.Random(3)
    glued = [rng.choice(PIECES) + rng.choice(PIECES) for _ in range(300)]
    glued += [bytes(rng.choices(b'ab1",:[]{}-', k=rng.randint(2, 5))) for _ in range(300)]
    every_byte = [bytes([byte]) for byte in range(256)]
    tokens = [b"", b"", *every_byte, *PIECES, *glued, *every_byte, *PIECES[:20], b"a" * 300]
    return Vocabulary(tokens, end_ids=[0])


@cache
def demo_vocabulary() -> Vocabulary:
    tokenizer = Tokenizer.open(Path(forge_common.demo_model.__path__[0]) / "assets")
    (end_id,) = tokenizer.encode(tokenizer.eos_token or "")
    return Vocabulary.of_tokenizer(tokenizer, [end_id])
