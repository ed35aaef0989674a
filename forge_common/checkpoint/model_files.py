"""ModelFiles: all that the files of a model say of it, whatever their format, and how to find them.

    NAME.gguf, NAME-00001-of-00003.gguf     GgufModel: everything in one file, or one set
    a directory with `config.json`          ModelDirectory: HuggingFace's files
    a directory without, but with one .gguf model in it

Knows that there are these kinds, and nothing of what is in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from forge_common.checkpoint.directory import CONFIG_FILE, ModelDirectory
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.checkpoint.gguf import GgufModel
from forge_common.checkpoint.gguf.shards import SUFFIX, find_in_directory, gguf_name
from forge_common.checkpoint.model_config import ModelConfig
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.checkpoint.tokenizer_files import TokenizerFiles


class ModelFiles(Protocol):
    """Each part is read and checked when it is asked for: ModelError, in one sentence."""

    def config(self) -> ModelConfig: ...

    def generation(self) -> GenerationDefaults: ...

    def tensors(self) -> dict[str, TensorInfo]:
        """By HuggingFace's names."""

    def tokenizer(self) -> TokenizerFiles: ...

    def tokenizer_config(self) -> dict[str, Any]:
        """As tokenizer_config.json: `bos_token` and its like; empty where nothing is said."""

    def chat_templates(self) -> dict[str, str]:
        """By name, the usual one as `default`; empty where there is none."""


def model_files(path: Path) -> ModelFiles:
    """Of the model at `path`; what is wrong with it shows when it is read."""
    if path.suffix == SUFFIX and not path.is_dir():
        return GgufModel(path)
    found = gguf_in(path)
    return ModelDirectory(path) if found is None else GgufModel(found)


def name_of(path: Path) -> str:
    """What the files' own name says the model is called."""
    if path.suffix == SUFFIX and not path.is_dir():
        return gguf_name(path)
    found = gguf_in(path)
    return path.resolve().name if found is None else gguf_name(found)


def gguf_in(path: Path) -> Path | None:
    """The one GGUF model of a directory that is no HuggingFace model; None where it has none."""
    if (path / CONFIG_FILE).exists():
        return None
    return find_in_directory(path)
