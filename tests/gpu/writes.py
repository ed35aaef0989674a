"""`python -m tests.gpu.writes PLACE` writes one byte at PLACE of an allocation of 1000 bytes.

A process of its own, since a GPU that has faulted is lost to the one it faulted for.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from forge_common.errors import DeviceError
from forge_worker.cuda.cubin_cache import default_folder
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.device_check import open_device

NUM_BYTES = 1000
WRITE_AT = KernelSource(str(Path(__file__).with_name("kernels") / "write_at.cu"))


def main(place: int) -> None:
    device = open_device(int(os.environ.get("FORGE_TEST_GPU", "0")), default_folder(os.environ))
    memory = device.allocate(NUM_BYTES)
    write_at = device.kernels(WRITE_AT)["write_at"]
    try:
        write_at((1, 1, 1), (1, 1, 1), (memory, np.int64(place)))
        device.synchronize()
    except DeviceError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(int(sys.argv[1]))
