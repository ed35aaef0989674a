"""What every group of settings is made of. Knows no setting."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

# Empty is what a shell makes of a variable that is not set: an empty key would let everybody in, an
# empty path or host would stand for another one than was meant.
Text = Annotated[str, Meta(min_length=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One group of settings."""
