"""The embedded demo model: where its files are. How it was made is in `making/`, which nothing
here imports.

It does not know how a checkpoint is read, nor what the model can say: `CARD.md` beside this file
does.
"""

from __future__ import annotations

from pathlib import Path

DEMO_MODEL_NAME = "forge-demo"  # what clients call it


def demo_model_path() -> Path:
    """The directory with config.json, tokenizer.json and model.safetensors, as `--model-path`
    takes it.
    """
    return Path(__file__).parent / "assets"


def model_location(model_path: str | None) -> Path:
    """What `--model-path` names, or the demo model where it names nothing."""
    return demo_model_path() if model_path is None else Path(model_path)
