"""ModelDirectory: a HuggingFace model directory, as the files of a model.

    config.json, generation_config.json                    what it is, how its makers sample it
    model.safetensors, or model.safetensors.index.json     its weights, in one file or several
    tokenizer.json, tokenizer_config.json                  its tokenizer
    chat_template.jinja and others                         see `chat_templates`

Nothing in the directory is ever executed. Knows which files belong to a model, not what its
tensors are for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from forge_common.checkpoint.chat_templates import read_chat_templates
from forge_common.checkpoint.generation_config import (
    GenerationDefaults,
    read_generation_defaults,
)
from forge_common.checkpoint.json_file import read_json
from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.checkpoint.quantized.assembly import assembled
from forge_common.checkpoint.safetensors import read_header
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.checkpoint.tokenizer_files import (
    TokenizerFiles,
    read_tokenizer_config,
    read_tokenizer_files,
)
from forge_common.errors import ModelError

CONFIG_FILE = "config.json"
GENERATION_FILE = "generation_config.json"
SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"


class ShardIndex(Struct, frozen=True):
    weight_map: dict[str, str]


class ModelDirectory:
    """As ModelFiles."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def config(self) -> ModelConfig:
        if not self._path.is_dir():
            raise ModelError(f"{self._path}: there is no such model directory")
        return read_model_config(self._path / CONFIG_FILE)

    def generation(self) -> GenerationDefaults:
        return read_generation_defaults(self._path / GENERATION_FILE, self.config().eos_token_ids)

    def tensors(self) -> dict[str, TensorInfo]:
        """A quantised weight is one of them, whatever tensors tell it."""
        tensors, scheme = read_tensors(self._path), self.config().quantization
        return tensors if scheme is None else assembled(tensors, scheme)

    def tokenizer(self) -> TokenizerFiles:
        return read_tokenizer_files(self._path)

    def tokenizer_config(self) -> dict[str, Any]:
        return read_tokenizer_config(self._path)

    def chat_templates(self) -> dict[str, str]:
        return read_chat_templates(self._path, self.tokenizer_config())


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
