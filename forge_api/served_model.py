"""The model as clients see it: its name, how text becomes ids, how its makers would sample it.

Loaded once at start from the model directory. Knows nothing of weights, devices or requests.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from msgspec import Struct

from forge_api.chat_template import ChatTemplate
from forge_common.checkpoint.generation_config import GenerationDefaults, read_generation_defaults
from forge_common.checkpoint.model_config import read_model_config
from forge_common.config import ModelSettings
from forge_common.demo_model import DEMO_MODEL_NAME, model_directory
from forge_common.tokenizer import Tokenizer


class ServedModel(Struct, frozen=True):
    name: str
    tokenizer: Tokenizer
    template: ChatTemplate
    defaults: GenerationDefaults
    created: int  # seconds since 1970

    @classmethod
    def load(cls, settings: ModelSettings) -> Self:
        """Raises ModelError where a file of the model is missing or unusable."""
        directory = model_directory(settings.model_path)
        config = read_model_config(directory / "config.json")
        return cls(
            name=model_name(settings),
            tokenizer=Tokenizer.from_directory(directory),
            template=ChatTemplate.from_directory(directory),
            defaults=read_generation_defaults(
                directory / "generation_config.json", config.eos_token_ids
            ),
            created=int(time.time()),
        )


def model_name(settings: ModelSettings) -> str:
    if settings.served_model_name is not None:
        return settings.served_model_name
    if settings.model_path is None:
        return DEMO_MODEL_NAME
    return Path(settings.model_path).resolve().name
