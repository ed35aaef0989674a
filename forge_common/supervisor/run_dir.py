"""The run directory: private, short enough for ipc sockets, one launcher's at a time.

    RUN/clients.sock    scheduler ⇄ API processes and ZMQ clients
    RUN/worker.sock     scheduler ⇄ worker
    RUN/metrics/        what several API processes count together

A lock on the directory says that it is in use; it goes with the process, however that ends. So a
directory that a killed launcher left behind is recognised, and the next launcher removes it.
Knows nothing of sockets beyond their names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forge_common.errors import ConfigError

CLIENT_SOCKET = "clients.sock"
WORKER_SOCKET = "worker.sock"
METRICS_DIRECTORY = "metrics"
PREFIX = "forge-"
MAX_IPC_PATH_BYTES = 107
ABANDONED_AFTER_S = 60.0  # a younger one may be about to be locked


@contextmanager
def run_directory(stated: str | None) -> Iterator[Path]:
    """A locked directory of mode 0700; what is in it, and it itself if new, is removed at the end.

    ConfigError where the stated one is not private, is in use, or has too long a name.
    """
    is_new = stated is None or not Path(stated).exists()
    path = _new_directory() if stated is None else _stated_directory(Path(stated))
    lock = _lock(path)
    _remove_contents(path)
    try:
        yield path
    finally:
        _remove(path, is_new=is_new)
        os.close(lock)


def remove_abandoned(parent: Path) -> None:
    """Remove what launchers of this user that were killed left in `parent`."""
    for path in parent.glob(f"{PREFIX}*"):
        with suppress(OSError, ConfigError):
            status = path.lstat()
            is_old = time.time() - status.st_mtime > ABANDONED_AFTER_S
            if is_old and status.st_uid == os.getuid() and _holds_only_ours(path):
                os.close(_lock(path))
                shutil.rmtree(path)


def _new_directory() -> Path:
    parent = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if not os.access(parent, os.W_OK) or _is_too_long(parent / f"{PREFIX}12345678"):
        parent = Path("/tmp")  # noqa: S108 - mkdtemp makes a private directory in it
    remove_abandoned(parent)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


def _stated_directory(path: Path) -> Path:
    path = path.resolve()
    if _is_too_long(path):
        raise ConfigError(
            f"--run-dir {path}: the sockets in it must fit {MAX_IPC_PATH_BYTES} bytes"
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise ConfigError(f"--run-dir {path}: {error.strerror}") from error
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid():
        raise ConfigError(f"--run-dir {path}: it must be yours alone (mode 0700)")
    return path


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(f"--run-dir {path}: another forge-launch is using it") from error
    return descriptor


def _remove(path: Path, *, is_new: bool) -> None:
    _remove_contents(path)
    if is_new:
        shutil.rmtree(path, ignore_errors=True)


def _remove_contents(path: Path) -> None:
    for name in (CLIENT_SOCKET, WORKER_SOCKET):
        (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / METRICS_DIRECTORY, ignore_errors=True)


def _is_too_long(directory: Path) -> bool:
    return len(os.fsencode(directory / CLIENT_SOCKET)) > MAX_IPC_PATH_BYTES


def _holds_only_ours(path: Path) -> bool:
    ours = {CLIENT_SOCKET, WORKER_SOCKET, METRICS_DIRECTORY}
    return path.is_dir() and {entry.name for entry in path.iterdir()} <= ours
