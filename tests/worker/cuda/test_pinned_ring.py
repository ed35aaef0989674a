"""A buffer is not written again before the device has read it."""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.pinned_ring import PinnedRing
from tests.cuda_emulator.delayed import DelayedDevice


def test_buffers_take_turns_and_wait_for_their_last_use() -> None:
    device = DelayedDevice()
    ring = PinnedRing(device, 4, num_buffers=2)
    targets = [np.zeros(4, np.uint8) for _ in range(5)]
    for value, target in enumerate(targets):
        buffer = ring.take()
        buffer[:] = value
        device.upload(target, buffer)
        ring.release()
        assert device.num_done >= value - 1  # at most two uploads are ahead of the device
    device.synchronize()
    assert [int(target[0]) for target in targets] == [0, 1, 2, 3, 4]
