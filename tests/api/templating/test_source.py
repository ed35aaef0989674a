"""Where a model keeps its chat templates, and which one counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forge_api.templating.source import CHATML, read_template_source
from forge_common.checkpoint import model_files
from forge_common.errors import ModelError


def write_config(path: Path, **config: Any) -> None:
    (path / "tokenizer_config.json").write_text(json.dumps(config))


def test_chatml_stands_in_where_a_model_has_none(tmp_path: Path) -> None:
    assert read_template_source(model_files(tmp_path)).templates == {"default": CHATML}


def test_a_config_holds_one_template(tmp_path: Path) -> None:
    write_config(tmp_path, chat_template="one")
    assert read_template_source(model_files(tmp_path)).templates == {"default": "one"}


def test_a_config_holds_named_templates(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]
    write_config(tmp_path, chat_template=named)
    assert read_template_source(model_files(tmp_path)).templates == {
        "default": "a",
        "tool_use": "b",
    }


def test_files_of_their_own_come_first(tmp_path: Path) -> None:
    write_config(tmp_path, chat_template="in the config")
    (tmp_path / "chat_template.jinja").write_text("in a file")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "tool_use.jinja").write_text("with tools")
    assert read_template_source(model_files(tmp_path)).templates == {
        "default": "in a file",
        "tool_use": "with tools",
    }


def test_the_older_json_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "chat_template.json").write_text('{"chat_template": "old"}')
    assert read_template_source(model_files(tmp_path)).templates == {"default": "old"}


def test_special_tokens_are_given_as_text(tmp_path: Path) -> None:
    write_config(
        tmp_path, eos_token={"content": "</s>"}, unk_token={"content": "?"}, pad_token=None
    )
    assert read_template_source(model_files(tmp_path)).special_tokens == {
        "eos_token": "</s>",
        "unk_token": "?",
    }


@pytest.mark.parametrize("template", [3, [1], [{"name": "x"}], {"default": "x"}])
def test_a_template_that_is_no_text_is_refused(tmp_path: Path, template: Any) -> None:
    write_config(tmp_path, chat_template=template)
    with pytest.raises(ModelError, match="chat_template"):
        read_template_source(model_files(tmp_path))


def test_named_templates_need_a_default(tmp_path: Path) -> None:
    write_config(tmp_path, chat_template=[{"name": "rag", "template": "x"}])
    with pytest.raises(ModelError, match="default"):
        read_template_source(model_files(tmp_path))


def test_a_template_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelError, match=r"chat_template\.jinja"):
        read_template_source(model_files(tmp_path))
