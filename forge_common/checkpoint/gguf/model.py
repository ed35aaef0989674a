"""GgufModel: a GGUF file, or a set of them, as the files of a model.

Knows where in the metadata each part of a model is; others know how to read it.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from forge_common.checkpoint.chat_templates import DEFAULT, MAX_TEMPLATE_BYTES
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.checkpoint.gguf.config import architecture_of, read_config, read_generation
from forge_common.checkpoint.gguf.container import Container
from forge_common.checkpoint.gguf.shards import read_model
from forge_common.checkpoint.gguf.tensors import model_tensors
from forge_common.checkpoint.gguf.tokenizer import tokenizer_json
from forge_common.checkpoint.gguf.vocabulary import Vocabulary, read_vocabulary
from forge_common.checkpoint.model_config import ModelConfig
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.checkpoint.tokenizer_files import TokenizerFile, TokenizerFiles
from forge_common.errors import ModelError

TEMPLATE = "tokenizer.chat_template"
TEMPLATE_NAMES = "tokenizer.chat_templates"


class GgufModel:
    """As ModelFiles, each part read when it is asked for."""

    def __init__(self, path: Path) -> None:
        """`path` is the file, or any of a set."""
        self._path = path

    def config(self) -> ModelConfig:
        return self._config

    def generation(self) -> GenerationDefaults:
        return read_generation(self._container.metadata)

    def tensors(self) -> dict[str, TensorInfo]:
        metadata, tensors = self._container
        return model_tensors(tensors, architecture_of(metadata), self._config)

    def tokenizer(self) -> TokenizerFiles:
        description = tokenizer_json(self._vocabulary)
        return TokenizerFiles(
            text=msgspec.json.encode(description),
            source=str(self._path),
            tokenizer=TokenizerFile(description["decoder"], description["added_tokens"]),
            config=self.tokenizer_config(),
        )

    def tokenizer_config(self) -> dict[str, Any]:
        return dict(self._vocabulary.named)

    def chat_templates(self) -> dict[str, str]:
        metadata = self._container.metadata
        keys = {DEFAULT: TEMPLATE} | {
            name: f"{TEMPLATE}.{name}" for name in metadata.texts(TEMPLATE_NAMES) or ()
        }
        found = {name: metadata.text(key) for name, key in keys.items()}
        if any(text is not None and len(text) > MAX_TEMPLATE_BYTES for text in found.values()):
            raise ModelError(
                f"{self._path}: a chat template is larger than {MAX_TEMPLATE_BYTES} bytes"
            )
        return {name: text for name, text in found.items() if text is not None}

    @cached_property
    def _container(self) -> Container:
        return read_model(self._path)

    @cached_property
    def _config(self) -> ModelConfig:
        return read_config(self._container)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        vocabulary = read_vocabulary(self._container.metadata)
        if len(vocabulary.tokens) > self._num_rows(len(vocabulary.tokens)):
            raise ModelError(f"{self._path}: has more tokens than the embedding has rows")
        return vocabulary

    def _num_rows(self, default: int) -> int:
        embedding = self._container.tensors.get("token_embd.weight")
        return default if embedding is None else embedding.shape[0]
