"""Which tokens a grammar allows, as bits, and as what a row of logits is indexed with.

Knows nothing of grammars.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from forge_worker.top_tokens import Mask

MaskWords: TypeAlias = npt.NDArray[np.uint32]  # bit t % 32 of word t // 32 is token t


def forbidden_tokens(words: MaskWords, vocab_size: int) -> Mask:
    """[vocab_size]: those that are not allowed."""
    bits = np.unpackbits((~words).view(np.uint8), bitorder="little")
    return bits[:vocab_size].view(np.bool_)
