"""The model as clients see it: its name, how text becomes ids, how its makers would sample it.

Loaded once at start from the model's files. Knows nothing of weights, devices or requests.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from msgspec import Struct

from forge_api.chat_template import ChatTemplate
from forge_common.checkpoint import GenerationDefaults, model_files
from forge_common.checkpoint.model_files import name_of
from forge_common.config import ModelSettings
from forge_common.demo_model import DEMO_MODEL_NAME, model_location
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
        files = model_files(model_location(settings.model_path))
        return cls(
            name=model_name(settings),
            tokenizer=Tokenizer.of(files.tokenizer()),
            template=ChatTemplate.of(files),
            defaults=files.generation(),
            created=int(time.time()),
        )


def model_name(settings: ModelSettings) -> str:
    if settings.served_model_name is not None:
        return settings.served_model_name
    if settings.model_path is None:
        return DEMO_MODEL_NAME
    return name_of(Path(settings.model_path))
