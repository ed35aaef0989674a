// How queries, keys and values get to the shared memory of attention_tile.cu. What is cached in
// bytes waits beside its place, and is widened once it is there.
#pragma once

#include "attention_tile_warp.cuh"

// Which 16 bytes of which rows this thread copies. A thread keeps its column, so that from one row
// to the next addresses grow by constants; where rows have 10 or 12 columns, some threads have
// none.
struct Copier {
    int first_row;
    int dim;

    static constexpr int STEP = THREADS / VECTORS;  // rows

    __device__ __forceinline__ Copier()
        : first_row(threadIdx.x / VECTORS), dim(threadIdx.x % VECTORS * 8)
    {
        if (first_row >= STEP) {
            first_row = max(ROWS, KEYS);
        }
    }
};

// Rows beyond the queries become zeros.
__device__ __forceinline__ void load_queries(ELEMENT* target, const ELEMENT* query,
                                             int query_stride, const Tile& tile)
{
    const Copier copier;
    for (int row = copier.first_row; row < ROWS; row += Copier::STEP) {
        const bool is_wanted = row < tile.num_queries * GROUP;
        const int64_t token = tile.first_token + (is_wanted ? row / GROUP : 0);
        const int head = tile.kv_head * GROUP + row % GROUP;
        copy_async_16(target + row * STRIDE + copier.dim,
                      query + token * query_stride + head * HEAD_DIM + copier.dim, is_wanted);
    }
}

// KEYS tokens of the cached keys or values, from `first`; tokens that nobody sees become zeros. One
// tile at a time is on its way; between the wait that covers it and the barrier, finish() is called,
// when nobody needs what was at its place before.
template <class C>
struct Incoming {
    __device__ __forceinline__ explicit Incoming(void*) {}

    __device__ __forceinline__ void start(ELEMENT* target, const C* cached, const Cache& cache,
                                          const Range& seen, int first)
    {
        const Copier copier;
#pragma unroll 2
        for (int row = copier.first_row; row < KEYS; row += Copier::STEP) {
            const bool is_wanted = seen.has(first + row);
            const int64_t offset = is_wanted ? cache.offset(first + row) : 0;
            copy_async_16(target + row * STRIDE + copier.dim, cached + offset + copier.dim,
                          is_wanted);
        }
    }

    __device__ __forceinline__ void finish(ELEMENT*) {}
};

// A thread widens the very bytes that it copied: no barrier lies between.
template <class C>
struct IncomingBytes {
    static constexpr int ROWS_A_THREAD = ceil_div(KEYS, Copier::STEP);

    uint8_t* waiting;
    float scales[ROWS_A_THREAD];

    __device__ __forceinline__ explicit IncomingBytes(void* waiting)
        : waiting(static_cast<uint8_t*>(waiting))
    {
    }

    __device__ __forceinline__ void start(ELEMENT*, const C* cached, const Cache& cache,
                                          const Range& seen, int first)
    {
        const Copier copier;
#pragma unroll
        for (int i = 0; i < ROWS_A_THREAD; ++i) {
            const int row = copier.first_row + i * Copier::STEP;
            const bool is_wanted = row < KEYS && seen.has(first + row);
            const int64_t offset = is_wanted ? cache.offset(first + row) : 0;
            scales[i] = is_wanted ? cache.scale(cached, first + row) : 0.0f;
            if (row < KEYS) {
                copy_async_8(waiting + row * HEAD_DIM + copier.dim, cached + offset + copier.dim,
                             is_wanted);
            }
        }
    }

    __device__ __forceinline__ void finish(ELEMENT* target)
    {
        const Copier copier;
#pragma unroll
        for (int i = 0; i < ROWS_A_THREAD; ++i) {
            const int row = copier.first_row + i * Copier::STEP;
            if (row < KEYS) {
                const uint2 eight =
                    *reinterpret_cast<const uint2*>(waiting + row * HEAD_DIM + copier.dim);
                const typename RowFormat<C>::template Widening<ELEMENT> widening(scales[i]);
                uint4 widened;
                widened.x = widening.widen2(eight.x, false);
                widened.y = widening.widen2(eight.x, true);
                widened.z = widening.widen2(eight.y, false);
                widened.w = widening.widen2(eight.y, true);
                *reinterpret_cast<uint4*>(target + row * STRIDE + copier.dim) = widened;
            }
        }
    }
};

template <>
struct Incoming<Fp8> : IncomingBytes<Fp8> {
    using IncomingBytes<Fp8>::IncomingBytes;
};

template <>
struct Incoming<Int8> : IncomingBytes<Int8> {
    using IncomingBytes<Int8>::IncomingBytes;
};
