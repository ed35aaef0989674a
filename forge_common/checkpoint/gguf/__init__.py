"""GGUF, llama.cpp's format: one file with weights, config, tokenizer and chat template."""

from forge_common.checkpoint.gguf.model import GgufModel

__all__ = ["GgufModel"]
