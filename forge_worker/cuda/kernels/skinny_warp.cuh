// Products for few rows, first half: what a warp makes of its share of k. See skinny.cu.
#pragma once

#include "elements.cuh"
#include "intrinsics.cuh"

#ifndef ELEMENT
#error "products for few rows need ELEMENT, Bf16 or Half"
#endif

typedef ELEMENT Element;

constexpr int VECTOR = 8;   // elements in 16 bytes
constexpr int MEMBERS = 4;  // lanes that share a row of an operand
constexpr int TILE_FEATURES = 16;
constexpr int TILE_ROWS = 8;
constexpr int LOAD_K = MEMBERS * VECTOR;  // k that one load of a warp covers

struct Size {
    int num_rows;
    int num_features;  // of the output
    int size_k;
};

template <int THREADS, int TILES, int LOADS, int ROW_TILES>
struct Form {
    static constexpr int NUM_THREADS = THREADS;
    static constexpr int NUM_WARPS = THREADS / WARP_THREADS;
    static constexpr int NUM_TILES = TILES;          // of 16 rows of W, a block
    static constexpr int NUM_LOADS = LOADS;          // in flight at once, for each row of W
    static constexpr int NUM_ROW_TILES = ROW_TILES;  // of 8 rows of x
    static constexpr int STEP_K = LOADS * LOAD_K;
};

constexpr int DEEP_THREADS = 512;
constexpr int NARROW_THREADS = 256;
constexpr int WIDE_THREADS = 256;
template <int ROW_TILES>
using Deep = Form<DEEP_THREADS, 1, 4, ROW_TILES>;
template <int ROW_TILES>
using Narrow = Form<NARROW_THREADS, 1, 4, ROW_TILES>;
template <int ROW_TILES>
using Wide = Form<WIDE_THREADS, 2, 2, ROW_TILES>;

__device__ __forceinline__ uint4 zero_vector()
{
    return make_uint4(0, 0, 0, 0);
}

__device__ __forceinline__ int lane_group()
{
    return threadIdx.x % WARP_THREADS / MEMBERS;
}

__device__ __forceinline__ int lane_member()
{
    return threadIdx.x % MEMBERS;
}

// What this lane loads, from the k that its warp loads from.
__device__ __forceinline__ int lane_k()
{
    return lane_member() * VECTOR;
}

// ---------------------------------------------------------------- inputs
//
// Rows past the last are loaded as the last one, here and in W: a sum is of one row of x and one
// row of W, so theirs are not used, and a load without a branch can wait beside others. Past the
// end of k there are zeros, on both sides since what lies there may be NaN; only a step that is
// not whole asks.

// Rows of x as they are.
template <class Form>
struct PlainInput {
    const Element* rows[Form::NUM_ROW_TILES];  // where this lane reads, at k = 0
    int size_k;

    __device__ __forceinline__ PlainInput(const Element* x, Size size) : size_k(size.size_k)
    {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_ROW_TILES; ++tile) {
            const long long row = min(tile * TILE_ROWS + lane_group(), size.num_rows - 1);
            rows[tile] = x + row * size_k + lane_k();
        }
    }

    template <bool IS_WHOLE>
    __device__ __forceinline__ uint4 load(int tile, int k)
    {
        if (!IS_WHOLE && k + lane_k() >= size_k) {
            return zero_vector();
        }
        return *reinterpret_cast<const uint4*>(rows[tile] + k);
    }
};

// RMS norm (Zhang and Sennrich 2019) on the way in, for one tile. 1 / sqrt(mean(s²) + eps) is
// common to a row, so it is left out of the product and multiplied into the finished sums; the
// squares are summed while the row goes by. s · weight is rounded before it is scaled down, so
// ELEMENT needs the range of float: Bf16.
struct NormInput {
    const float* row;  // where this lane reads, at k = 0
    const float* weight;
    int size_k;
    float sum_squares;

    __device__ __forceinline__ NormInput(const float* residual, const float* norm, Size size)
        : weight(norm + lane_k()), size_k(size.size_k), sum_squares(0.0f)
    {
        const long long index = min(lane_group(), size.num_rows - 1);
        row = residual + index * size_k + lane_k();
    }

    template <bool IS_WHOLE>
    __device__ __forceinline__ uint4 load(int, int k)
    {
        if (!IS_WHOLE && k + lane_k() >= size_k) {
            return zero_vector();
        }
        float values[VECTOR];
        float weights[VECTOR];
        load8(row + k, values);
        load8(weight + k, weights);
#pragma unroll
        for (int i = 0; i < VECTOR; ++i) {
            sum_squares += values[i] * values[i];
            values[i] *= weights[i];
        }
        return packed(values);
    }

