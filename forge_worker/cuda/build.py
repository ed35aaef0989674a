"""build_runner: a model on a device, ready to run steps.

    sizes ─▶ arena ─▶ kernels, buffers ─▶ ops ─▶ model (weights) ─▶ KV blocks ─▶ queue ─▶ runner

Everything is made here, once, in the order in which the arena is cut; nothing is allocated after.
Written against Device and ProductLibrary, so that it also builds where there is no GPU. Knows no
process.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.device_workspace import (
    GEMM_WORKSPACE_BYTES,
    attended_start,
    layer_elements,
    num_dense_rows,
    num_partial_rows,
)
from forge_common.expert_workspace import ExpertRoom, expert_room
from forge_worker.constraints import Constraints
from forge_worker.cuda.arena import Arena
from forge_worker.cuda.attention import PagedAttention, workspace_bytes
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_tables import DeviceTables, table_bytes
from forge_worker.cuda.embedding import Embedding
from forge_worker.cuda.experts import ExpertScratch, MixedExperts
from forge_worker.cuda.finite import FiniteCheck
from forge_worker.cuda.grouped import GroupedProducts, grouped_shapes
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.logit_cap import LogitCap
from forge_worker.cuda.logprobs import CudaLogprobs
from forge_worker.cuda.mirrored_table import MirroredTable
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.ops import Activations, CudaOps, Kernels
from forge_worker.cuda.product_library import ProductLibrary
from forge_worker.cuda.products import Products, ProductScratch, product_shapes
from forge_worker.cuda.rotary import HeadShape, Rotary, rotation_table
from forge_worker.cuda.routing import Choices, Grouping, Routing
from forge_worker.cuda.runner import CudaRunner
from forge_worker.cuda.sampler import CudaSampler, sampler_bytes
from forge_worker.cuda.sampling_table import CudaSamplingTable
from forge_worker.cuda.step_kernels import StepKernels
from forge_worker.cuda.step_memory import StepMemory
from forge_worker.cuda.step_queue import Drawer, LogitBuffers, StepQueue, TableFeed
from forge_worker.cuda.step_results import StepResults
from forge_worker.cuda.upload import UploadRing
from forge_worker.cuda.weight_upload import WeightUpload
from forge_worker.forward_inputs import FloatArray
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.models.load import load_shard
from forge_worker.ops.protocol import Array
from forge_worker.parallel.communicator import SingleRank
from forge_worker.sequence_mirror import MirrorTables, SequenceMirror
from forge_worker.weights.loader import OnProgress


class Site(NamedTuple):
    """Where everything is built."""

    device: Device
    sizes: EngineSizes
    arena: Arena


class Buffers(NamedTuple):
    activations: Activations
    normed: Array
    processed_logits: Array


def build_runner(
    site: Site,
    library: ProductLibrary,
    path: Path,
    constraints: Constraints,
    on_progress: OnProgress,
) -> CudaRunner:
    """`on_progress` as for load_model. ModelError or DeviceError."""
    device, sizes, arena = site
    buffers = _buffers(sizes, arena)
    memory = StepMemory(device, arena, sizes.header_limits)
    kernels = _kernels(site, buffers, library, memory.arrays.counts)
    feed, tables = _feed(site, constraints)
    results = StepResults(device, arena, sizes.result_limits)
    drawer = _drawer(site, buffers, feed.tables)
    with closing(WeightUpload(device)) as upload:
        ops = CudaOps(device, sizes.precision, arena, kernels, buffers.activations, upload)
        length = sizes.limits.max_model_len
        model = load_shard(path, ops, SingleRank(), on_progress, length)
    library.prepare(sizes, arena.rest())
    limits = sizes.limits
    kv_cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    queue = StepQueue(
        device, model, kv_cache, memory, feed, drawer, results, sizes.attention_planner
    )
    return CudaRunner(SequenceMirror(limits, tables), queue, constraints)


def _buffers(sizes: EngineSizes, arena: Arena) -> Buffers:
    config, num_tokens, dtype = sizes.config, sizes.max_tokens, sizes.precision.dtype
    num_rows, hidden = sizes.limits.max_batch_size, config.hidden_size
    logits = (sizes.limits.max_sampled_rows, config.vocab_size)
    residual = arena.take((num_tokens, hidden), np.float32)
    final = arena.take((num_tokens + num_rows, hidden), dtype)
    layer = arena.take((layer_elements(config, num_tokens),), dtype)
    return Buffers(
        Activations(
            residual=residual,
            hidden=final,
            layer=layer,
            attended=_attended(config, layer, num_tokens),
            partial=arena.take((num_partial_rows(config, num_tokens), hidden), np.float32),
            logits=arena.take(logits, np.float32),
        ),
        normed=arena.take((num_tokens, hidden), dtype),
        processed_logits=arena.take(logits, np.float32),
    )


def _attended(config: ModelConfig, layer: Array, num_tokens: int) -> Array:
    start, width = attended_start(config, num_tokens), config.num_heads * config.head_dim
    return layer[start : start + num_tokens * width].reshape(num_tokens, width)


def _kernels(site: Site, buffers: Buffers, library: ProductLibrary, live_counts: Array) -> Kernels:
    device, config, precision = site.device, site.sizes.config, site.sizes.precision
    products = _products(site, buffers, library)
    return Kernels(
        embedding=Embedding(device, precision, config.hidden_size, config.embedding_scale),
        norm=RmsNormKernels(device, precision, config.hidden_size),
        rotary=_rotary(site),
        attention=_attention(site),
        kv_tiles=site.sizes.kv_tiles,
        products=products,
        experts=_experts(site, buffers, products, live_counts),
        logit_cap=LogitCap(device, config.logit_softcap),
        embedding_scale=config.embedding_scale,
        block_formats=site.sizes.blocks.formats,
    )


def _rotary(site: Site) -> Rotary:
    config, length = site.sizes.config, site.sizes.limits.max_model_len
    heads = HeadShape(config.num_heads, config.num_kv_heads, config.head_dim)
    tables = {
        rope: _placed(site, rotation_table(rope, config.head_dim, length))
        for rope in config.for_context(length).distinct_ropes
    }
    return Rotary(site.device, site.sizes.precision, heads, site.sizes.kv_tiles, tables)


def _attention(site: Site) -> PagedAttention:
    sizes = site.sizes
    common = (sizes.precision, sizes.geometry, sizes.attention_limits)
    workspace = site.arena.take((workspace_bytes(site.device.info, *common),), np.uint8)
    return PagedAttention(site.device, *common, workspace)


def _products(site: Site, buffers: Buffers, library: ProductLibrary) -> Products:
    """Joined gate|up stands in the layer buffer, behind the product of the two."""
    device, sizes, arena = site
    config, num_tokens = sizes.config, sizes.max_tokens
    inner = config.intermediate_size
    num_rows = num_dense_rows(config, num_tokens)
    gate_up = buffers.activations.layer[num_rows * inner : 3 * num_rows * inner]
    scratch = ProductScratch(
        buffers.normed,
        gate_up.reshape(num_rows, 2 * inner),
        buffers.activations.partial,
        arena.take((sizes.blocks.largest_elements,), sizes.precision.dtype),
    )
    gemm = library.gemm(sizes, arena.take((GEMM_WORKSPACE_BYTES,), np.uint8))
    return Products(device, product_shapes(sizes), gemm, scratch)


def _experts(
    site: Site, buffers: Buffers, products: Products, live_counts: Array
) -> MixedExperts | None:
    """What lies between their two products stands in the layer buffer."""
    sizes = site.sizes
    room = expert_room(sizes.config, sizes.max_tokens)
    if room is None:
        return None
    inner = room.experts.intermediate_size
    shapes = grouped_shapes(sizes, room.experts)
    gated = buffers.activations.layer[: room.num_choices * inner]
    scratch = _expert_scratch(site.arena, room, gated.reshape(room.num_choices, inner))
    grouped = GroupedProducts(site.device, shapes)
    routing = Routing(site.device, room.experts)
    return MixedExperts(products, grouped, routing, scratch, live_counts)


def _expert_scratch(arena: Arena, room: ExpertRoom, gated: Array) -> ExpertScratch:
    shapes = room.shapes
    scores = arena.take(shapes["scores"], np.float32)
    chosen = arena.take(shapes["chosen"], np.int32)
    weights = arena.take(shapes["weights"], np.float32)
    order, items = (arena.take(shapes[name], np.int32) for name in ("order", "items"))
    outputs = arena.take(shapes["outputs"], np.float32)
    return ExpertScratch(scores, Choices(chosen, weights), Grouping(order, items), gated, outputs)


class FedTables(NamedTuple):
    """The device's tables, from both sides."""

    feed: TableFeed
    mirrored: MirrorTables


