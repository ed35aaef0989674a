"""KeptAlgorithms: the algorithms that tuning found, on disk, so that only the first start measures.

A file is for one GPU model, one version of the library, one precision and one mode: what is fast,
or there at all, differs between them. It lies in the folder of compiled kernels, which is its
owner's alone, and every algorithm in it is shown to the library before it is used. Several workers
may share the folder: a file appears by rename, whole. Knows no library.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

import msgspec

from forge_worker.cuda.cublaslt import Product
from forge_worker.private_files import write_whole

logger = logging.getLogger(__name__)


class TunedFor(NamedTuple):
    device_name: str
    library_version: int
    precision: str
    is_deterministic: bool


class KeptAlgorithm(NamedTuple):
    product: Product
    row_class: int
    algorithm: bytes


class KeptAlgorithms:
    def __init__(self, folder: Path, tuned_for: TunedFor) -> None:
        digest = hashlib.sha256(msgspec.json.encode(tuned_for)).hexdigest()
        self._path = folder / f"products-{digest}.json"
        self._kept = {(one.product, one.row_class): one.algorithm for one in _read(self._path)}

    def get(self, product: Product, row_class: int) -> bytes | None:
        return self._kept.get((product, row_class))

    def put(self, product: Product, row_class: int, algorithm: bytes) -> None:
        self._kept[product, row_class] = algorithm

    def save(self) -> None:
        """A full disk and the like cost only the next start's time."""
        content = [KeptAlgorithm(*key, algorithm) for key, algorithm in self._kept.items()]
        try:
            write_whole(self._path, msgspec.json.encode(content))
        except OSError as error:
            logger.warning("measured products cannot be kept in %s: %s", self._path, error)


def _read(path: Path) -> list[KeptAlgorithm]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[KeptAlgorithm])
    except (OSError, msgspec.DecodeError):  # absent, or damaged: measured again
        return []
