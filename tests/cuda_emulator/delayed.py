"""DelayedDevice: an emulated device that does nothing until somebody waits for it.

A real device may be a step or two behind the host. Here it is always as far behind as it can be, so
that whatever the host does too early shows: a pinned buffer written again before it was copied, a
result read before its event, a table's row given away under a step that still needs it.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from forge_worker.cuda.device import Graph
from forge_worker.ops.protocol import Array
from tests.cuda_emulator.device import EmulatedDevice, Work


class DelayedEvent:
    def __init__(self, device: DelayedDevice, place: int) -> None:
        self._device = device
        self._place = place

    def is_done(self) -> bool:
        return self._device.num_done >= self._place

    def wait(self) -> None:
        self._device.run_until(self._place)


class DelayedGraph:
    def __init__(self, device: DelayedDevice, graph: Graph) -> None:
        self._device = device
        self._graph = graph

    def launch(self) -> None:
        self._device.queue(self._graph.launch)


class DelayedDevice(EmulatedDevice):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.num_done = 0
        self._waiting: list[Work] = []

    def queue(self, work: Work) -> None:
        if self._recording is not None:
            super().queue(work)
        else:
            self._waiting.append(work)

    def capture(self, work: Work) -> DelayedGraph:
        return DelayedGraph(self, super().capture(work))

    def upload(self, target: Array, pinned: npt.NDArray[Any]) -> None:
        self._refuse_while_capturing("a copy")
        super_upload = super().upload
        self._waiting.append(lambda: super_upload(target, pinned))

    def download(self, pinned: npt.NDArray[Any], source: Array) -> None:
        self._refuse_while_capturing("a copy")
        super_download = super().download
        self._waiting.append(lambda: super_download(pinned, source))

    def fill_zero(self, target: Array) -> None:
        self._refuse_while_capturing("fill_zero")
        super_fill = super().fill_zero
        self._waiting.append(lambda: super_fill(target))

    def record(self) -> DelayedEvent:
        return DelayedEvent(self, self.num_done + len(self._waiting))

    def synchronize(self) -> None:
        self.run_until(self.num_done + len(self._waiting))

    def run_until(self, place: int) -> None:
        while self.num_done < place:
            self._waiting.pop(0)()
            self.num_done += 1
