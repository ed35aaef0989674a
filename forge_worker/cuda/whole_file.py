"""Writes a file that appears whole or not at all, also where several workers share its folder.

Knows nothing of what is in it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """OSError where it cannot be written; an unfinished file has the suffix of the finished one."""
    descriptor, unfinished = tempfile.mkstemp(path.suffix, dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise
