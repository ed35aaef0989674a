"""Fetches a model from the Hugging Face hub, where the `hub` extra is installed.

Only the files Forge reads: no code, no other formats of the same weights. Knows nothing of models.
"""

from __future__ import annotations

import re
from pathlib import Path

from forge_common.errors import ConfigError, ModelError

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
WANTED = ("*.json", "*.safetensors", "*.jinja")
UNWANTED = ("*/*", "consolidated*")  # other formats, and the same weights once more


def is_hub_id(text: str) -> bool:
    return HUB_ID.fullmatch(text) is not None and not text.startswith(".")


def fetch(hub_id: str) -> Path:
    """The local directory of the model, downloaded where it is not there yet."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ConfigError(
            f"{hub_id}: there is no such directory; to fetch it from the Hugging Face hub,"
            " install the extra: pip install 'forge-server[hub]'"
        ) from error
    try:
        return Path(
            snapshot_download(hub_id, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED))
        )
    except (OSError, ValueError) as error:  # what its own errors derive from
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"{hub_id}: cannot be fetched from the hub: {reason}") from error
