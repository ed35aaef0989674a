// Products of rows with the experts they chose, for many rows of each: an item of up to 64 choices by
// 128 rows of its expert's weight a block, on tensor cores, through two buffers in shared memory.
// Arguments are those of grouped_skinny.cu:
//
//   gated_of_64   out[place] = activation(gate) · up   of 64 features: 64 rows of gate, 64 of up
//   down_of_64    out[choice] = x[place] · Wᵀ          of 128 features, float32
//
//   grid   (items, ceil(num_features / 64 or 128)): blocks that share a weight follow each other
//   block  256 threads: 8 warps, 2 by 4, each with 32 choices by 32 rows of the weight
//   k      in steps of 64: while one is multiplied, the next is on its way (cp.async)
//   macros ELEMENT: Bf16 or Half; ACTIVATION
//
// Rows of a buffer are 128 bytes, in 8 vectors of 16; vector v of row r lies at place v ^ (r % 8), so
// that the 8 rows an ldmatrix reads lie in different banks. What is not there is zero. size_k and
// num_features are multiples of 8. Each sum goes through k in one order: a row gets the same bits in
// every item.
//
// 64 · 128 products of k for 192 of k read from the cache: 43 to an element.

#include "gate.cuh"
#include "grouped.cuh"
#include "intrinsics.cuh"

#if !defined(ELEMENT) || !defined(ACTIVATION)
#error "grouped_tile.cu needs ELEMENT and ACTIVATION"
#endif

typedef ELEMENT Element;

constexpr int THREADS = 256;
constexpr int ROWS = 64;      // choices of an item
constexpr int COLUMNS = 128;  // rows of the weight
constexpr int STEP = 64;      // of k
constexpr int VECTOR = 8;
constexpr int VECTORS = STEP / VECTOR;
constexpr int LOADED_ROWS = THREADS / VECTORS;  // by the block at once
constexpr int NUM_BUFFERS = 2;
constexpr int WARP_ROWS = 32;
constexpr int WARP_COLUMNS = 32;
constexpr int COLUMN_WARPS = COLUMNS / WARP_COLUMNS;
constexpr int ROW_TILES = WARP_ROWS / 16;
constexpr int COLUMN_TILES = WARP_COLUMNS / 8;

struct Buffers {
    Element rows[NUM_BUFFERS][ROWS * STEP];
    Element weights[NUM_BUFFERS][COLUMNS * STEP];
};

__device__ __forceinline__ int place_of(int row, int vector)
{
    return row * STEP + (vector ^ (row % VECTORS)) * VECTOR;
}

// ---------------------------------------------------------------- what a thread loads

// Vector threadIdx.x % VECTORS of rows threadIdx.x / VECTORS, and each LOADED_ROWS further on.
template <int NUM_ROWS>
struct Loader {
    static constexpr int COUNT = NUM_ROWS / LOADED_ROWS;
    const Element* rows[COUNT];  // null where there is none

    __device__ __forceinline__ static int row(int i)
    {
        return threadIdx.x / VECTORS + i * LOADED_ROWS;
    }

    __device__ __forceinline__ void start(Element* buffer, const Element* anywhere, int first,
                                          int size_k) const
    {
        const int vector = threadIdx.x % VECTORS;
        const int k = first + vector * VECTOR;
#pragma unroll
        for (int i = 0; i < COUNT; ++i) {
            const bool is_there = rows[i] != nullptr && k < size_k;
            const Element* source = is_there ? rows[i] + k : anywhere;
            copy_async_16(buffer + place_of(row(i), vector), source, is_there);
        }
    }
};

// Where the weights of a gated product stand in a tile: each warp's 32 are 16 of gate and 16 of up.
template <bool IS_GATED>
struct Features {
    static constexpr int NUM = IS_GATED ? COLUMNS / 2 : COLUMNS;  // of the output, a block

    // Of the output, for row `row` of the tile.
    __device__ __forceinline__ static int feature(int row)
    {
        constexpr int HALF = WARP_COLUMNS / 2;
        const int own = IS_GATED ? row / WARP_COLUMNS * HALF + row % HALF : row;
        return blockIdx.y * NUM + own;
    }