def _feed(site: Site, constraints: Constraints) -> FedTables:
    device, limits = site.device, site.sizes.limits
    memory = site.arena.take((table_bytes(limits),), np.uint8)
    tables = DeviceTables(device, memory, limits)
    kernels = StepKernels(device, tables)
    ring = UploadRing(device, tables, kernels)
    sampling = CudaSamplingTable(tables, ring, kernels)
    token_ids = MirroredTable(tables.places.token_ids, ring)
    block_tables = MirroredTable(tables.places.block_tables, ring)
    feed = TableFeed(tables, ring, sampling, kernels)
    return FedTables(feed, MirrorTables(token_ids, block_tables, sampling, constraints))


def _drawer(site: Site, buffers: Buffers, tables: DeviceTables) -> Drawer:
    device, config = site.device, site.sizes.config
    max_rows, vocab_size = site.sizes.limits.max_sampled_rows, config.vocab_size
    memory = site.arena.take((sampler_bytes(max_rows, vocab_size),), np.uint8)
    return Drawer(
        buffers=LogitBuffers(buffers.activations.logits, buffers.processed_logits),
        sampler=CudaSampler(device, tables, memory, max_rows),
        finite_check=FiniteCheck(device, site.sizes.precision, config.hidden_size),
        scorer=CudaLogprobs(device, vocab_size),
    )


def _placed(site: Site, host: FloatArray) -> Array:
    """`host` on the device. Waits, which is of no matter at the start."""
    pinned = site.device.allocate_pinned(host.nbytes).view(host.dtype).reshape(host.shape)
    pinned[...] = host
    placed = site.arena.take(host.shape, host.dtype)
    site.device.upload(placed, pinned)
    site.device.synchronize()
    return placed
