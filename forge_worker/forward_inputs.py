"""ForwardInputs: one step's work as arrays, all a model needs besides its weights and the KV cache.

Sequences lie one behind the other ("ragged"), prefill chunks and single tokens alike:

    token_ids     [ a a a a a | b | c c ]        num_tokens = 8
    query_starts  [ 0           5   6     8 ]    sequence i owns query_starts[i]:query_starts[i+1]
    context_lens  [ 5           9   20 ]         KV valid once this step's tokens are written

Knows nothing of devices, requests or why these tokens were chosen. Host arrays are NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int32]
SlotArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ForwardInputs:
    token_ids: IntArray  # [num_tokens]
    positions: IntArray  # [num_tokens], place in the sequence, from 0
    slot_mapping: SlotArray  # [num_tokens], block_id * block_size + offset: where K and V go
    query_starts: IntArray  # [num_sequences + 1]
    context_lens: IntArray  # [num_sequences]
    block_tables: IntArray  # [num_sequences, max_blocks], ids beyond a sequence's own are 0
    logit_rows: IntArray  # [num_logits], indices into token_ids whose logits are wanted

    @property
    def num_sequences(self) -> int:
        return len(self.context_lens)

    @property
    def num_tokens(self) -> int:
        return len(self.token_ids)
