// Products of rows with the experts they chose, for few rows of each: those of skinny.cu, an item
// of choices a block, so that each weight that anyone chose is read once.
//
//   gated_…   out[place] = activation(gate) · up   place: of a choice in the order; x the rows it is
//             of: choice / choices_a_row. Gate's features before up's: twice num_features rows
//   down_…    out[choice] = x[place] · Wᵀ          out float32
//
//   grid   (items, ceil(num_features / 16)): blocks that share a weight follow each other
//   block  256 threads
//   types  x: ELEMENT [.., size_k]; matrices: ELEMENT, see grouped.cuh; order: int32 [choices];
//          items: int32 [.., 3]; out: ELEMENT (gated) or float (down) [choices, num_features]
//   macros ELEMENT: Bf16 or Half; ACTIVATION: silu or gelu_tanh
//
// The name ends in the most rows of an item. size_k is a multiple of 8, x and the matrices lie at
// addresses divisible by 16. A row gets the same bits in every item.

#include "grouped.cuh"
#include "skinny_block.cuh"

template <class Form>
struct ChosenInput : PlainInput<Form> {
    __device__ __forceinline__ ChosenInput(const Element* x, Size size, const int32_t* choices,
                                           int choices_a_row)
        : PlainInput<Form>(x, size)
    {
#pragma unroll
        for (int tile = 0; tile < Form::NUM_ROW_TILES; ++tile) {
            const int choice = choices[min(tile * TILE_ROWS + lane_group(), size.num_rows - 1)];
            const long long row = choice / choices_a_row;
            this->rows[tile] = x + row * size.size_k + lane_k();
        }
    }
};

struct ChoiceOutput {
    float* out;
    const int32_t* choices;
    int num_features;

    __device__ __forceinline__ void write(int row, int feature, float sum) const
    {
        const long long choice = choices[row];
        out[choice * num_features + feature] = sum;
    }
};

template <class Form>
__device__ __forceinline__ void gated_item(Element* out, const Operands<Element>& operands,
                                           int choices_a_row)
{
    __shared__ BlockSums<Form> sums;
    const Item item = operands.items[blockIdx.x];
    if (item.num_rows == 0) {
        return;
    }
    const Size size = {item.num_rows, operands.num_features, operands.size_k};
    const BlockWeight<Form, true> weight(operands.matrix(item), size, blockIdx.y);
    ChosenInput<Form> input(operands.x, size, operands.order + item.first, choices_a_row);
    sums.store(warp_product<Form>(weight, input));
    __syncthreads();
    Element* rows = out + static_cast<long long>(item.first) * size.num_features;
    write_gated<Form>(sums, NoScale(), weight, GatedOutput{rows, nullptr, 0, size.num_features});
}

template <class Form>
__device__ __forceinline__ void down_item(float* out, const Operands<Element>& operands)
{
    __shared__ BlockSums<Form> sums;
    const Item item = operands.items[blockIdx.x];
    if (item.num_rows == 0) {
        return;
    }
    const Size size = {item.num_rows, operands.num_features, operands.size_k};
    const BlockWeight<Form, false> weight(operands.matrix(item), size, blockIdx.y);
    PlainInput<Form> input(operands.x + static_cast<long long>(item.first) * size.size_k, size);
    sums.store(warp_product<Form>(weight, input));
    __syncthreads();
    const ChoiceOutput output = {out, operands.order + item.first, size.num_features};
    write_plain<Form>(sums, NoScale(), weight, output);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    gated_of_8(Element* out, const Element* x, const Element* matrices, int64_t stride,
               const int32_t* order, const int32_t* items, int num_features, int size_k,
               int choices_a_row)
{
    const Item* of = reinterpret_cast<const Item*>(items);
    gated_item<Wide<1>>(out, {x, matrices, stride, order, of, num_features, size_k}, choices_a_row);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    gated_of_16(Element* out, const Element* x, const Element* matrices, int64_t stride,
                const int32_t* order, const int32_t* items, int num_features, int size_k,
                int choices_a_row)
{
    const Item* of = reinterpret_cast<const Item*>(items);
    gated_item<Wide<2>>(out, {x, matrices, stride, order, of, num_features, size_k}, choices_a_row);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    down_of_8(float* out, const Element* x, const Element* matrices, int64_t stride,
              const int32_t* order, const int32_t* items, int num_features, int size_k)
{
    const Item* of = reinterpret_cast<const Item*>(items);
    down_item<Narrow<1>>(out, {x, matrices, stride, order, of, num_features, size_k});
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    down_of_16(float* out, const Element* x, const Element* matrices, int64_t stride,
               const int32_t* order, const int32_t* items, int num_features, int size_k)
{
    const Item* of = reinterpret_cast<const Item*>(items);
    down_item<Narrow<2>>(out, {x, matrices, stride, order, of, num_features, size_k});
}
