"""What every test shares: hypothesis times no single example, since the machine may be busy.

And what was collected is kept out of the way of the garbage collector, which would look through ten
thousand tests again and again, at times for longer than code under test may take.
"""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("forge", deadline=None)
settings.load_profile("forge")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
