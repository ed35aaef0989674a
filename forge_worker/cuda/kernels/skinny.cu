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
//   add           residual += x · Wᵀ + bias                   residual float32, in place
//   logits        out = x · Wᵀ                                out float32
//   gated         out = activation(gate) * up                 W has gate's rows before up's: twice
//                                                             num_features; gate|up has the bias
//   norm_linear, norm_gated                                   x = rms_norm(residual), see NormInput
//
// x and out are contiguous, every array lies at an address divisible by 16, size_k is a multiple
// of 8. bias counts where has_bias is not 0; otherwise it may be any address.
// Constants: ELEMENT is Bf16 or Half, ACTIVATION is silu or gelu_tanh.

#include "elements.cuh"
#include "intrinsics.cuh"

#ifndef ELEMENT
#error "skinny.cu needs ELEMENT, Bf16 or Half"
#endif
#ifndef ACTIVATION
#error "skinny.cu needs ACTIVATION, silu or gelu_tanh"
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

// x · sigmoid(z). Where exp overflows, x / infinity is the 0 it should be.
__device__ __forceinline__ float gated_by_sigmoid(float x, float z)
{
    return x / (1.0f + expf(-z));
}

__device__ __forceinline__ float silu(float x)
{
    return gated_by_sigmoid(x, x);
}

// x / 2 · (1 + tanh(z)) = x · sigmoid(2z).
__device__ __forceinline__ float gelu_tanh(float x)
{
    constexpr float TWICE_ROOT_OF_2_OVER_PI = 1.5957691216057308f;
    constexpr float CUBIC = 0.044715f;
    return gated_by_sigmoid(x, TWICE_ROOT_OF_2_OVER_PI * (x + CUBIC * x * x * x));
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
    const Element* weight;
    int size_k;
    float sum_squares;

    __device__ __forceinline__ NormInput(const float* residual, const Element* norm, Size size)
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

    __device__ __forceinline__ BlockWeight(const Element* matrix, Size of)
        : size(of), first_feature(blockIdx.x * TILE_FEATURES * (IS_GATED ? 1 : Form::NUM_TILES))
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

// Part of a step of k: all loads first, so that they are in flight together.
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
#pragma unroll
        for (int tile = 0; tile < Form::NUM_ROW_TILES; ++tile) {
            rows[load][tile] = input.template load<IS_WHOLE>(tile, k);
        }
    }
    __syncwarp();  // else the compiler moves each load to its use, and they wait one by one
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

__device__ __forceinline__ float bias_of(const Element* bias, int has_bias, int feature)
{
    return has_bias ? to_float(bias[feature]) : 0.0f;
}

struct StoreOutput {
    Element* out;
    const Element* bias;
    int has_bias;

    __device__ __forceinline__ void write(long long index, int feature, float sum) const
    {
        out[index] = from_float<Element>(sum + bias_of(bias, has_bias, feature));
    }
};

struct AddOutput {
    float* residual;
    const Element* bias;
    int has_bias;

    __device__ __forceinline__ void write(long long index, int feature, float sum) const
    {
        residual[index] += sum + bias_of(bias, has_bias, feature);
    }
};

struct LogitOutput {
    float* out;

    __device__ __forceinline__ void write(long long index, int, float sum) const
    {
        out[index] = sum;
    }
};

// The bias, if any, is joined as W is: gate's before up's.
struct GatedOutput {
    Element* out;
    const Element* bias;
    int has_bias;
    int num_features;

    __device__ __forceinline__ void write(long long index, int feature, float gate, float up) const
    {
        gate += bias_of(bias, has_bias, feature);
        up += bias_of(bias, has_bias, num_features + feature);
        out[index] = from_float<Element>(ACTIVATION(gate) * up);
    }
};

// Neighbouring threads write neighbouring features.
template <class Form, class Scale, class Output>
__device__ __forceinline__ void write_plain(const BlockSums<Form>& sums, const Scale& scale,
                                            const BlockWeight<Form, false>& weight,
                                            const Output& output)
{
    constexpr int NUM_FEATURES = Form::NUM_TILES * TILE_FEATURES;
    const Size size = weight.size;
    for (int i = threadIdx.x; i < NUM_FEATURES * size.num_rows; i += Form::NUM_THREADS) {
        const int row = i / NUM_FEATURES;
        const int tile = i % NUM_FEATURES / TILE_FEATURES;
        const int feature = weight.feature(tile, i % TILE_FEATURES);
        if (feature < size.num_features) {
            const float sum = sums.total(tile, i % TILE_FEATURES, row) * scale.of(row);
            output.write((long long)row * size.num_features + feature, feature, sum);
        }
    }
}

template <class Form, class Scale>
__device__ __forceinline__ void write_gated(const BlockSums<Form>& sums, const Scale& scale,
                                            const BlockWeight<Form, true>& weight,
                                            const GatedOutput& output)
{
    const Size size = weight.size;
    for (int i = threadIdx.x; i < TILE_FEATURES * size.num_rows; i += Form::NUM_THREADS) {
        const int row = i / TILE_FEATURES;
        const int feature = weight.feature(0, i % TILE_FEATURES);
        if (feature < size.num_features) {
            const float gate = sums.total(0, i % TILE_FEATURES, row) * scale.of(row);
            const float up = sums.total(1, i % TILE_FEATURES, row) * scale.of(row);
            output.write((long long)row * size.num_features + feature, feature, gate, up);
        }
    }
}

// ---------------------------------------------------------------- whole blocks

