// The functions that gates of feed-forward layers pass through: silu(x) = x · sigmoid(x), and GELU
// in its tanh form (Hendrycks and Gimpel 2016, arXiv:1606.08415). In float; knows no kernel.
#pragma once

// x · sigmoid(z). Where exp overflows, x / infinity is the 0 it should be. The quick quotient errs
// by at most two in the last place of a float.
__device__ __forceinline__ float gated_by_sigmoid(float x, float z)
{
    return __fdividef(x, 1.0f + expf(-z));
}

__device__ __forceinline__ float silu(float x)
{
    return gated_by_sigmoid(x, x);
}

// x / 2 · (1 + tanh(z)) = x · sigmoid(2z), which costs an exponential instead of a tanh.
__device__ __forceinline__ float gelu_tanh(float x)
{
    constexpr float TWICE_ROOT_OF_2_OVER_PI = 1.5957691216057308f;
    constexpr float CUBIC = 0.044715f;
    return gated_by_sigmoid(x, TWICE_ROOT_OF_2_OVER_PI * (x + CUBIC * x * x * x));
}
