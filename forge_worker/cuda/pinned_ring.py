"""PinnedRing: pinned host memory for what goes up to the device, used in turn.

An upload returns before the bytes were read, so a buffer may be written again only when the device
is past the upload that used it last: `take` waits for that, which is never where there are more
buffers than steps in flight. Knows nothing of what is in them.
"""

from __future__ import annotations

from forge_worker.cuda.device import Bytes, Device, Event


class PinnedRing:
    def __init__(self, device: Device, num_bytes: int, num_buffers: int) -> None:
        self._device = device
        self._buffers = [device.allocate_pinned(num_bytes) for _ in range(num_buffers)]
        self._last_uses: list[Event | None] = [None] * num_buffers
        self._next = 0

    def take(self) -> Bytes:
        """The next buffer, with whatever it held before."""
        last_use = self._last_uses[self._next]
        if last_use is not None:
            last_use.wait()
        return self._buffers[self._next]

    def release(self) -> None:
        """All uploads from the buffer taken last are queued."""
        self._last_uses[self._next] = self._device.record()
        self._next = (self._next + 1) % len(self._buffers)
