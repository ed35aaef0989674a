"""A model in one GGUF file or in several: `NAME-00001-of-00003.gguf` and so on.

The first file has the metadata of the whole; each has a part of the tensors. Knows names of files
and the keys `split.*`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from forge_common.checkpoint.gguf.container import Container, read_container
from forge_common.errors import ModelError

SUFFIX = ".gguf"
MAX_SHARDS = 9_999
SHARD_NAME = re.compile(r"(?P<base>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


class ShardName(NamedTuple):
    base: str
    number: int  # from 1
    num_shards: int

    def of(self, number: int) -> str:
        return f"{self.base}-{number:05d}-of-{self.num_shards:05d}{SUFFIX}"


def shard_name(file_name: str) -> ShardName | None:
    """None for the name of a file that is a whole model."""
    match = SHARD_NAME.fullmatch(file_name)
    if match is None:
        return None
    return ShardName(match["base"], int(match["number"]), int(match["count"]))


def gguf_name(path: Path) -> str:
    """What a file's name says of the model: without the ending, or the number of the shard."""
    shard = shard_name(path.name)
    return path.name.removesuffix(SUFFIX) if shard is None else shard.base


def find_in_directory(directory: Path) -> Path | None:
    """The one GGUF model in `directory`, by its first file; None where there is none or several."""
    firsts = [path for path in sorted(directory.glob("*" + SUFFIX)) if _begins_a_model(path)]
    return firsts[0] if len(firsts) == 1 else None


def read_model(path: Path) -> Container:
    """The metadata and all tensors of the model that `path` is, or is a part of."""
    shard = shard_name(path.name)
    if shard is None:
        whole = read_container(path)
        if (whole.metadata.integer("split.count") or 1) > 1:
            raise ModelError(f"{path}: is a part of a model, but its name does not say which")
        return whole
    if not 1 <= shard.number <= shard.num_shards <= MAX_SHARDS:
        raise ModelError(f"{path}: its name is that of no part of a model")
    first = _read_shard(path.with_name(shard.of(1)), shard._replace(number=1))
    tensors = dict(first.tensors)
    for number in range(2, shard.num_shards + 1):
        part = _read_shard(path.with_name(shard.of(number)), shard._replace(number=number))
        if twice := tensors.keys() & part.tensors.keys():
            raise ModelError(f"{path}: tensor `{min(twice)}` is in two files")
        tensors.update(part.tensors)
    _check_total(first, len(tensors))
    return Container(first.metadata, tensors)


def _read_shard(path: Path, shard: ShardName) -> Container:
    if not path.exists():
        raise ModelError(f"{path}: this part of the model is missing")
    part = read_container(path)
    stated = part.metadata.integer("split.no"), part.metadata.integer("split.count")
    if stated != (shard.number - 1, shard.num_shards):
        raise ModelError(
            f"{path}: `split.no` and `split.count` say it is another part than its name does"
        )
    return part


def _check_total(first: Container, num_tensors: int) -> None:
    stated = first.metadata.integer("split.tensors.count")
    if stated is not None and stated != num_tensors:
        raise ModelError(
            f"{first.metadata.source}: the parts have {num_tensors} tensors, but"
            f" `split.tensors.count` is {stated}"
        )


def _begins_a_model(path: Path) -> bool:
    shard = shard_name(path.name)
    return path.is_file() and (shard is None or shard.number == 1)