template <class Form, class Output>
__device__ __forceinline__ void plain_product(const Output& output, const Element* x,
                                              const Element* matrix, Size size)
{
    __shared__ BlockSums<Form> sums;
    const BlockWeight<Form, false> weight(matrix, size);
    PlainInput<Form> input(x, size);
    sums.store(warp_product<Form>(weight, input));
    __syncthreads();
    write_plain<Form>(sums, NoScale(), weight, output);
}

template <class Form>
__device__ __forceinline__ void gated_product(const GatedOutput& output, const Element* x,
                                              const Element* matrix, Size size)
{
    __shared__ BlockSums<Form> sums;
    const BlockWeight<Form, true> weight(matrix, size);
    PlainInput<Form> input(x, size);
    sums.store(warp_product<Form>(weight, input));
    __syncthreads();
    write_gated<Form>(sums, NoScale(), weight, output);
}

template <class Form, class Weight>
__device__ __forceinline__ void normed_product(BlockSums<Form>& sums, NormScale<Form>& scale,
                                               const Weight& weight, NormInput& input, float eps)
{
    sums.store(warp_product<Form>(weight, input));
    scale.store(input.sum_squares);
    __syncthreads();
    scale.finish(input.size_k, eps);
    __syncthreads();
}

template <class Form>
__device__ __forceinline__ void norm_linear(const StoreOutput& output, const float* residual,
                                            const Element* norm, float eps, const Element* matrix,
                                            Size size)
{
    __shared__ BlockSums<Form> sums;
    __shared__ NormScale<Form> scale;
    NormInput input(residual, norm, size);
    const BlockWeight<Form, false> weight(matrix, size);
    normed_product<Form>(sums, scale, weight, input, eps);
    write_plain<Form>(sums, scale, weight, output);
}

template <class Form>
__device__ __forceinline__ void norm_gated(const GatedOutput& output, const float* residual,
                                           const Element* norm, float eps, const Element* matrix,
                                           Size size)
{
    __shared__ BlockSums<Form> sums;
    __shared__ NormScale<Form> scale;
    NormInput input(residual, norm, size);
    const BlockWeight<Form, true> weight(matrix, size);
    normed_product<Form>(sums, scale, weight, input, eps);
    write_gated<Form>(sums, scale, weight, output);
}

// ---------------------------------------------------------------- entry points

extern "C" __global__ void __launch_bounds__(DEEP_THREADS)
    linear_deep_8(Element* out, const Element* x, const Element* weight, const Element* bias,
                  int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<1>>(StoreOutput{out, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_THREADS)
    linear_deep_16(Element* out, const Element* x, const Element* weight, const Element* bias,
                   int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<2>>(StoreOutput{out, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    linear_narrow_8(Element* out, const Element* x, const Element* weight, const Element* bias,
                    int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<1>>(StoreOutput{out, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    linear_narrow_16(Element* out, const Element* x, const Element* weight, const Element* bias,
                     int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<2>>(StoreOutput{out, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_THREADS)
    add_deep_8(float* residual, const Element* x, const Element* weight, const Element* bias,
               int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<1>>(AddOutput{residual, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_THREADS)
    add_deep_16(float* residual, const Element* x, const Element* weight, const Element* bias,
                int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Deep<2>>(AddOutput{residual, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    add_narrow_8(float* residual, const Element* x, const Element* weight, const Element* bias,
                 int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<1>>(AddOutput{residual, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    add_narrow_16(float* residual, const Element* x, const Element* weight, const Element* bias,
                  int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Narrow<2>>(AddOutput{residual, bias, has_bias}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    logits_wide_8(float* out, const Element* x, const Element* weight, int num_rows,
                  int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Wide<1>>(LogitOutput{out}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    logits_wide_16(float* out, const Element* x, const Element* weight, int num_rows,
                   int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    plain_product<Wide<2>>(LogitOutput{out}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    gated_wide_8(Element* out, const Element* x, const Element* weight, const Element* bias,
                 int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    gated_product<Wide<1>>(GatedOutput{out, bias, has_bias, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    gated_wide_16(Element* out, const Element* x, const Element* weight, const Element* bias,
                  int has_bias, int num_rows, int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    gated_product<Wide<2>>(GatedOutput{out, bias, has_bias, num_features}, x, weight, size);
}

extern "C" __global__ void __launch_bounds__(DEEP_THREADS)
    norm_linear_deep_8(Element* out, const float* residual, const Element* norm, float eps,
                       const Element* weight, const Element* bias, int has_bias, int num_rows,
                       int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    norm_linear<Deep<1>>(StoreOutput{out, bias, has_bias}, residual, norm, eps, weight, size);
}

extern "C" __global__ void __launch_bounds__(NARROW_THREADS)
    norm_linear_narrow_8(Element* out, const float* residual, const Element* norm, float eps,
                         const Element* weight, const Element* bias, int has_bias, int num_rows,
                         int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    norm_linear<Narrow<1>>(StoreOutput{out, bias, has_bias}, residual, norm, eps, weight, size);
}

extern "C" __global__ void __launch_bounds__(WIDE_THREADS)
    norm_gated_wide_8(Element* out, const float* residual, const Element* norm, float eps,
                      const Element* weight, const Element* bias, int has_bias, int num_rows,
                      int num_features, int size_k)
{
    const Size size = {num_rows, num_features, size_k};
    const GatedOutput output = {out, bias, has_bias, num_features};
    norm_gated<Wide<1>>(output, residual, norm, eps, weight, size);
}
