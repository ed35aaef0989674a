"""SeenTokens: which tokens a sequence holds, and how often it put them out itself.

Kept as two short arrays that grow with the distinct tokens, so that a penalty touches those
logits and no others. Knows nothing of penalties.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from forge_worker.forward_inputs import FloatArray
from forge_worker.top_tokens import TokenArray


class SeenTokens:
    """`token_ids` are distinct; `output_counts` is 0 where a token stands in the prompt only."""

    def __init__(self, prompt_token_ids: Sequence[int], output_token_ids: Sequence[int]) -> None:
        counts = Counter(dict.fromkeys(prompt_token_ids, 0))
        counts.update(output_token_ids)
        self._places = {token_id: place for place, token_id in enumerate(counts)}
        self._token_ids = np.array(list(counts), dtype=np.int64)
        self._output_counts = np.array(list(counts.values()), dtype=np.float32)

    @property
    def token_ids(self) -> TokenArray:
        return self._token_ids[: len(self._places)]

    @property
    def output_counts(self) -> FloatArray:
        return self._output_counts[: len(self._places)]

    def add_output(self, token_id: int) -> None:
        place = self._places.get(token_id)
        if place is None:
            place = self._add(token_id)
        self._output_counts[place] += 1

    def _add(self, token_id: int) -> int:
        place = self._places[token_id] = len(self._places)
        if place == len(self._token_ids):
            self._token_ids = np.resize(self._token_ids, 2 * place + 8)
            self._output_counts = np.resize(self._output_counts, 2 * place + 8)
        self._token_ids[place] = token_id
        self._output_counts[place] = 0
        return place