    // Where that stands in the matrix, from the row of the feature on.
    __device__ __forceinline__ static int rows_further(int row, int num_features)
    {
        const bool is_up = IS_GATED && row % WARP_COLUMNS >= WARP_COLUMNS / 2;
        return is_up ? num_features : 0;
    }
};

template <bool IS_GATED>
__device__ __forceinline__ Loader<COLUMNS> weight_loader(const Operands<Element>& operands,
                                                         const Item& item)
{
    Loader<COLUMNS> loader;
#pragma unroll
    for (int i = 0; i < loader.COUNT; ++i) {
        const int num_features = operands.num_features;
        const int feature = Features<IS_GATED>::feature(loader.row(i));
        const int64_t row =
            feature + Features<IS_GATED>::rows_further(loader.row(i), num_features);
        const bool is_there = feature < num_features;
        loader.rows[i] = is_there ? operands.matrix(item) + row * operands.size_k : nullptr;
    }
    return loader;
}

// The rows of x that choices are of.
struct RowsOfChoices {
    const int32_t* order;
    int choices_a_row;

    __device__ __forceinline__ int64_t of(int place) const { return order[place] / choices_a_row; }
};

// A row of x for each choice, in their order.
struct RowsInOrder {
    __device__ __forceinline__ int64_t of(int place) const { return place; }
};

template <class Rows>
__device__ __forceinline__ Loader<ROWS> row_loader(const Operands<Element>& operands,
                                                   const Item& item, const Rows& rows)
{
    Loader<ROWS> loader;
#pragma unroll
    for (int i = 0; i < loader.COUNT; ++i) {
        loader.rows[i] = nullptr;
        if (loader.row(i) < item.num_rows) {
            const int64_t row = rows.of(item.first + loader.row(i));
            loader.rows[i] = operands.x + row * operands.size_k;
        }
    }
    return loader;
}

// ---------------------------------------------------------------- what a warp multiplies

struct WarpTile {
    float sums[ROW_TILES][COLUMN_TILES][4];

    __device__ __forceinline__ static int first_row()
    {
        return threadIdx.x / WARP_THREADS / COLUMN_WARPS * WARP_ROWS;
    }

    __device__ __forceinline__ static int first_column()
    {
        return threadIdx.x / WARP_THREADS % COLUMN_WARPS * WARP_COLUMNS;
    }

    // Row of the item, and column in a column tile, of element `i` of a fragment.
    __device__ __forceinline__ static int row(int row_tile, int i)
    {
        return first_row() + 16 * row_tile + threadIdx.x % WARP_THREADS / 4 + 8 * (i / 2);
    }

    __device__ __forceinline__ static int column(int i)
    {
        return threadIdx.x % 4 * 2 + i % 2;
    }

    __device__ __forceinline__ void add(const Element* rows, const Element* weights)
    {
        const int lane = threadIdx.x % WARP_THREADS;
#pragma unroll
        for (int vector = 0; vector < VECTORS; vector += 2) {
            uint32_t a[ROW_TILES][4];
#pragma unroll
            for (int m = 0; m < ROW_TILES; ++m) {
                const int row = first_row() + 16 * m + lane % 16;
                ldmatrix_x4<false>(a[m], rows + place_of(row, vector + lane / 16));
            }
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; n += 2) {
                const int row = first_column() + 8 * n + lane / 16 * 8 + lane % 8;
                uint32_t b[4];
                ldmatrix_x4<false>(b, weights + place_of(row, vector + lane / 8 % 2));
                const uint32_t first[2] = {b[0], b[1]};
                const uint32_t second[2] = {b[2], b[3]};
#pragma unroll
                for (int m = 0; m < ROW_TILES; ++m) {
                    mma_16x8x16<Element>(sums[m][n], a[m], first);
                    mma_16x8x16<Element>(sums[m][n + 1], a[m], second);
                }
            }
        }
    }
};

