"""NativeOps: the operations of a decoder in compiled kernels, on packed weights.

Activations are float32 in buffers of its own, which the next operation of the same kind overwrites:
what an operation returned is to be used before. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.families import Activation
from forge_common.checkpoint.rope_scaling import Rope
from forge_common.kv_format import KVFormatName
from forge_common.weight_format import FormatName, WeightChoice
from forge_worker.cpu.native.activations import bits_of
from forge_worker.cpu.native.attention import AttentionShape, NativeAttention, compile_attention
from forge_worker.cpu.native.buffers import FLOAT_BYTES, Buffers
from forge_worker.cpu.native.centring import CentreArguments
from forge_worker.cpu.native.embedding import EmbedArguments
from forge_worker.cpu.native.experts import Experts
from forge_worker.cpu.native.gates import GATE_CODES
from forge_worker.cpu.native.gemm import MAX_GROUP, Finish
from forge_worker.cpu.native.kernels import Kernels
from forge_worker.cpu.native.kv_layout import KV_FORMATS, KVLayout
from forge_worker.cpu.native.launcher import Launcher
from forge_worker.cpu.native.packing import PackedMatrix, pack_rows
from forge_worker.cpu.native.pool import NativePool, Record
from forge_worker.cpu.native.products import Gate, Output, Products, Rows, padded_vector
from forge_worker.cpu.native.rotation_table import RotationTable
from forge_worker.cpu.native.sources import joined_vectors, source_of
from forge_worker.cpu.native.step import StepRecord
from forge_worker.cpu.native.tiles import padded_columns
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.ops.protocol import (
    Expert,
    ExpertChoice,
    HeadNorms,
    Joining,
    KVLayer,
    LinearWeights,
    RmsNorm,
)
from forge_worker.weights.stored_tensor import StoredTensor


class NativeStep(NamedTuple):
    num_tokens: int
    num_logits: int
    config: ModelConfig
    attention: NativeAttention


class NumberChoice(NamedTuple):
    weights: WeightChoice
    kv: KVFormatName


class NativeOps:
    keeps_blocks = False  # of device_blocks.py; it has tiles of its own

    def __init__(self, kernels: Kernels, choice: NumberChoice, num_threads: int) -> None:
        self.kernels = kernels
        self._choice = choice
        self._attentions: dict[int, NativeAttention] = {}  # by block size
        self.pool = NativePool(num_threads)
        self.launcher = Launcher(self.pool)
        self.buffers = Buffers(spare_rows=MAX_GROUP)
        self._products = Products(kernels, self.launcher, self.buffers)
        self._experts = Experts(self._products, self.buffers)
        self._step = StepRecord()
        self._formats: set[FormatName] = set()
        self._hidden_size = 0
        self._config: ModelConfig | None = None
        self._tables: dict[Rope, RotationTable] = {}
        self._windows: frozenset[int | None] = frozenset()
        self._num_rows = Record([0])
        self._logits: FloatArray = np.empty((0, 0), np.float32)

    def place(self, parts: Sequence[StoredTensor]) -> PackedMatrix | FloatArray:
        if len(parts[0].shape) == 1:
            return padded_vector(joined_vectors(parts))
        return self._packed(parts, self._choice.weights)

    def place_router(self, weight: StoredTensor) -> PackedMatrix:
        return self._packed([weight], self._choice.weights.unquantised)

    def _packed(self, parts: Sequence[StoredTensor], choice: WeightChoice) -> PackedMatrix:
        packed = []
        sources = [source_of(part, choice, self.pool.num_threads) for part in parts]
        for (format_, is_of_blocks), run in groupby(sources, key=attrgetter("kind")):
            self._formats.add(format_.name)
            kernel = self.kernels.pack(format_.name, is_of_blocks)
            tensors = [source.tensor for source in run]
            packed.append(pack_rows(self.pool, kernel, format_, tensors))
        return PackedMatrix(tuple(packed))

    def place_blocks(self, parts: Sequence[StoredTensor]) -> PackedMatrix | FloatArray:
        return self.place(parts)

    def place_norm(self, weight: StoredTensor) -> FloatArray:
        return padded_vector(joined_vectors([weight]))

    def compile(self) -> None:
        """Whatever steps on the weights that were placed may need."""
        self.kernels.compile_all(sorted(self._formats))

    def kv_layer(self, num_blocks: int, block_size: int, config: ModelConfig) -> KVLayer:
        return self._attention(config, block_size).shape.layout.allocate(num_blocks)

    def scrub(self, kv_layer: KVLayer, block_ids: Sequence[int]) -> None:
        """Attention reads nothing that its query must not see."""

    def begin_step(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> NativeStep:
        self.buffers.reserve_rows(inputs.num_tokens)
        self._step.write(inputs)
        attention = self._attention(config, block_size)
        if self._config is not config:
            self._learn(config)
        rotations = {rope: table.of(inputs.positions) for rope, table in self._tables.items()}
        attention.prepare(inputs, rotations, self._windows)
        return NativeStep(inputs.num_tokens, len(inputs.logit_rows), config, attention)

    def _learn(self, config: ModelConfig) -> None:
        """What of it each step asks for."""
        self._config = config
        self._windows = frozenset(config.sliding_windows)
        self._tables = {
            rope: RotationTable(rope, config.head_dim) for rope in config.distinct_ropes
        }

    def embed(self, table: PackedMatrix, step: NativeStep) -> FloatArray:
        residual = self.buffers.floats("residual", step.num_tokens, table.num_columns)
        part = table.parts[0]
        arguments = EmbedArguments(
            tiles=part.tiles.ctypes.data,
            tile_bytes=part.tile_bytes,
            num_columns=part.num_columns,
            length=padded_columns(part.num_columns),
            token_ids_address=self._step.token_ids,
            out=residual.ctypes.data,
            out_bytes=FLOAT_BYTES * part.num_columns,
            scale_bits=bits_of(step.config.embedding_scale),
        )
        self.launcher.reserve_scratch(FLOAT_BYTES * padded_columns(part.num_columns))
        kernel = self.kernels.embed(part.format.name)
        self.launcher.launch(kernel, arguments, self._step.num_tokens)
        return residual

    def norm_linear(
        self, residual: FloatArray, norm: RmsNorm | None, weights: LinearWeights
    ) -> FloatArray:
        out = self.buffers.floats("linear", len(residual), weights.weight.num_rows)
        output = Output(out.ctypes.data, out.strides[0], weights.bias)
        self._products.multiply(self._rows(residual), norm, weights.weight, output)
        return out

    def norm_gated(
        self,
        residual: FloatArray,
        norm: RmsNorm | None,
        gate_up: LinearWeights,
        activation: Activation,
    ) -> FloatArray:
        out = self.buffers.floats("gated", len(residual), gate_up.weight.num_rows // 2)
        gate = Gate(GATE_CODES[activation], out.ctypes.data)
        self._products.gated(self._rows(residual), norm, gate_up, gate)
        return out

    def add_linear(
        self, residual: FloatArray, x: FloatArray, weights: LinearWeights, joining: Joining
    ) -> None:
        if joining.norm is None:
            place = residual.ctypes.data, residual.strides[0]
            output = Output(*place, weights.bias, Finish.ADD, scale=joining.scale)
            self._products.multiply(self._rows(x), None, weights.weight, output)
            return
        product = self.buffers.floats("product", len(x), weights.weight.num_rows)
        output = Output(product.ctypes.data, product.strides[0], weights.bias)
        self._products.multiply(self._rows(x), None, weights.weight, output)
        self.add(residual, product, joining)

    def norm_experts(
        self,
        residual: FloatArray,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        activation: Activation,
    ) -> FloatArray:
        return self._experts.mix(self._rows(residual), norm, choice, experts, activation)

    def add(self, residual: FloatArray, x: FloatArray, joining: Joining) -> None:
        self._products.join(residual, self._rows(x), joining)

    def clear(self, residual: FloatArray) -> None:
        residual.fill(0)

    def centre(self, residual: FloatArray) -> None:
        arguments = CentreArguments(residual.ctypes.data, residual.strides[0], residual.shape[1])
        self.launcher.launch(self.kernels.centre(), arguments, self._step.num_tokens)

    def rotate_and_store(
        self,
        qkv: FloatArray,
        norms: HeadNorms | None,
        rope: Rope,
        step: NativeStep,
        kv_layer: KVLayer,
    ) -> FloatArray:
        self.launcher.launch_record(*step.attention.rotate_and_store(qkv, norms, rope, kv_layer))
        config = step.config
        return qkv.reshape(len(qkv), -1, config.head_dim)[:, : config.num_heads]

    def attention(
        self, query: FloatArray, step: NativeStep, kv_layer: KVLayer, window: int | None
    ) -> FloatArray:
        out = self.buffers.floats("attended", len(query), query.shape[1] * query.shape[2])
        self.launcher.launch_record(*step.attention.attention(query, out, kv_layer, window))
        return out

    def final_norm(self, residual: FloatArray, norm: RmsNorm, step: NativeStep) -> FloatArray:
        self._hidden_size = residual.shape[1]
        normed = self.buffers.floats("final", step.num_logits, residual.shape[1])
        rows = self._rows(residual)._replace(
            count_address=self._step.num_logits, rows_address=self._step.logit_rows
        )
        self._products.norm(rows, norm, normed.ctypes.data)
        return normed

    def final_states(self, step: NativeStep) -> FloatArray:
        """What `final_norm` returned, of a step that was repeated."""
        return self.buffers.floats("final", step.num_logits, self._hidden_size)

    @property
    def generation(self) -> int:
        """Goes up when memory moves that recorded launches name."""
        return self.buffers.generation

    def begin_logits(self, num_rows: int, vocab_size: int) -> FloatArray:
        """Where launches of `logits`, made now or repeated, write those of so many rows."""
        if num_rows > len(self._logits) or vocab_size != self._logits.shape[1]:
            self._logits = np.empty((num_rows, vocab_size), np.float32)
        self._num_rows.values[0] = num_rows
        return self._logits[:num_rows]

    def logits(self, x: FloatArray, weight: PackedMatrix, softcap: float | None) -> FloatArray:
        logits = self.begin_logits(len(x), weight.num_rows)
        rows = Rows(x.ctypes.data, x.strides[0], x.shape[1], self._num_rows.address)
        output = Output(logits.ctypes.data, logits.strides[0])
        if softcap is not None:
            output = output._replace(finish=Finish.BEND, scale=softcap)
        self._products.multiply(rows, None, weight, output)
        return logits

    def _attention(self, config: ModelConfig, block_size: int) -> NativeAttention:
        """Of the model whose weights were placed."""
        if block_size not in self._attentions:
            shape = AttentionShape(
                config.num_heads,
                KVLayout(
                    KV_FORMATS[self._choice.kv], block_size, config.num_kv_heads, config.head_dim
                ),
                config.attention_scale or config.head_dim**-0.5,
                config.attention_softcap,
            )
            self.launcher.reserve_scratch(shape.scratch_bytes)
            kernels = compile_attention(shape, self.kernels.instructions)
            self._attentions[block_size] = NativeAttention(shape, kernels)
        return self._attentions[block_size]

    def _rows(self, x: FloatArray) -> Rows:
        """All tokens of the step."""
        return Rows(x.ctypes.data, x.strides[0], x.shape[1], self._step.num_tokens)
