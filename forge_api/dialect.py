"""How the served model marks what is not content: its tool calls and its thoughts.

Told by flags or by its chat template, once at start. Knows the formats by name only.
"""

from __future__ import annotations

import logging

from msgspec import Struct

from forge_api import reasoning
from forge_api.served_model import ServedModel
from forge_api.tools import ToolFormat, chosen_format
from forge_api.tools.formats import AUTO
from forge_common.config import HttpSettings
from forge_common.tokenizer import Tokenizer

logger = logging.getLogger(__name__)


class Dialect(Struct, frozen=True):
    tool_format: ToolFormat | None
    has_reasoning: bool
    special_ids: frozenset[int]  # special tokens that are such marks, so they must be seen


def dialect_of(http: HttpSettings, model: ServedModel) -> Dialect:
    tool_format = chosen_format(http.tool_call_parser, model.template.texts)
    if tool_format is None and http.tool_call_parser == AUTO:
        logger.warning("the chat template shows tool calls of a format that is not read")
    has_reasoning = marks_reasoning(http.reasoning_parser, model.template.texts)
    marks = set[str]()
    if tool_format is not None:
        marks |= {*(mark.text for mark in tool_format.marks), *tool_format.inner_texts}
    if has_reasoning:
        marks |= {reasoning.OPEN, reasoning.CLOSE}
    return Dialect(tool_format, has_reasoning, special_ids_of(marks, model.tokenizer))


def marks_reasoning(flag: str, templates: list[str]) -> bool:
    if flag != AUTO:
        return flag == "think"
    return any(reasoning.OPEN in text or reasoning.CLOSE in text for text in templates)


def special_ids_of(texts: set[str], tokenizer: Tokenizer) -> frozenset[int]:
    return frozenset(
        id_
        for id_ in tokenizer.special_token_ids
        if tokenizer.token_bytes(id_).decode("utf-8", "replace") in texts
    )
