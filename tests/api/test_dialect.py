"""What the served model's marks are, by flags and by its template."""

from __future__ import annotations

from typing import Any

import pytest

from forge_api.dialect import Dialect, dialect_of
from forge_api.served_model import ServedModel
from forge_api.tools import FORMATS
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.config import HttpSettings
from forge_common.tokenizer import Tokenizer
from tests.api.fakes import TOKENIZER, FakeTemplate
from tests.small_tokenizers import byte_level_encoder, make_tokenizer


def dialect(text: str, tokenizer: Tokenizer = TOKENIZER, **flags: Any) -> Dialect:
    model = ServedModel("tiny", tokenizer, FakeTemplate(text), GenerationDefaults(), 0)
    return dialect_of(HttpSettings(**flags), model)


@pytest.mark.parametrize(
    ("text", "flag", "has_reasoning"),
    [
        ("<think>", "auto", True),
        ("{{ content.split('</think>')[-1] }}", "auto", True),
        ("plain", "auto", False),
        ("plain", "think", True),
        ("<think>", "none", False),
    ],
)
def test_reasoning_is_told_by_the_template_unless_a_flag_says(
    text: str, flag: str, has_reasoning: bool
) -> None:
    assert dialect(text, reasoning_parser=flag).has_reasoning is has_reasoning


def test_the_tool_format_is_told_by_the_template_unless_a_flag_says() -> None:
    assert dialect("[TOOL_CALLS]").tool_format is FORMATS["mistral"]
    assert dialect("[TOOL_CALLS]", tool_call_parser="phi4").tool_format is FORMATS["phi4"]
    assert dialect("[TOOL_CALLS]", tool_call_parser="none").tool_format is None


def test_marks_that_are_special_tokens_are_to_be_seen() -> None:
    tokenizer = make_tokenizer(
        byte_level_encoder(), additional_special_tokens=["<think>", "<|im_start|>"]
    )
    [id_] = dialect("<think>", tokenizer).special_ids
    assert tokenizer.token_bytes(id_) == b"<think>"
    assert dialect("plain", tokenizer).special_ids == frozenset()


def test_a_format_that_is_not_read_is_said_so(caplog: pytest.LogCaptureFixture) -> None:
    assert dialect("<tool_call><function=f>").tool_format is None
    assert "not read" in caplog.text
