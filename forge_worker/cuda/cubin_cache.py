"""CubinCache: compiled kernels on disk, so that only the first start pays for the compiler.

An entry is named by a hash of all that went into it: text, headers, options with the architecture
and the constants, and the compiler's version. Several workers may share a folder: an entry appears
by rename, whole. Entries run on the GPU as they are, so the folder is its owner's alone, and what
somebody else wrote, or what is damaged, counts as absent. Knows no compiler.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from forge_worker.cuda.nvrtc import Compilation, NvrtcVersion
from forge_worker.cuda.program import Program
from forge_worker.private_files import make_private, read_own, user_folder, write_whole

MAX_BYTES = 256 * 2**20  # some hundred models; one takes a few MiB

_FORMAT = b"forge cubin 1\n"
_SUFFIX = ".cubin"
_DIGEST_BYTES = hashlib.sha256().digest_size

logger = logging.getLogger(__name__)


class CubinCache:
    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._is_usable = make_private(folder)

    def load(self, key: str) -> Compilation | None:
        """None where there is none, or none to be trusted."""
        if not self._is_usable:
            return None
        path = self._path(key)
        try:
            content = read_own(path)
            os.utime(path)  # the entries used last are kept longest
        except OSError:
            return None
        return _unpacked(content)

    def store(self, key: str, compilation: Compilation) -> None:
        """A full disk and the like cost only the next start's time."""
        if not self._is_usable:
            return
        try:
            write_whole(self._path(key), _packed(compilation))
            self._shrink()
        except OSError as error:
            logger.warning("compiled kernels cannot be kept in %s: %s", self._folder, error)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _shrink(self) -> None:
        """Remove the entries that were not used for longest, until the rest fits."""
        entries = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with suppress(FileNotFoundError):  # another worker may be removing too
                status = path.stat()
                entries.append((status.st_mtime_ns, status.st_size, path))
        surplus = sum(num_bytes for _, num_bytes, _ in entries) - self._max_bytes
        for _, num_bytes, path in sorted(entries):
            if surplus <= 0:
                return
            path.unlink(missing_ok=True)
            surplus -= num_bytes


def cache_key(program: Program, version: NvrtcVersion) -> str:
    """Different for programs that may compile to different code."""
    return hashlib.sha256(msgspec.msgpack.encode([program, version])).hexdigest()


def default_folder(environment: Mapping[str, str]) -> Path:
    return user_folder(environment) / "cubins"


def _packed(compilation: Compilation) -> bytes:
    body = msgspec.msgpack.encode(compilation)
    return _FORMAT + hashlib.sha256(body).digest() + body


def _unpacked(content: bytes) -> Compilation | None:
    start = len(_FORMAT) + _DIGEST_BYTES
    body = content[start:]
    if content[:start] != _FORMAT + hashlib.sha256(body).digest():
        return None
    return msgspec.msgpack.decode(body, type=Compilation)
