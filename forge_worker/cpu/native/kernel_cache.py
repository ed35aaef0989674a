"""KernelCache: machine code on disk, so that only the first start pays for compiling.

    <folder>/<fingerprint>/<kernel>.bin     SHA-256 of what follows │ msgpack of an ObjectFile

The fingerprint is of all that code depends on: this package's sources, the compilers' versions,
the processor. Several workers may share a folder: an entry appears by rename, whole. Entries run as
they are, so the folder is its owner's alone, and what somebody else wrote, or what is damaged,
counts as absent. Knows no kernel.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import llvmlite
import llvmlite.binding
import msgspec
import numba

from forge_worker.private_files import make_private, read_own, user_folder, write_whole

MAX_FINGERPRINTS = 8  # one is about 2 MiB
DIGEST_BYTES = hashlib.sha256().digest_size

logger = logging.getLogger(__name__)


class ObjectFile(msgspec.Struct, frozen=True, array_like=True):
    """What the linker takes, and the name of the function in it."""

    symbol: str
    code: bytes


class KernelCache:
    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder / fingerprint
        self._is_usable = make_private(self._folder)

    def load(self, name: str) -> ObjectFile | None:
        """None where there is none, or none to be trusted."""
        if not self._is_usable:
            return None
        try:
            content = read_own(self._path(name))
        except OSError:
            return None
        body = content[DIGEST_BYTES:]
        if content[:DIGEST_BYTES] != hashlib.sha256(body).digest():
            return None
        return msgspec.msgpack.decode(body, type=ObjectFile)

    def store(self, name: str, compiled: ObjectFile) -> None:
        """A full disk and the like cost only the next start's time."""
        if not self._is_usable:
            return
        body = msgspec.msgpack.encode(compiled)
        try:
            write_whole(self._path(name), hashlib.sha256(body).digest() + body)
            self._forget_old()
        except OSError as error:
            logger.warning("compiled kernels cannot be kept in %s: %s", self._folder, error)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.bin"

    def _forget_old(self) -> None:
        """Of other versions, the ones written last are kept."""
        folders = sorted(self._folder.parent.iterdir(), key=lambda f: f.stat().st_mtime)
        for old in folders[:-MAX_FINGERPRINTS]:
            shutil.rmtree(old, ignore_errors=True)


def default_folder(environment: Mapping[str, str]) -> Path:
    """In NUMBA_CACHE_DIR, or among the user's other caches."""
    if stated := environment.get("NUMBA_CACHE_DIR"):
        return Path(stated) / "forge"
    return user_folder(environment) / "kernels"


def fingerprint() -> str:
    digest = hashlib.sha256()
    binding = llvmlite.binding
    for fact in (
        sys.version,
        numba.__version__,
        llvmlite.__version__,
        binding.llvm_version_info,
        binding.get_host_cpu_name(),
        sorted(binding.get_host_cpu_features().items()),
        (numba.config.CPU_NAME, numba.config.CPU_FEATURES),  # which may say otherwise
    ):
        digest.update(repr(fact).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
