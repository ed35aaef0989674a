"""EmulatedMachine: what a measurement needs, on emulated kernels. Its times mean nothing."""

from __future__ import annotations

from forge_worker.cuda.cublaslt import Product
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.product_library import ProductLibrary
from forge_worker.ops.protocol import Array
from tests.bench.gpu.machine import HostStamp, host_stamp
from tests.cuda_emulator import EmulatedDevice
from tests.cuda_emulator.opaque import OpaqueDevice
from tests.worker.cuda.engines import PlainLibrary
from tests.worker.cuda.gemms import gemm_on

TINY_LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "eos_token_id": 2,
}
TOTAL_BYTES = 2**33  # of which little is ever asked for


class EmulatedMachine:
    """Its arrays are as closed to the host as a GPU's."""

    def __init__(self, device: OpaqueDevice | None = None) -> None:
        self.device = device or OpaqueDevice()
        self.device.emulated = EmulatedDevice(total_bytes=TOTAL_BYTES)
        self.device.info = self.device.emulated.info
        self.free_at_start = self.device.free_bytes()

    def stamp(self) -> HostStamp:
        return host_stamp()

    def library(self) -> ProductLibrary:
        return PlainLibrary(self.device)

    def tuned_gemm(self, product: Product, row_counts: list[int], scratch: Array) -> Gemm:
        return gemm_on(self.device, Precision.BFLOAT16, scratch)

    def copy(self, target: Array, source: Array) -> None:
        def work() -> None:
            target.inner[...] = source.inner

        self.device.emulated.queue(work)

    def used_bytes(self) -> int | None:
        return self.device.info.total_bytes - self.device.free_bytes()
