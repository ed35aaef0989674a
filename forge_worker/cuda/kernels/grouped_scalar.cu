// Products of rows with the experts they chose, for what tensor cores do not take: float32, and rows
// that are no whole vectors. As in grouped_skinny.cu, whose grid and arguments these have:
//
//   gated_of_16   out[place] = activation(gate) · up
//   down_of_16    out[choice] = x[place] · Wᵀ
//
//   block  256 threads: 16 rows by 16 features, through tiles of 32 of k in shared memory
//   macros ELEMENT, ACTIVATION
//
// Written to be right; a row gets the same bits in every item.

#include "gate.cuh"
#include "grouped.cuh"
#include "intrinsics.cuh"

#if !defined(ELEMENT) || !defined(ACTIVATION)
#error "grouped_scalar.cu needs ELEMENT and ACTIVATION"
#endif

constexpr int SIDE = 16;
constexpr int THREADS = SIDE * SIDE;
constexpr int STEP = 32;

struct Tile {
    float of[SIDE][STEP + 1];

    // `row`: the one that this thread loads of; null where there is none.
    __device__ __forceinline__ void load(const ELEMENT* row, int first, int size_k)
    {
        for (int i = threadIdx.x % SIDE; i < STEP; i += SIDE) {
            const bool is_there = row != nullptr && first + i < size_k;
            of[threadIdx.x / SIDE][i] = is_there ? to_float(row[first + i]) : 0.0f;
        }
    }
};

__device__ __forceinline__ float multiplied(const Tile& x, const Tile& weight)
{
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < STEP; ++i) {
        sum += x.of[threadIdx.x / SIDE][i] * weight.of[threadIdx.x % SIDE][i];
    }
    return sum;
}

// The feature whose weights this thread loads; what it sums up is of another.
__device__ __forceinline__ int loaded_feature()
{
    return blockIdx.y * SIDE + threadIdx.x / SIDE;
}

__device__ __forceinline__ int own_feature()
{
    return blockIdx.y * SIDE + threadIdx.x % SIDE;
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gated_of_16(ELEMENT* out, const ELEMENT* x, const ELEMENT* matrices, int64_t stride,
                const int32_t* order, const int32_t* items, int num_features, int size_k,
                int choices_a_row)
{
    __shared__ Tile rows;
    __shared__ Tile gates;
    __shared__ Tile ups;
    const Item item = reinterpret_cast<const Item*>(items)[blockIdx.x];
    const int own_row = threadIdx.x / SIDE;
    const bool has_row = own_row < item.num_rows;
    const ELEMENT* row = nullptr;
    if (has_row) {
        row = x + static_cast<int64_t>(order[item.first + own_row] / choices_a_row) * size_k;
    }
    const ELEMENT* gate = nullptr;
    const ELEMENT* up = nullptr;
    if (loaded_feature() < num_features) {
        gate = matrices + item.expert * stride + static_cast<int64_t>(loaded_feature()) * size_k;
        up = gate + static_cast<int64_t>(num_features) * size_k;
    }
    float of_gate = 0.0f;
    float of_up = 0.0f;
    for (int first = 0; first < size_k && item.num_rows != 0; first += STEP) {
        rows.load(row, first, size_k);
        gates.load(gate, first, size_k);
        ups.load(up, first, size_k);
        __syncthreads();
        of_gate += multiplied(rows, gates);
        of_up += multiplied(rows, ups);
        __syncthreads();
    }
    if (has_row && own_feature() < num_features) {
        const int64_t place = item.first + own_row;
        out[place * num_features + own_feature()] =
            from_float<ELEMENT>(ACTIVATION(of_gate) * of_up);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    down_of_16(float* out, const ELEMENT* x, const ELEMENT* matrices, int64_t stride,
               const int32_t* order, const int32_t* items, int num_features, int size_k)
{
    __shared__ Tile rows;
    __shared__ Tile weights;
    const Item item = reinterpret_cast<const Item*>(items)[blockIdx.x];
    const int own_row = threadIdx.x / SIDE;
    const bool has_row = own_row < item.num_rows;
    const ELEMENT* row = nullptr;
    if (has_row) {
        row = x + static_cast<int64_t>(item.first + own_row) * size_k;
    }
    const ELEMENT* weight = nullptr;
    if (loaded_feature() < num_features) {
        weight = matrices + item.expert * stride + static_cast<int64_t>(loaded_feature()) * size_k;
    }
    float sum = 0.0f;
    for (int first = 0; first < size_k && item.num_rows != 0; first += STEP) {
        rows.load(row, first, size_k);
        weights.load(weight, first, size_k);
        __syncthreads();
        sum += multiplied(rows, weights);
        __syncthreads();
    }
    if (has_row && own_feature() < num_features) {
        const int64_t choice = order[item.first + own_row];
        out[choice * num_features + own_feature()] = sum;
    }
}
