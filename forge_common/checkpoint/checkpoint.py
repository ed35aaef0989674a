"""Checkpoint: a model's files, opened and checked, its tensors mapped when they are asked for.

Opening reads headers only, so that a plan costs nothing. Knows bytes and their places, not how
files describe a model, nor what its tensors are for.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.checkpoint.model_config import ModelConfig
from forge_common.checkpoint.model_files import ModelFiles, model_files
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

if TYPE_CHECKING:
    import numpy.typing as npt

# bfloat16 and the floats of a byte have no NumPy type: their bits come as they are.
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
        "F8_E4M3": "u1",
        "BOOL": "?",
    }
)


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
        """ModelError, in one sentence, for whatever is wrong with the files."""
        return cls.read(model_files(path), path)

    @classmethod
    def read(cls, files: ModelFiles, path: Path) -> Self:
        """As `open`, of files that were found; `path` names them in errors."""
        config, generation = files.config(), files.generation()
        if max(generation.eos_token_ids, default=0) >= config.vocab_size:
            raise ModelError(f"{path}: an eos_token_id is beyond the vocabulary of the model")
        return cls(config, generation, MappingProxyType(files.tensors()))

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors on disk."""
        return sum(tensor.num_bytes for tensor in self.tensors.values())

    def array(self, name: str) -> npt.NDArray[Any]:
        """A read-only view of the tensor in the mapped file; bfloat16 comes as uint16 bits.

        Block formats come as bytes: uint8 [..., row_bytes]. Rows that GGUF keeps in pairs for
        rotation come in HuggingFace's order, and so as a copy.
        """
        return self.array_of(self.tensors[name])

    def array_of(self, tensor: TensorInfo) -> npt.NDArray[Any]:
        """As `array`, of a tensor that has its numbers in one place: of a packed one, a part."""
        if tensor.packed is not None:
            raise ValueError(f"tensor `{tensor.name}` lies in several places")
        if tensor.dtype in BLOCK_FORMATS:
            *rows, width = tensor.shape
            stored = self._view(tensor, "u1", (*rows, BLOCK_FORMATS[tensor.dtype].row_bytes(width)))
        elif tensor.dtype in NUMPY_DTYPES:
            stored = self._view(tensor, NUMPY_DTYPES[tensor.dtype], tensor.shape)
        else:
            raise ModelError(
                f"{tensor.file}: tensor `{tensor.name}` is {tensor.dtype}, no supported dtype"
            )
        if tensor.num_paired_heads is None:
            return stored
        if len(stored) % (2 * tensor.num_paired_heads):
            raise ModelError(f"{tensor.file}: rows of tensor `{tensor.name}` are no pairs in heads")
        return separate_pairs(stored, tensor.num_paired_heads)

    def _view(
        self, tensor: TensorInfo, dtype_name: str, shape: tuple[int, ...]
    ) -> npt.NDArray[Any]:
        import numpy as np  # here, since most who open a checkpoint read only its headers

        dtype = np.dtype(dtype_name)
        count = tensor.num_bytes // dtype.itemsize
        flat = np.frombuffer(self._mapped(tensor.file), dtype, count, tensor.offset)
        return flat.reshape(shape)

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


def separate_pairs(rows: npt.NDArray[Any], num_heads: int) -> npt.NDArray[Any]:
    """Rows 0, 1, 2, 3, ... of each head as 0, 2, ..., 1, 3, ...: the first of all pairs first."""
    pairs = rows.reshape(num_heads, -1, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)
