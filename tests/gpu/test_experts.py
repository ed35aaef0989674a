"""What the emulator must do, a GPU must do."""

from tests.worker.cuda.test_experts import *
