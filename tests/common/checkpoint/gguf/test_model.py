"""A GGUF file has all that a model directory has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint.gguf import GgufModel
from forge_common.errors import ModelError
from tests.common.checkpoint.gguf.small_model import metadata, tensors
from tests.gguf_files import write_gguf


def model(tmp_path: Path, **changes: Any) -> GgufModel:
    return GgufModel(write_gguf(tmp_path / "m.gguf", metadata(**changes), tensors()))


def test_chat_templates_are_found_by_name(tmp_path: Path) -> None:
    assert model(tmp_path).chat_templates() == {"default": "{{ messages[0].content }}"}
    assert model(tmp_path, tokenizer__chat_template=None).chat_templates() == {}
    named = {"tokenizer__chat_templates": ["tool_use", "absent"]}
    found = model(tmp_path, tokenizer__chat_template__tool_use="{{ tools }}", **named)
    assert found.chat_templates() == {
        "default": "{{ messages[0].content }}",
        "tool_use": "{{ tools }}",
    }


def test_template_has_a_bound(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a chat template is larger than 1048576 bytes"):
        model(tmp_path, tokenizer__chat_template="x" * (2**20 + 1)).chat_templates()


def test_named_tokens_are_given_as_text(tmp_path: Path) -> None:
    assert model(tmp_path).tokenizer_config() == {"bos_token": "<s>", "eos_token": "</s>"}
    assert model(tmp_path, tokenizer__ggml__bos_token_id=99).tokenizer_config() == {
        "eos_token": "</s>"
    }


def test_tokens_beyond_the_embedding_are_refused(tmp_path: Path) -> None:
    tokens = {"tokenizer__ggml__tokens": [f"t{id_}" for id_ in range(9)]}
    kinds = {"tokenizer__ggml__token_type": [1] * 9}
    with pytest.raises(ModelError, match="more tokens than the embedding has rows"):
        model(tmp_path, **tokens, **kinds).tokenizer()
