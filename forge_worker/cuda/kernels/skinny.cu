// Products for 1 to 16 rows: x · Wᵀ, W [num_features, size_k] as checkpoints have it, read once.
//
// At few rows a product takes as long as W takes from memory. So W goes from memory to registers,
// 16 bytes a lane, and on into tensor cores (m16n8k16: 16 rows of W by 8 rows of x), with no shared
// tile between. The order of k inside a product is free as long as both operands agree on it: the
// lane of group g and member t holds k = 8t .. 8t + 7 of rows g and g + 8 of W and of row g of x,
// which makes two instructions.
//
//   block   deep:   16 warps, 16 rows of W, steps of 128 of k; for W of so few rows that every
//                   multiprocessor gets one block
//           narrow:  8 warps, 16 rows of W, steps of 128
//           wide:    8 warps, 32 rows of W, steps of 64; half the traffic for x, for W of many rows
//           Each warp has 4 KB of W in flight.
//   k       step s belongs to warp s mod the number of warps; the warps' sums are added in order.
//           So a row gets the same bits at every number of rows and in every schedule.
//   grid    a block every 16 or 32 rows of W; the gated form every 16 features of the output
//
// Names: operation, form, most rows (8, or 16 with a second tile of x). The operations:
//   linear        out = x · Wᵀ + bias                         out and x of ELEMENT
//   add           residual += scale · (x · Wᵀ + bias)         residual float32, in place; what was
//                                                             there counts where is_added is not 0
//   logits        out = x · Wᵀ                                out float32
//   gated         out = activation(gate) * up                 W has gate's rows before up's: twice
//                                                             num_features; gate|up has the bias
//   norm_linear, norm_gated                                   x = rms_norm(residual), see NormInput
//
// x and out are contiguous, every array lies at an address divisible by 16, size_k is a multiple
// of 8. bias counts where has_bias is not 0; otherwise it may be any address.
// Rows of the outputs of linear lie `stride` elements apart, so that parts of a joined weight may
// write side by side.
// Constants: ELEMENT is Bf16 or Half, ACTIVATION is silu or gelu_tanh. Where BLOCKS is one of the
// formats of blocks.cuh, W is in such blocks, and their numbers are rounded to ELEMENT on their way.

#include "skinny_block.cuh"
#include "skinny_matrix.cuh"

// ---------------------------------------------------------------- whole blocks

template <class Form, class Output>
__device__ __forceinline__ void plain_product(const Output& output, const Element* x,
                                              const Stored* matrix, Size size)
{
    __shared__ BlockSums<Form> sums;
    const Matrix<Form, false> weight(matrix, size, blockIdx.x);
    PlainInput<Form> input(x, size);
    sums.store(product_of_warp<Form>(weight, input));
    __syncthreads();
    write_plain<Form>(sums, NoScale(), weight, output);
}

template <class Form>
__device__ __forceinline__ void gated_product(const GatedOutput& output, const Element* x,
                                              const Stored* matrix, Size size)
{
    __shared__ BlockSums<Form> sums;
    const Matrix<Form, true> weight(matrix, size, blockIdx.x);
    PlainInput<Form> input(x, size);
    sums.store(product_of_warp<Form>(weight, input));
    __syncthreads();
    write_gated<Form>(sums, NoScale(), weight, output);
}

template <class Form, class Weight>
__device__ __forceinline__ void normed_product(BlockSums<Form>& sums, NormScale<Form>& scale,
                                               const Weight& weight, NormInput& input, float eps)
{
    sums.store(product_of_warp<Form>(weight, input));
    scale.store(input.sum_squares);
    __syncthreads();
    scale.finish(input.size_k, eps);
    __syncthreads();
}

template <class Form>
__device__ __forceinline__ void norm_linear(const StoreOutput& output, const float* residual,
                                            const float* norm, float eps, const Stored* matrix,
                                            Size size)
{
    __shared__ BlockSums<Form> sums;
    __shared__ NormScale<Form> scale;
    NormInput input(residual, norm, size);
    const Matrix<Form, false> weight(matrix, size, blockIdx.x);
    normed_product<Form>(sums, scale, weight, input, eps);
    write_plain<Form>(sums, scale, weight, output);
}