    __device__ static __forceinline__ uint4 packed(const float (&values)[VECTOR])
    {
        return make_uint4(
            pack2<Element>(values[0], values[1]), pack2<Element>(values[2], values[3]),
            pack2<Element>(values[4], values[5]), pack2<Element>(values[6], values[7]));
    }
};

// ---------------------------------------------------------------- weights

// The rows of W that a block multiplies: neighbours, or a row of gate and a row of up.
template <class Form, bool IS_GATED>
struct BlockWeight {
    const Element* rows[Form::NUM_TILES][2];  // where this lane reads, at k = 0
    Size size;
    int first_feature;

    // `block`: of those that share the features among them.
    __device__ __forceinline__ BlockWeight(const Element* matrix, Size of, int block)
        : size(of), first_feature(block * TILE_FEATURES * (IS_GATED ? 1 : Form::NUM_TILES))
    {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
            rows[tile][0] = row_of(matrix, tile, lane_group());
            rows[tile][1] = row_of(matrix, tile, lane_group() + 8);
        }
    }

    __device__ __forceinline__ int feature(int tile, int row) const
    {
        return first_feature + row + (IS_GATED ? 0 : tile * TILE_FEATURES);
    }

    template <bool IS_WHOLE>
    __device__ __forceinline__ uint4 load(int tile, int half, int k) const
    {
        if (!IS_WHOLE && k + lane_k() >= size.size_k) {
            return zero_vector();
        }
        return __ldcs(reinterpret_cast<const uint4*>(rows[tile][half] + k));
    }

    __device__ __forceinline__ const Element* row_of(const Element* matrix, int tile, int row) const
    {
        const int index = min(feature(tile, row), size.num_features - 1);
        const long long matrix_row = index + (IS_GATED ? tile * size.num_features : 0);
        return matrix + matrix_row * size.size_k + lane_k();
    }
};

// ---------------------------------------------------------------- the product of one warp

__device__ __forceinline__ void multiply(float (&sums)[4], const uint4 (&weight)[2], uint4 x)
{
    const uint32_t weight_first[4] = {weight[0].x, weight[1].x, weight[0].y, weight[1].y};
    const uint32_t weight_last[4] = {weight[0].z, weight[1].z, weight[0].w, weight[1].w};
    const uint32_t x_first[2] = {x.x, x.y};
    const uint32_t x_last[2] = {x.z, x.w};
    mma_16x8x16<Element>(sums, weight_first, x_first);
    mma_16x8x16<Element>(sums, weight_last, x_last);
}

template <class Form>
struct WarpSums {
    float of[Form::NUM_TILES][Form::NUM_ROW_TILES][4];
};

// Part of a step of k: all loads first, so that they are in flight together, and those of W before
// x, which comes out of a cache and may be worked on meanwhile. __syncwarp() holds the compiler to
// it, or it would move each load to its use, and they would wait one by one.
template <class Form, int NUM_LOADS, bool IS_WHOLE, class Weight, class Input>
__device__ __forceinline__ void add_step(WarpSums<Form>& sums, const Weight& weight, Input& input,
                                         int first_k)
{
    uint4 weights[NUM_LOADS][Form::NUM_TILES][2];
    uint4 rows[NUM_LOADS][Form::NUM_ROW_TILES];
#pragma unroll
    for (int load = 0; load < NUM_LOADS; ++load) {
        const int k = first_k + load * LOAD_K;
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
            weights[load][tile][0] = weight.template load<IS_WHOLE>(tile, 0, k);
            weights[load][tile][1] = weight.template load<IS_WHOLE>(tile, 1, k);
        }
    }
    __syncwarp();
#pragma unroll
    for (int load = 0; load < NUM_LOADS; ++load) {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_ROW_TILES; ++tile) {
            rows[load][tile] = input.template load<IS_WHOLE>(tile, first_k + load * LOAD_K);
        }
    }
    __syncwarp();
#pragma unroll
    for (int load = 0; load < NUM_LOADS; ++load) {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
#pragma unroll
            for (int row_tile = 0; row_tile < Form::NUM_ROW_TILES; ++row_tile) {
                multiply(sums.of[tile][row_tile], weights[load][tile], rows[load][row_tile]);
            }
        }
    }
}

template <class Form, class Weight, class Input>
__device__ __forceinline__ WarpSums<Form> warp_product(const Weight& weight, Input& input)
{
    WarpSums<Form> sums = {};
    const int size_k = weight.size.size_k;
    int k = threadIdx.x / WARP_THREADS * Form::STEP_K;
    for (; k + Form::STEP_K <= size_k; k += Form::NUM_WARPS * Form::STEP_K) {
        add_step<Form, Form::NUM_LOADS, true>(sums, weight, input, k);
    }
    for (const int end = min(k + Form::STEP_K, size_k); k < end; k += LOAD_K) {
        add_step<Form, 1, false>(sums, weight, input, k);
    }
    return sums;
}
