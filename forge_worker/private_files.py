"""Files that one user's processes keep for each other: nobody else's are read, and none by half.

What stands in them is code that runs as it is, or decides which does; so a folder is its owner's
alone, and a file appears whole or not at all, also where several workers share the folder. Knows
nothing of what is in a file.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

PRIVATE = 0o700
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH

logger = logging.getLogger(__name__)


def user_folder(environment: Mapping[str, str]) -> Path:
    """Where Forge's caches of a user lie, by the XDG base directory specification."""
    stated = Path(environment.get("XDG_CACHE_HOME", ""))
    home = stated if stated.is_absolute() else Path.home() / ".cache"
    return home / "forge"


def make_private(folder: Path) -> bool:
    """Whether it can be used: it is there, writable, and its owner's alone."""
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)  # fails where it is another user's
        return os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        logger.warning("kernels are compiled at every start, %s is not ours: %s", folder, error)
        return False


def read_own(path: Path) -> bytes:
    """OSError where it is absent, a link, or may be somebody else's."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or status.st_mode & OTHERS_MAY_WRITE:
            raise PermissionError(f"{path} may be somebody else's")
        return file.read()


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
