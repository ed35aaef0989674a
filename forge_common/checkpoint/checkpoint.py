"""Checkpoint: a HuggingFace model directory, opened and checked, its tensors mapped when asked for.

Opening reads headers only, so that a plan costs nothing. Knows which files belong to a model, not
what its tensors are for. Nothing in the directory is ever executed.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from msgspec import Struct

from forge_common.checkpoint.generation_config import (
    GenerationDefaults,
    read_generation_defaults,
)
from forge_common.checkpoint.json_file import read_json
from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.checkpoint.safetensors import TensorInfo, read_header
from forge_common.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

CONFIG_FILE = "config.json"
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

# bfloat16 has no NumPy type: its bits come as they are.
NUMPY_DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "F64": "<f8",
        "F32": "<f4",
        "F16": "<f2",
        "BF16": "<u2",
        "I64": "<i8",
        "I32": "<i4",
        "I16": "<i2",
        "I8": "i1",
        "U64": "<u8",
        "U32": "<u4",
        "U16": "<u2",
        "U8": "u1",
        "BOOL": "?",
    }
)


class ShardIndex(Struct, frozen=True):
    weight_map: dict[str, str]


class Checkpoint:
    """`with Checkpoint.open(path) as checkpoint`: config, defaults, tensors; arrays are views."""

    def __init__(
        self,
        config: ModelConfig,
        generation: GenerationDefaults,
        tensors: Mapping[str, TensorInfo],
    ) -> None:
        self.config = config
        self.generation = generation
        self.tensors = tensors
        self._maps: dict[Path, mmap.mmap] = {}

    @classmethod
    def open(cls, path: Path) -> Self:
        """ModelError, in one sentence, for whatever is wrong with the directory."""
        if not path.is_dir():
            raise ModelError(f"{path}: there is no such model directory")
        config = read_model_config(path / CONFIG_FILE)
        generation = read_generation_defaults(path / "generation_config.json", config.eos_token_ids)
        if max(generation.eos_token_ids, default=0) >= config.vocab_size:
            raise ModelError(f"{path}: an eos_token_id is beyond the vocabulary of the model")
        return cls(config, generation, MappingProxyType(read_tensors(path)))

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors on disk."""
        return sum(tensor.num_bytes for tensor in self.tensors.values())

    def array(self, name: str) -> npt.NDArray[Any]:
        """A read-only view of the tensor in the mapped file; bfloat16 comes as uint16 bits."""
        tensor = self.tensors[name]
        if tensor.dtype not in NUMPY_DTYPES:
            raise ModelError(
                f"{tensor.file}: tensor `{name}` is {tensor.dtype}, no supported dtype"
            )
        import numpy as np  # here, since most who open a checkpoint read only its headers

        dtype = np.dtype(NUMPY_DTYPES[tensor.dtype])
        count = tensor.num_bytes // dtype.itemsize
        flat = np.frombuffer(self._mapped(tensor.file), dtype, count, tensor.offset)
        return flat.reshape(tensor.shape)

    def close(self) -> None:
        """Forget the mapped files; each goes once the last view of it is gone."""
        self._maps.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _mapped(self, path: Path) -> mmap.mmap:
        if path not in self._maps:
            with path.open("rb") as file:
                self._maps[path] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[path]


def read_tensors(directory: Path) -> dict[str, TensorInfo]:
    """The tensors of the single file, or of all the shards that the index names."""
    if (directory / SINGLE_FILE).exists():
        return read_header(directory / SINGLE_FILE)
    if (directory / INDEX_FILE).exists():
        return _read_shards(directory)
    raise ModelError(f"{directory}: there is neither {SINGLE_FILE} nor {INDEX_FILE}")


def _read_shards(directory: Path) -> dict[str, TensorInfo]:
    index = directory / INDEX_FILE
    weight_map = read_json(index, ShardIndex).weight_map
    tensors: dict[str, TensorInfo] = {}
    for file_name in sorted(set(weight_map.values())):
        _check_file_name(file_name, index)
        for name, tensor in read_header(directory / file_name).items():
            if weight_map.get(name) != file_name:
                raise ModelError(f"{index}: tensor `{name}` of {file_name} is not placed there")
            tensors[name] = tensor
    if missing := sorted(weight_map.keys() - tensors.keys()):
        raise ModelError(f"{index}: tensor `{missing[0]}` is not in {weight_map[missing[0]]}")
    return tensors


def _check_file_name(file_name: str, index: Path) -> None:
    """A name in an index must not lead out of its directory."""
    is_plain = "/" not in file_name and "\\" not in file_name and "\0" not in file_name
    if not is_plain or not file_name.endswith(".safetensors"):
        raise ModelError(f"{index}: `{file_name[:100]}` is no name of a SafeTensors file beside it")
