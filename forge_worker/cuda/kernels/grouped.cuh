// Products of rows with the weights of the experts they chose. See route.cu for choices and items.
#pragma once

#include "elements.cuh"

// Choices of one expert, neighbours in the order.
struct Item {
    int expert;
    int first;     // place in the order
    int num_rows;  // 0: there is nothing to do
};

// What a kernel of grouped products is given. The matrix of expert e begins `stride` elements after
// that of the one before it.
template <class E>
struct Operands {
    const E* x;
    const E* matrices;
    int64_t stride;
    const int32_t* order;
    const Item* items;
    int num_features;  // of the output
    int size_k;

    __device__ __forceinline__ const E* matrix(const Item& item) const
    {
        return matrices + item.expert * stride;
    }
};
