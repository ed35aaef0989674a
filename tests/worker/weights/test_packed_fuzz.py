"""Whatever a quantised checkpoint claims: a model is loaded, or one sentence refuses it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.errors import ModelError
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.weights.loader import WeightLoader
from tests.common.checkpoint.files import write_json
from tests.quantized_files import (
    Maker,
    Raw,
    Tensors,
    awq,
    fp8,
    gptq,
    int8,
    packed,
    save,
    write_pair,
)
from tests.worker.weights.test_packed_runs import KeepingOps

INTS = {"num_bits": 4, "strategy": "group", "group_size": 32, "actorder": "group"}
BYTES = {"num_bits": 8, "strategy": "channel", "symmetric": False}


def compressed(format_name: str, weights: dict[str, Any]) -> dict[str, Any]:
    groups = {"group_0": {"weights": weights}}
    return {
        "quant_method": "compressed-tensors",
        "format": format_name,
        "config_groups": groups,
    }


CASES: list[tuple[dict[str, Any], Maker]] = [
    ({"quant_method": "gptq", "bits": 4, "group_size": 32}, gptq()),
    ({"quant_method": "awq", "bits": 4, "group_size": 32}, awq()),
    ({"quant_method": "fp8", "weight_block_size": [32, 32]}, fp8((32, 32))),
    (compressed("pack-quantized", INTS), packed(is_ordered=True)),
    (compressed("int-quantized", BYTES), int8(is_symmetric=False)),
]
VALUES = [0, 1, -1, 2, 3, 4, 8, 31, 64, 2**20, 2**40, True, None, "gemm", "x", [], [1, 1], {}]
NUM_ROUNDS = 40


@pytest.mark.parametrize(("stated", "make"), CASES)
def test_changed_claims_load_or_are_refused(
    tmp_path: Path, stated: dict[str, Any], make: Maker
) -> None:
    pair = write_pair(tmp_path, stated, make)
    config = json.loads((pair.quantized / "config.json").read_text())
    outcomes = set()
    for seed in range(NUM_ROUNDS):
        chance = random.Random(seed)
        directory = tmp_path / str(seed)
        directory.mkdir()
        spoiled = json.loads(json.dumps(config))
        tensors = spoiled_tensors(pair.quantized, chance)
        if chance.random() < 0.5:
            change_one(spoiled["quantization_config"], chance)
        write_json(directory / "config.json", spoiled)
        save(directory / "model.safetensors", tensors)
        outcomes.add(outcome(directory))
    assert outcomes == {"loaded", "refused"}


def outcome(directory: Path) -> str:
    try:
        with Checkpoint.open(directory) as checkpoint:
            for ops in (NumpyOps(), KeepingOps()):
                loader = WeightLoader(checkpoint, ops, lambda *_: None)
                for name in checkpoint.tensors:
                    loader.load(name)
    except ModelError as error:
        return "refused" if "\n" not in str(error) else str(error)
    return "loaded"


def change_one(stated: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(sorted(stated))
    if isinstance(stated[name], dict) and stated[name] and chance.random() < 0.9:
        change_one(stated[name], chance)
    elif chance.random() < 0.2:
        del stated[name]
    else:
        stated[name] = chance.choice(VALUES)


def spoiled_tensors(directory: Path, chance: random.Random) -> Tensors:
    """One part cut, turned, of random bytes or of another dtype; sometimes none."""
    with Checkpoint.open(directory) as checkpoint:
        packed_weights = [t.packed for t in checkpoint.tensors.values() if t.packed]
        raw = [t for t in checkpoint.tensors.values() if not t.packed]
        raw += [part for weight in packed_weights for part in weight.parts]
        tensors: Tensors = {t.name: Raw(t.dtype, checkpoint.array_of(t).copy()) for t in raw}
    name = chance.choice(sorted(n for n in tensors if "_proj" in n))
    dtype, bits = tensors[name]
    match chance.randrange(6):
        case 0:
            tensors[name] = Raw(dtype, bits[1:])
        case 1:
            tensors[name] = Raw(dtype, bits.T)
        case 2:
            tensors[name] = Raw(dtype, bits[..., None])
        case 3:
            noise = chance.randbytes(bits.nbytes)
            tensors[name] = Raw(dtype, np.frombuffer(noise, bits.dtype).reshape(bits.shape))
        case 4:
            del tensors[name]
    return tensors
