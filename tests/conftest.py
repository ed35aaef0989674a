"""What every test shares: hypothesis does not time single examples, since the machine may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("forge", deadline=None)
settings.load_profile("forge")
