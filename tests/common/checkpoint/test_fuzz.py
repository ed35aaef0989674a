"""Whatever stands in a model directory is read, or refused by a ModelError, soon and in bounds."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_common.checkpoint import model_files
from forge_common.tokenizer import Tokenizer
from tests.common.checkpoint.hostile_files import attempt, check_bounds, read_arrays, read_parts
from tests.integration.small_model import write_small_model

UNKIND_VALUES: list[Any] = [
    *(None, True, -1, 0, 1, 2**31, 2**63, 2**64, 1e308, 0.5, float("nan"), float("inf")),
    *("", "x" * 70_000, "\ud800", "\0", "../../etc/passwd", [], {}, [[[[]]]], {"": {}}),
]
FILES = ("config.json", "tokenizer.json", "generation_config.json", "model.safetensors")

fuzzed = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Each file of a small model."""
    directory = write_small_model(tmp_path_factory.mktemp("sound"))
    (directory / "generation_config.json").write_text('{"eos_token_id": [1, 2], "top_p": 0.9}')
    return {name: (directory / name).read_bytes() for name in FILES}


def write(directory: Path, files: dict[str, bytes]) -> None:
    for name, raw in files.items():
        (directory / name).write_bytes(raw)


def read_all(directory: Path) -> None:
    """Everything that a launcher, an API or a worker reads of a model."""
    files = attempt(lambda: model_files(directory))
    if files is not None:
        read_parts(files)
    attempt(lambda: Tokenizer.open(directory).encode("ab \u2028\U0001f600"))
    attempt(lambda: read_arrays(directory))


def check(directory: Path, files: dict[str, bytes]) -> None:
    write(directory, files)
    check_bounds(read_all, directory)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that is inside, to a depth that is enough for these files."""
    found = [path]
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())[:40]
    elif isinstance(value, list):
        children = list(enumerate(value[:3]))
    for key, child in children:
        found += places(child, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def header_of(raw: bytes) -> tuple[Any, bytes]:
    (num_bytes,) = struct.unpack_from("<Q", raw)
    return json.loads(raw[8 : 8 + num_bytes]), raw[8 + num_bytes :]


def with_header(header: Any, data: bytes) -> bytes:
    encoded = as_json(header)
    return struct.pack("<Q", len(encoded)) + encoded + data


def test_the_unchanged_directory_is_sound(tmp_path: Path, sound: dict[str, bytes]) -> None:
    write(tmp_path, sound)
    read_arrays(tmp_path)
    assert model_files(tmp_path).config().vocab_size == 400
    assert Tokenizer.open(tmp_path).encode("ab")


@fuzzed
@given(data=st.data(), name=st.sampled_from(FILES[:3]), new=st.sampled_from(UNKIND_VALUES))
def test_unkind_values_raise_nothing_else(
    tmp_path: Path, sound: dict[str, bytes], data: st.DataObject, name: str, new: Any
) -> None:
    value = json.loads(sound[name])
    path = data.draw(st.sampled_from(places(value)))
    check(tmp_path, {**sound, name: as_json(replaced(value, path, new))})


@fuzzed
@given(data=st.data(), new=st.sampled_from(UNKIND_VALUES))
def test_unkind_tensor_headers_raise_nothing_else(
    tmp_path: Path, sound: dict[str, bytes], data: st.DataObject, new: Any
) -> None:
    header, arrays = header_of(sound["model.safetensors"])
    path = data.draw(st.sampled_from(places(header)))
    raw = with_header(replaced(header, path, new), arrays)
    check(tmp_path, {**sound, "model.safetensors": raw})


@fuzzed
@given(
    name=st.sampled_from(FILES),
    share=st.floats(0, 1),
    length=st.integers(0, 64),
    inserted=st.binary(max_size=16),
)
def test_cut_and_inserted_bytes_raise_nothing_else(
    tmp_path: Path,
    sound: dict[str, bytes],
    name: str,
    share: float,
    length: int,
    inserted: bytes,
) -> None:
    raw = sound[name]
    start = int(share * min(len(raw), 4096))
    check(tmp_path, {**sound, name: raw[:start] + inserted + raw[start + length :]})


@fuzzed
@given(name=st.sampled_from(FILES), raw=st.binary(max_size=200))
def test_any_bytes_raise_nothing_else(
    tmp_path: Path, sound: dict[str, bytes], name: str, raw: bytes
) -> None:
    check(tmp_path, {**sound, name: raw})


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("depth", [600, 100_000])
def test_deep_nesting_is_refused(
    tmp_path: Path, sound: dict[str, bytes], name: str, depth: int
) -> None:
    check(tmp_path, {**sound, name: b'{"a":' + b"[" * depth + b"]" * depth + b"}"})
