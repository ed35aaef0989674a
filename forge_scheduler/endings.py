"""Endings: a sequence comes to its end, and with its last choice the request does.

Whatever it held is given up. Knows nothing of steps, nor of why anything ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from forge_common.protocol.api_scheduler import SequenceOutput
from forge_common.protocol.message import Failure
from forge_common.sampling import FinishReason
from forge_scheduler import outputs
from forge_scheduler.admission import Admission
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.reception import Reception
from forge_scheduler.sequence import Request, Sequence, SequenceStatus
from forge_scheduler.stats import Counters
from forge_scheduler.timekeeper import Timekeeper


class Endings:
    def __init__(
        self,
        reception: Reception,
        admission: Admission,
        timekeeper: Timekeeper,
        counters: Counters,
    ) -> None:
        self._reception = reception
        self._admission = admission
        self._timekeeper = timekeeper
        self._counters = counters

    def end_all(
        self, requests: Iterable[Request], reason: FinishReason, error: Failure | None = None
    ) -> ClientOutputs:
        ended: ClientOutputs = defaultdict(list)
        for request in requests:
            ended[request.key.client] += [
                self.end(sequence, reason, error) for sequence in request.unfinished
            ]
        return ended

    def end(
        self, sequence: Sequence, reason: FinishReason, error: Failure | None = None
    ) -> SequenceOutput:
        """What its client is told, since no token brought it about."""
        self.finish(sequence, reason)
        return outputs.last_words(sequence, reason, error)

    def finish(self, sequence: Sequence, reason: FinishReason) -> None:
        request = sequence.request
        if sequence in request.held:
            request.held.remove(sequence)
        else:
            self._admission.withdraw(sequence)
            self._admission.waiting.add_held(request)  # nobody else computes their prompt
        sequence.status = SequenceStatus.FINISHED
        self._timekeeper.forget(sequence)
        self._counters.num_finished[reason] += 1
        if request.is_finished:
            self._reception.close(request)
