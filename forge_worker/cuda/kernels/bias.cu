// A bias in float, as cublasLt wants it where the product is float: out[i] = bias[i].
//
//   grid   (ceil(size / 256), 1, 1)
//   block  256 threads along x
//   types  bias: ELEMENT [size]; out: float [size]
//   macros ELEMENT: Bf16 or Half

#include "elements.cuh"

#ifndef ELEMENT
#error "bias.cu needs ELEMENT"
#endif

constexpr int NUM_THREADS = 256;

extern "C" __global__ void __launch_bounds__(NUM_THREADS)
    widen_bias(const ELEMENT* bias, float* out, int size)
{
    const int index = blockIdx.x * NUM_THREADS + threadIdx.x;
    if (index < size) {
        out[index] = to_float(bias[index]);
    }
}
