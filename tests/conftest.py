"""What every test shares: hypothesis times no single example, since the machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("forge", deadline=None)
settings.load_profile("forge")
