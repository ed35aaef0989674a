// Small kernels for the tests of the emulated device and of its compiler.
#include "elements.cuh"

#ifndef OFFSET
#define OFFSET 0
#endif

extern "C" __global__ void __launch_bounds__(64) add(float* values, int num_values, float addend)
{
    const int i = static_cast<int>(blockIdx.x);
    if (i < num_values) {
        values[i] += addend + OFFSET;
    }
}

// counts [grid z, y, x, block z, y, x].
extern "C" __global__ void count(int* counts)
{
    const int b = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int t = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    counts[b * blockDim.x * blockDim.y * blockDim.z + t] += 1;
}

extern "C" __global__ void
    scalars(long long* out, int a, long long b, unsigned long long c, float d)
{
    out[0] = a;
    out[1] = b + static_cast<long long>(d * 4.0f);
    out[2] = static_cast<long long>(c);
}
