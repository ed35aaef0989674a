// Products for few rows, second half: the warps' sums are added up and written. See skinny.cu.
#pragma once

#include "gate.cuh"
#include "skinny_warp.cuh"

#ifndef ACTIVATION
#error "products for few rows need ACTIVATION, silu or gelu_tanh"
#endif

// ---------------------------------------------------------------- the sums of a block

template <class Form>
struct BlockSums {
    // One column more than there are rows of x, against bank conflicts.
    float of[Form::NUM_WARPS][Form::NUM_TILES][TILE_FEATURES][Form::NUM_ROW_TILES * TILE_ROWS + 1];

    __device__ __forceinline__ void store(const WarpSums<Form>& sums)
    {
        const int warp = threadIdx.x / WARP_THREADS;
        const int group = lane_group();
#pragma unroll
        for (int tile = 0; tile < Form::NUM_TILES; ++tile) {
#pragma unroll
            for (int row_tile = 0; row_tile < Form::NUM_ROW_TILES; ++row_tile) {
                const float (&part)[4] = sums.of[tile][row_tile];
                const int row = row_tile * TILE_ROWS + 2 * lane_member();
                of[warp][tile][group][row] = part[0];
                of[warp][tile][group][row + 1] = part[1];
                of[warp][tile][group + 8][row] = part[2];
                of[warp][tile][group + 8][row + 1] = part[3];
            }
        }
    }

    __device__ __forceinline__ float total(int tile, int feature, int row) const
    {
        float sum = 0.0f;
#pragma unroll
        for (int warp = 0; warp < Form::NUM_WARPS; ++warp) {
            sum += of[warp][tile][feature][row];
        }
        return sum;
    }
};

// What the finished sums of a row are multiplied by: nothing without a norm.
struct NoScale {
    __device__ __forceinline__ float of(int) const
    {
        return 1.0f;
    }
};

template <class Form>
struct NormScale {
    float squares[Form::NUM_WARPS][TILE_ROWS];
    float scales[TILE_ROWS];

    __device__ __forceinline__ void store(float sum_squares)
    {
#pragma unroll
        for (int distance = 1; distance < MEMBERS; distance *= 2) {
            sum_squares += __shfl_xor_sync(ALL_LANES, sum_squares, distance);
        }
        if (lane_member() == 0) {
            squares[threadIdx.x / WARP_THREADS][lane_group()] = sum_squares;
        }
    }

    __device__ __forceinline__ void finish(int size_k, float eps)
    {
        if (threadIdx.x < TILE_ROWS) {
            float sum = 0.0f;
            for (int warp = 0; warp < Form::NUM_WARPS; ++warp) {
                sum += squares[warp][threadIdx.x];
            }
            scales[threadIdx.x] = 1.0f / sqrtf(sum / (float)size_k + eps);
        }
    }

    __device__ __forceinline__ float of(int row) const
    {
        return scales[row];
    }
};

// ---------------------------------------------------------------- outputs
//
// A row of `out` begins `stride` elements after the one before it.

__device__ __forceinline__ float bias_of(const Element* bias, int has_bias, int feature)
{
    return has_bias ? to_float(bias[feature]) : 0.0f;
}

struct StoreOutput {
    Element* out;
    const Element* bias;
    int has_bias;
    int stride;

    __device__ __forceinline__ void write(long long row, int feature, float sum) const
    {
        out[row * stride + feature] = from_float<Element>(sum + bias_of(bias, has_bias, feature));
    }
};

struct AddOutput {
    float* residual;
    const Element* bias;
    int has_bias;
    int is_added;
    float scale;
    int stride;

    __device__ __forceinline__ void write(long long row, int feature, float sum) const
    {
        const float added = scale * (sum + bias_of(bias, has_bias, feature));
        const long long index = row * stride + feature;
        residual[index] = is_added ? residual[index] + added : added;
    }
};

struct LogitOutput {
    float* out;
    int stride;

    __device__ __forceinline__ void write(long long row, int feature, float sum) const
    {
        out[row * stride + feature] = sum;
    }
};

// The bias, if any, is joined as W is: gate's before up's.
struct GatedOutput {
    Element* out;
    const Element* bias;
    int has_bias;
    int num_features;

    __device__ __forceinline__ void write(long long row, int feature, float gate, float up) const
    {
        gate += bias_of(bias, has_bias, feature);
        up += bias_of(bias, has_bias, num_features + feature);
        out[row * num_features + feature] = from_float<Element>(ACTIVATION(gate) * up);
    }
};

// Neighbouring threads write neighbouring features.
template <class Form, class Scale, class Weight, class Output>
__device__ __forceinline__ void write_plain(const BlockSums<Form>& sums, const Scale& scale,
                                            const Weight& weight, const Output& output)
{
    constexpr int NUM_FEATURES = Form::NUM_TILES * TILE_FEATURES;
    const Size size = weight.size;
    for (int i = threadIdx.x; i < NUM_FEATURES * size.num_rows; i += Form::NUM_THREADS) {
        const int row = i / NUM_FEATURES;
        const int tile = i % NUM_FEATURES / TILE_FEATURES;
        const int feature = weight.feature(tile, i % TILE_FEATURES);
        if (feature < size.num_features) {
            const float sum = sums.total(tile, i % TILE_FEATURES, row) * scale.of(row);
            output.write(row, feature, sum);
        }
    }
}

template <class Form, class Scale, class Weight>
__device__ __forceinline__ void write_gated(const BlockSums<Form>& sums, const Scale& scale,
                                            const Weight& weight, const GatedOutput& output)
{
    const Size size = weight.size;
    for (int i = threadIdx.x; i < TILE_FEATURES * size.num_rows; i += Form::NUM_THREADS) {
        const int row = i / TILE_FEATURES;
        const int feature = weight.feature(0, i % TILE_FEATURES);
        if (feature < size.num_features) {
            const float gate = sums.total(0, i % TILE_FEATURES, row) * scale.of(row);
            const float up = sums.total(1, i % TILE_FEATURES, row) * scale.of(row);
            output.write(row, feature, gate, up);
        }
    }
}
