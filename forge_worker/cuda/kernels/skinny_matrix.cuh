// The W of products for few rows: numbers of ELEMENT, or blocks where BLOCKS says of which format.
//
// Blocks go from memory to registers as they are, a group of a row at a time, 16 bytes a lane, and
// become the fragments of mma there: W is read once, and nothing of it is written. See blocks.cuh.
#pragma once

#include "skinny_warp.cuh"

#ifdef BLOCKS

#include "blocks.cuh"

typedef uint8_t Stored;

// With how many blocks there shall be on a multiprocessor: left alone, the compiler spills a few
// registers for one block more. Wide ones have more to hold than fits twice.
#define DEEP_BOUNDS DEEP_THREADS, 1
#define NARROW_BOUNDS NARROW_THREADS, 2
#define WIDE_BOUNDS WIDE_THREADS, 1

// As BlockWeight of skinny_warp.cuh, in blocks.
template <class Form, bool IS_GATED>
struct Matrix {
    const Stored* memory;
    int64_t num_groups;                // of all rows together
    int64_t first[Form::NUM_TILES][2];  // group of the rows that this lane reads
    Size size;
    int first_feature;

    __device__ __forceinline__ Matrix(const Stored* matrix, Size of, int block)
        : memory(matrix),
          size(of),
          first_feature(block * TILE_FEATURES * (IS_GATED ? 1 : Form::NUM_TILES))
    {
        const int64_t groups_a_row = groups_of(size.size_k);
        num_groups = groups_a_row * size.num_features * (IS_GATED ? 2 : 1);
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
            first[tile][0] = row_of(tile, lane_group()) * groups_a_row;
            first[tile][1] = row_of(tile, lane_group() + 8) * groups_a_row;
        }
    }

    __device__ __forceinline__ int feature(int tile, int row) const
    {
        return first_feature + row + (IS_GATED ? 0 : tile * TILE_FEATURES);
    }

    __device__ __forceinline__ int row_of(int tile, int row) const
    {
        const int index = min(feature(tile, row), size.num_features - 1);
        return index + (IS_GATED ? tile * size.num_features : 0);
    }
};

// How many fragments x is loaded for at once: registers are short.
template <class Form>
constexpr int BATCH = Form::NUM_TILES == 1 ? 2 : 1;

template <class Form, int FIRST, int I>
__device__ __forceinline__ void add_fragments(WarpSums<Form>& sums,
                                              const BLOCKS (&blocks)[Form::NUM_TILES][2],
                                              const uint4 (&rows)[BATCH<Form>][Form::NUM_ROW_TILES])
{
    if constexpr (I < BATCH<Form>) {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
            const uint4 weights[2] = {
                fragment<Element, FIRST + I>(blocks[tile][0], lane_member()),
                fragment<Element, FIRST + I>(blocks[tile][1], lane_member())};
#pragma unroll
            for (int row_tile = 0; row_tile < Form::NUM_ROW_TILES; ++row_tile) {
                multiply(sums.of[tile][row_tile], weights, rows[I][row_tile]);
            }
        }
        __syncwarp();  // or the compiler widens the next ones already, and has no room for them
        add_fragments<Form, FIRST, I + 1>(sums, blocks, rows);
    }
}

template <class Form, int FIRST, bool IS_WHOLE, class Input>
__device__ __forceinline__ void add_batches(WarpSums<Form>& sums,
                                            const BLOCKS (&blocks)[Form::NUM_TILES][2],
                                            Input& input, int first_k)
{
    if constexpr (FIRST < NUM_FRAGMENTS) {
        uint4 rows[BATCH<Form>][Form::NUM_ROW_TILES];
#pragma unroll
        for (int i = 0; i < BATCH<Form>; ++i) {
            const int k = first_k + (FIRST + i) * FRAGMENT_K;
#pragma unroll
            for (int tile = 0; tile < Form::NUM_ROW_TILES; ++tile) {
                rows[i][tile] = input.template load<IS_WHOLE>(tile, k);
            }
        }
        __syncwarp();
        add_fragments<Form, FIRST, 0>(sums, blocks, rows);
        add_batches<Form, FIRST + BATCH<Form>, IS_WHOLE>(sums, blocks, input, first_k);
    }
}

// A group of each row. All loads of W first, so that they are in flight together: see add_step.
template <class Form, bool IS_WHOLE, class Weight, class Input>
__device__ __forceinline__ void add_group(WarpSums<Form>& sums, const Weight& weight, Input& input,
                                          int group)
{
    BLOCKS blocks[Form::NUM_TILES][2];
#pragma unroll
    for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            blocks[tile][half].load(weight.memory, weight.num_groups,
                                    weight.first[tile][half] + group, lane_member());
        }
    }
    __syncwarp();
    add_batches<Form, 0, IS_WHOLE>(sums, blocks, input, group * GROUP_K);
}

// Group g belongs to warp g mod the number of warps. Only x can end inside of one.
template <class Form, class Weight, class Input>
__device__ __forceinline__ WarpSums<Form> product_of_warp(const Weight& weight, Input& input)
{
    WarpSums<Form> sums = {};
    const int num_whole = weight.size.size_k / GROUP_K;
    int group = threadIdx.x / WARP_THREADS;
    for (; group < num_whole; group += Form::NUM_WARPS) {
        add_group<Form, true>(sums, weight, input, group);
    }
    if (group * GROUP_K < weight.size.size_k) {
        add_group<Form, false>(sums, weight, input, group);
    }
    return sums;
}

#else

typedef Element Stored;

#define DEEP_BOUNDS DEEP_THREADS
#define NARROW_BOUNDS NARROW_THREADS
#define WIDE_BOUNDS WIDE_THREADS

template <class Form, bool IS_GATED>
using Matrix = BlockWeight<Form, IS_GATED>;

template <class Form, class Weight, class Input>
__device__ __forceinline__ WarpSums<Form> product_of_warp(const Weight& weight, Input& input)
{
    return warp_product<Form>(weight, input);
}

#endif
