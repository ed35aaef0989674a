// Weights in blocks (blocks.cuh), as numbers: all of a weight for a product of many rows, or the rows
// of a table that some tokens ask for.
//
//   dequantise        out = W, rounded to ELEMENT        out: ELEMENT [num_rows, size_k]
//   embed_from_blocks residual = scale · rows of W       residual: float [num_tokens, size_k],
//                     rounded to ELEMENT before          token_ids: int32 [num_tokens]
//
//   grid   x: vectors of THREADS pieces of the rows; embed_from_blocks has y: tokens
//   block  THREADS along x, a thread the piece of a group that one lane of four has
//   macros ELEMENT: Bf16 or Half; BLOCKS: a format of blocks.cuh
//
// Memory bounds it. size_k is a multiple of 32; ids are trusted.

#include "blocks.cuh"

#if !defined(ELEMENT) || !defined(BLOCKS)
#error "dequantise.cu needs ELEMENT and BLOCKS"
#endif

constexpr int THREADS = 256;
constexpr int MEMBERS = 4;

struct ElementRow {
    ELEMENT* row;

    __device__ __forceinline__ void write(int k, uint4 numbers) const
    {
        *reinterpret_cast<uint4*>(row + k) = numbers;
    }
};

struct ResidualRow {
    float* row;
    float scale;

    __device__ __forceinline__ void write(int k, uint4 numbers) const
    {
        float values[FRAGMENT];
        unpack8<ELEMENT>(numbers, values);
#pragma unroll
        for (int i = 0; i < FRAGMENT; ++i) {
            values[i] *= scale;
        }
        store8(row + k, values);
    }
};

template <int I, class Row>
__device__ __forceinline__ void write_fragments(const BLOCKS& blocks, const Row& row, int first_k,
                                                int size_k)
{
    if constexpr (I < NUM_FRAGMENTS) {
        const int member = threadIdx.x % MEMBERS;
        const int k = first_k + I * FRAGMENT_K + member * FRAGMENT;
        if (k < size_k) {
            row.write(k, fragment<ELEMENT, I>(blocks, member));
        }
        write_fragments<I + 1>(blocks, row, first_k, size_k);
    }
}

// `group`: of its row.
template <class Row>
__device__ __forceinline__ void write_group(const uint8_t* weight, int64_t num_rows, int64_t index,
                                            int group, const Row& row, int size_k)
{
    const int64_t groups_a_row = groups_of(size_k);
    BLOCKS blocks;
    blocks.load(weight, num_rows * groups_a_row, index * groups_a_row + group,
                threadIdx.x % MEMBERS);
    write_fragments<0>(blocks, row, group * GROUP_K, size_k);
}

extern "C" __global__ void __launch_bounds__(THREADS)
    dequantise(ELEMENT* __restrict__ out, const uint8_t* __restrict__ weight, int num_rows,
               int size_k)
{
    const int groups_a_row = groups_of(size_k);
    const int64_t group = (static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x) / MEMBERS;
    const int64_t row = group / groups_a_row;
    if (row < num_rows) {
        const int of_row = static_cast<int>(group - row * groups_a_row);
        write_group(weight, num_rows, row, of_row, ElementRow{out + row * size_k}, size_k);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    embed_from_blocks(float* __restrict__ residual, const uint8_t* __restrict__ table,
                      const int32_t* __restrict__ token_ids, float scale, int num_rows, int size_k)
{
    const int group = (blockIdx.x * THREADS + threadIdx.x) / MEMBERS;
    if (group < groups_of(size_k)) {
        const int64_t token = blockIdx.y;
        const ResidualRow row = {residual + token * size_k, scale};
        write_group(table, num_rows, token_ids[token], group, row, size_k);
    }
}
