"""A worker on a device keeps to the memory it may use, and serves what it announces."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from forge_common.config import (
    BatchSettings,
    CacheSettings,
    DeviceSettings,
    ModelSettings,
    WorkerConfig,
)
from forge_common.errors import ModelError
from forge_worker.cuda.start import GRAPH_BYTES, load_on, prepare_environment
from forge_worker.loaded_model import LoadedModel
from forge_worker.models.load import load_model
from tests.cuda_emulator import EmulatedDevice
from tests.gguf_models import write_gguf_model
from tests.quantized_files import awq, fp8, gptq, write_pair
from tests.worker.cuda.engines import PlainLibrary
from tests.worker.fakes import FakeSequence, generate
from tests.worker.forward import Runner

MIB = 2**20
MODEL = Path(__file__).parents[2] / "golden" / "models" / "qwen3"


def config_of(utilization: float = 0.9, **cache: object) -> WorkerConfig:
    return WorkerConfig(
        model=ModelSettings(model_path=str(MODEL)),
        device=DeviceSettings(backend="cuda", dtype="float32", gpu_memory_utilization=utilization),
        cache=CacheSettings(block_size=4, **cache),
        batch=BatchSettings(max_batch_size=4, max_prefill_tokens=16),
    )


def loaded(device: EmulatedDevice, config: WorkerConfig, model: Path = MODEL) -> LoadedModel:
    library = PlainLibrary(device)
    return load_on(device, library, config, model, lambda done, total: None, device.free_bytes())


def output_of(model: LoadedModel) -> list[int]:
    class Running:
        def run(self, batch):
            model.runner.launch(batch)
            (output,) = model.runner.finished()
            return output

    sequence = FakeSequence(1, [5, 6, 7], list(range(10)), temperature=0.0)
    generate(Running(), sequence, num_tokens=5)
    return sequence.output


def test_what_is_announced_can_be_served(caplog: pytest.LogCaptureFixture) -> None:
    device = EmulatedDevice(total_bytes=512 * MIB)
    with caplog.at_level(logging.INFO):
        model = loaded(device, config_of(num_blocks=20))
    assert model.limits.num_blocks == 20
    assert model.limits.max_model_len == 80
    assert len(output_of(model)) == 5
    assert "MiB in use" in caplog.text


def test_no_more_than_the_share_is_taken_and_graphs_keep_their_room() -> None:
    device = EmulatedDevice(total_bytes=512 * MIB)
    loaded(device, config_of(0.75))
    used = device.info.total_bytes - device.free_bytes()
    assert used <= 0.75 * 512 * MIB - GRAPH_BYTES


def test_blocks_are_no_more_than_the_sequences_can_fill() -> None:
    model = loaded(EmulatedDevice(total_bytes=512 * MIB), config_of())
    assert model.limits.num_blocks == 4 * model.limits.max_model_len // 4


def test_what_others_hold_is_not_counted_against_the_share() -> None:
    """Nor can it be used: the smaller of what may be taken and what is free decides."""
    device = EmulatedDevice(total_bytes=1024 * MIB)
    held = device.allocate(600 * MIB)
    with pytest.raises(ModelError, match=r"KV blocks asked for need .* are left"):
        loaded(device, config_of(num_blocks=10**6))
    model = loaded(device, config_of(0.9, num_blocks=20))
    assert model.limits.num_blocks == 20
    del held


def test_a_device_that_is_too_full_is_said_in_one_sentence() -> None:
    device = EmulatedDevice(total_bytes=200 * MIB)
    with pytest.raises(ModelError, match=r"the weights need .* GiB are available on emulator"):
        loaded(device, config_of())


def test_cached_bytes_leave_room_for_more_blocks() -> None:
    counts = []
    for kv_dtype in ("auto", "fp8_e4m3"):
        config = config_of(kv_cache_memory_gib=2**-12)
        device = replace(config.device, kv_dtype=kv_dtype)
        model = loaded(EmulatedDevice(total_bytes=512 * MIB), replace(config, device=device))
        counts.append(model.limits.num_blocks)
    assert len(output_of(model)) == 5
    assert 2 < counts[1] / counts[0] <= 4


@pytest.mark.parametrize("dtype", ["F32", "Q8_0"])
def test_gguf_file_gives_the_tokens_the_cpu_gives(tmp_path: Path, dtype: str) -> None:
    path = write_gguf_model(MODEL, tmp_path / "m.gguf", dtype)
    model = loaded(EmulatedDevice(total_bytes=512 * MIB), config_of(num_blocks=20), path)
    host = load_model(path, DeviceSettings(threads=1), lambda done, total: None)
    assert output_of(model) == Runner(host).greedy({0: [5, 6, 7]}, 5)[0]


@pytest.mark.parametrize("case", ["gptq", "awq", "fp8"])
def test_quantised_checkpoint_gives_the_tokens_the_cpu_gives(tmp_path: Path, case: str) -> None:
    stated, make = {
        "gptq": ({"bits": 4, "group_size": 32, "desc_act": True}, gptq(is_ordered=True)),
        "awq": ({"bits": 4, "group_size": 32}, awq()),
        "fp8": ({"weight_block_size": [32, 32]}, fp8((32, 32))),
    }[case]
    path = write_pair(tmp_path, {"quant_method": case, **stated}, make).quantized
    model = loaded(EmulatedDevice(total_bytes=512 * MIB), config_of(num_blocks=20), path)
    host = load_model(path, DeviceSettings(threads=1), lambda done, total: None)
    assert output_of(model) == Runner(host).greedy({0: [5, 6, 7]}, 5)[0]


def test_gpus_are_counted_as_the_launcher_counts_them() -> None:
    environment: dict[str, str] = {}
    prepare_environment(environment)
    assert environment == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