__device__ __forceinline__ void multiply(WarpTile& tile, Buffers& buffers,
                                         const Loader<ROWS>& rows, const Loader<COLUMNS>& weights,
                                         const Operands<Element>& operands)
{
    const int size_k = operands.size_k;
    rows.start(buffers.rows[0], operands.x, 0, size_k);
    weights.start(buffers.weights[0], operands.matrices, 0, size_k);
    copy_async_commit();
    int buffer = 0;
    for (int first = 0; first < size_k; first += STEP) {
        // Past the end of k nothing is read, and nobody looks at the zeros.
        rows.start(buffers.rows[buffer ^ 1], operands.x, first + STEP, size_k);
        weights.start(buffers.weights[buffer ^ 1], operands.matrices, first + STEP, size_k);
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        tile.add(buffers.rows[buffer], buffers.weights[buffer]);
        __syncthreads();
        buffer ^= 1;
    }
    copy_async_wait<0>();
}

// ---------------------------------------------------------------- entry points

extern "C" __global__ void __launch_bounds__(THREADS)
    gated_of_64(Element* out, const Element* x, const Element* matrices, int64_t stride,
                const int32_t* order, const int32_t* items, int num_features, int size_k,
                int choices_a_row)
{
    __shared__ __align__(16) Buffers buffers;
    const Item item = reinterpret_cast<const Item*>(items)[blockIdx.x];
    if (item.num_rows == 0) {
        return;
    }
    const Operands<Element> operands = {x, matrices, stride, order, nullptr, num_features, size_k};
    const Loader<ROWS> rows = row_loader(operands, item, RowsOfChoices{order, choices_a_row});
    WarpTile tile = {};
    multiply(tile, buffers, rows, weight_loader<true>(operands, item), operands);
    const int first_feature =
        blockIdx.y * Features<true>::NUM + WarpTile::first_column() / 2 + WarpTile::column(0);
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) {
#pragma unroll
        for (int n = 0; n < COLUMN_TILES / 2; ++n) {
#pragma unroll
            for (int i = 0; i < 4; i += 2) {
                const int row = WarpTile::row(m, i);
                const int feature = first_feature + 8 * n;
                if (row < item.num_rows && feature < num_features) {
                    const float* gate = tile.sums[m][n] + i;
                    const float* up = tile.sums[m][n + COLUMN_TILES / 2] + i;
                    const int64_t index =
                        static_cast<int64_t>(item.first + row) * num_features + feature;
                    *reinterpret_cast<uint32_t*>(out + index) = pack2<Element>(
                        ACTIVATION(gate[0]) * up[0], ACTIVATION(gate[1]) * up[1]);
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    down_of_64(float* out, const Element* x, const Element* matrices, int64_t stride,
               const int32_t* order, const int32_t* items, int num_features, int size_k)
{
    __shared__ __align__(16) Buffers buffers;
    const Item item = reinterpret_cast<const Item*>(items)[blockIdx.x];
    if (item.num_rows == 0) {
        return;
    }
    const Operands<Element> operands = {x, matrices, stride, order, nullptr, num_features, size_k};
    const Loader<ROWS> rows = row_loader(operands, item, RowsInOrder());
    WarpTile tile = {};
    multiply(tile, buffers, rows, weight_loader<false>(operands, item), operands);
    const int first_feature =
        blockIdx.y * Features<false>::NUM + WarpTile::first_column() + WarpTile::column(0);
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) {
#pragma unroll
        for (int i = 0; i < 4; i += 2) {
            const int row = WarpTile::row(m, i);
            if (row >= item.num_rows) {
                continue;
            }
            const int64_t choice = order[item.first + row];
#pragma unroll
            for (int n = 0; n < COLUMN_TILES; ++n) {
                const int feature = first_feature + 8 * n;
                if (feature < num_features) {
                    const float* sums = tile.sums[m][n] + i;
                    *reinterpret_cast<float2*>(out + choice * num_features + feature) =
                        make_float2(sums[0], sums[1]);
                }
            }
        }
    }
}
