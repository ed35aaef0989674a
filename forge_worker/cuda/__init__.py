"""The CUDA worker: the operations of `ops.protocol` as our own kernels and cublasLt products."""