template <class Form>
__device__ __forceinline__ void norm_gated(const GatedOutput& output, const float* residual,
                                           const float* norm, float eps, const Stored* matrix,
                                           Size size)
{
    __shared__ BlockSums<Form> sums;
    __shared__ NormScale<Form> scale;
    NormInput input(residual, norm, size);
    const Matrix<Form, true> weight(matrix, size, blockIdx.x);
    normed_product<Form>(sums, scale, weight, input, eps);
    write_gated<Form>(sums, scale, weight, output);
}

// ---------------------------------------------------------------- entry points

extern "C" __global__ void __launch_bounds__(DEEP_BOUNDS)
    linear_deep_8(Element* out, const Element* x, const Stored* weight, const Element* bias,
                  int has_bias, int stride, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<1>>(StoreOutput{out, bias, has_bias, stride}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_BOUNDS)
    linear_deep_16(Element* out, const Element* x, const Stored* weight, const Element* bias,
                   int has_bias, int stride, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<2>>(StoreOutput{out, bias, has_bias, stride}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_BOUNDS)
    linear_narrow_8(Element* out, const Element* x, const Stored* weight, const Element* bias,
                    int has_bias, int stride, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<1>>(StoreOutput{out, bias, has_bias, stride}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_BOUNDS)
    linear_narrow_16(Element* out, const Element* x, const Stored* weight, const Element* bias,
                     int has_bias, int stride, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<2>>(StoreOutput{out, bias, has_bias, stride}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_BOUNDS)
    add_deep_8(float* residual, const Element* x, const Stored* weight, const Element* bias,
               int has_bias, int is_added, float scale, int num_rows, int num_features,
               int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const AddOutput output = {residual, bias, has_bias, is_added, scale, num_features};
    plain_product<Deep<1>>(output, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_BOUNDS)
    add_deep_16(float* residual, const Element* x, const Stored* weight, const Element* bias,
                int has_bias, int is_added, float scale, int num_rows, int num_features,
                int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const AddOutput output = {residual, bias, has_bias, is_added, scale, num_features};
    plain_product<Deep<2>>(output, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_BOUNDS)
    add_narrow_8(float* residual, const Element* x, const Stored* weight, const Element* bias,
                 int has_bias, int is_added, float scale, int num_rows, int num_features,
                 int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const AddOutput output = {residual, bias, has_bias, is_added, scale, num_features};
    plain_product<Narrow<1>>(output, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_BOUNDS)
    add_narrow_16(float* residual, const Element* x, const Stored* weight, const Element* bias,
                  int has_bias, int is_added, float scale, int num_rows, int num_features,
                  int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const AddOutput output = {residual, bias, has_bias, is_added, scale, num_features};
    plain_product<Narrow<2>>(output, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_BOUNDS)
    logits_wide_8(float* out, const Element* x, const Stored* weight, int num_rows,
                  int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Wide<1>>(LogitOutput{out, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_BOUNDS)
    logits_wide_16(float* out, const Element* x, const Stored* weight, int num_rows,
                   int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Wide<2>>(LogitOutput{out, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_BOUNDS)
    gated_wide_8(Element* out, const Element* x, const Stored* weight, const Element* bias,
                 int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    gated_product<Wide<1>>(GatedOutput{out, bias, has_bias, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_BOUNDS)
    gated_wide_16(Element* out, const Element* x, const Stored* weight, const Element* bias,
                  int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    gated_product<Wide<2>>(GatedOutput{out, bias, has_bias, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_BOUNDS)
    norm_linear_deep_8(Element* out, const float* residual, const float* norm, float eps,
                       const Stored* weight, const Element* bias, int has_bias, int stride,
                       int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const StoreOutput output = {out, bias, has_bias, stride};
    norm_linear<Deep<1>>(output, residual, norm, eps, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_BOUNDS)
    norm_linear_narrow_8(Element* out, const float* residual, const float* norm, float eps,
                         const Stored* weight, const Element* bias, int has_bias, int stride,
                         int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const StoreOutput output = {out, bias, has_bias, stride};
    norm_linear<Narrow<1>>(output, residual, norm, eps, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_BOUNDS)
    norm_gated_wide_8(Element* out, const float* residual, const float* norm, float eps,
                      const Stored* weight, const Element* bias, int has_bias, int num_rows,
                      int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const GatedOutput output = {out, bias, has_bias, num_features};
    norm_gated<Wide<1>>(output, residual, norm, eps, weight, size);
}
