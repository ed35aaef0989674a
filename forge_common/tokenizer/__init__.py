"""Text to token ids and back: the one face of a model's tokenizer files."""

from forge_common.tokenizer.tokenizer import Tokenizer

__all__ = ["Tokenizer"]
