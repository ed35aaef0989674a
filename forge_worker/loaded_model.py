"""LoadedModel: what a backend hands to the worker's loop once a model is in memory."""

from __future__ import annotations

from typing import NamedTuple

from forge_worker.runner import Runner
from forge_worker.sequence_mirror import Limits


class LoadedModel(NamedTuple):
    """A model with its cache, and the limits it may be used within."""

    runner: Runner
    limits: Limits
