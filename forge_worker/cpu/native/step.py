"""NativeStep: what kernels read of a step, at addresses that stay from step to step.

Knows inputs, not models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.native.pool import Record
from forge_worker.forward_inputs import ForwardInputs

FIELDS = ("num_tokens", "num_logits", "token_ids", "logit_rows")


class StepRecord:
    """Numbers of the step that runs, and addresses of its arrays."""

    def __init__(self) -> None:
        self._record = Record([0] * len(FIELDS))
        self._kept: Sequence[npt.NDArray[np.int32]] = ()
        addresses = [self._record.address + 8 * index for index in range(len(FIELDS))]
        self.num_tokens, self.num_logits, self.token_ids, self.logit_rows = addresses

    def write(self, inputs: ForwardInputs) -> None:
        arrays = [np.ascontiguousarray(a, np.int32) for a in (inputs.token_ids, inputs.logit_rows)]
        self._kept = arrays
        sizes = [len(array) for array in arrays]
        self._record.values[:] = [*sizes, *(array.ctypes.data for array in arrays)]
