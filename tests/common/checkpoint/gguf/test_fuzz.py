"""Whatever bytes a GGUF file has: it is read, or refused by a ModelError, soon and in bounds."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_common.checkpoint import Checkpoint, model_files
from forge_common.errors import ModelError
from forge_common.tokenizer import Tokenizer
from tests.common.checkpoint.gguf.small_model import metadata, tensors
from tests.common.checkpoint.hostile_files import attempt, check_bounds, read_arrays, read_parts
from tests.gguf_files import gguf_bytes

SOUND = gguf_bytes(metadata(), tensors())
SENTENCEPIECE = gguf_bytes(
    metadata(
        tokenizer__ggml__model="llama",
        tokenizer__ggml__scores=[0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0],
    ),
    tensors(),
)
HEADER_BYTES = SOUND.index(b"blk.0.ffn_down.weight") + 64
UNKIND_NUMBERS = (0, 1, 8, 9, 2**16, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1)

fuzzed = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_all(path: Path) -> None:
    """Everything that a launcher, an API or a worker reads of a model."""
    files = model_files(path)
    read_parts(files)
    attempt(lambda: Tokenizer.open(path))
    attempt(lambda: read_arrays(path))


def check(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    check_bounds(read_all, path)


@pytest.mark.parametrize("raw", [SOUND, SENTENCEPIECE], ids=["gpt2", "llama"])
def test_the_unchanged_file_is_sound(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(raw)
    read_arrays(path)
    assert Tokenizer.open(path).encode("ab")


@fuzzed
@given(
    raw=st.sampled_from([SOUND, SENTENCEPIECE]),
    changes=st.lists(
        st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255)), min_size=1, max_size=4
    ),
)
def test_changed_bytes_raise_nothing_else(
    tmp_path: Path, raw: bytes, changes: list[tuple[int, int]]
) -> None:
    mutated = bytearray(raw)
    for position, byte in changes:
        mutated[position] = byte
    check(tmp_path / "model.gguf", bytes(mutated))


@fuzzed
@given(
    raw=st.sampled_from([SOUND, SENTENCEPIECE]),
    position=st.integers(0, HEADER_BYTES - 8),
    number=st.sampled_from(UNKIND_NUMBERS),
    width=st.sampled_from(["<I", "<Q"]),
)
def test_unkind_numbers_raise_nothing_else(
    tmp_path: Path, raw: bytes, position: int, number: int, width: str
) -> None:
    mutated = bytearray(raw)
    struct.pack_into(width, mutated, position, number % 2 ** (8 * struct.calcsize(width)))
    check(tmp_path / "model.gguf", bytes(mutated))


@fuzzed
@given(
    start=st.integers(0, HEADER_BYTES),
    length=st.integers(0, 64),
    inserted=st.binary(max_size=16),
)
def test_cut_and_inserted_bytes_raise_nothing_else(
    tmp_path: Path, start: int, length: int, inserted: bytes
) -> None:
    check(tmp_path / "model.gguf", SOUND[:start] + inserted + SOUND[start + length :])


@pytest.mark.parametrize("length", [0, 1, 4, 8, 24, 25, 100, 700, HEADER_BYTES, len(SOUND) - 64])
def test_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(SOUND[:length])
    with pytest.raises(ModelError, match=r"model\.gguf: "):
        Checkpoint.open(path)


@fuzzed
@given(raw=st.binary(max_size=200))
def test_any_bytes_after_the_magic_raise_nothing_else(tmp_path: Path, raw: bytes) -> None:
    check(tmp_path / "model.gguf", b"GGUF\x03\0\0\0" + raw)
