"""cublasLt by ctypes: as much of its C interface as one product of matrices needs.

CuPy's own products refuse to run while a stream is captured, and it has no cublasLt. Numbers are
those of cublasLt.h. Matrices are column-major, so a row-major array [rows, columns] is a Matrix of
`columns` rows. Descriptors are made once a shape and stay until the process ends. Knows no arrays
and no precision.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from typing import Any, NamedTuple

from forge_common.errors import DeviceError

ALGORITHM_BYTES = 64

NOT_INITIALIZED, INVALID_VALUE, ARCH_MISMATCH, NOT_SUPPORTED = 1, 7, 8, 15
_UNFIT = (INVALID_VALUE, ARCH_MISMATCH, NOT_SUPPORTED)

_COMPUTE_32F = 68  # float32 sums; of float32 operands float32 products, never TF32
_TRANSPOSED = 1
_EPILOGUE_BIAS = 4
_REDUCTION_NONE, _REDUCTION_ANY = 0, 7


class DataType(IntEnum):
    FLOAT32 = 0
    FLOAT16 = 2
    BFLOAT16 = 14


class _Product(IntEnum):  # cublasLtMatmulDescAttributes_t
    TRANSPOSE_A = 3
    EPILOGUE = 7
    BIAS_POINTER = 8


class _Layout(IntEnum):  # cublasLtMatrixLayoutAttribute_t
    COLUMNS = 3


class _Preference(IntEnum):  # cublasLtMatmulPreferenceAttributes_t
    MAX_WORKSPACE_BYTES = 1
    REDUCTION_SCHEMES = 3
    ALIGNMENT_A = 5
    ALIGNMENT_B = 6
    ALIGNMENT_C = 7
    ALIGNMENT_D = 8


class _Config(IntEnum):  # cublasLtMatmulAlgoConfigAttributes_t
    SPLIT_K = 2


class _Algorithm(ctypes.Structure):
    _fields_ = (("data", c_uint64 * (ALGORITHM_BYTES // 8)),)


class _Heuristic(ctypes.Structure):
    _fields_ = (
        ("algorithm", _Algorithm),
        ("workspace_bytes", c_size_t),
        ("state", c_int),
        ("num_waves", c_float),
        ("reserved", c_int * 4),
    )


class Matrix(NamedTuple):
    dtype: DataType
    num_rows: int
    stride: int  # elements from one column to the next

    @property
    def alignment(self) -> int:
        """Bytes, at most 16, that every column's address is divisible by if the first one's is."""
        stride_bytes = self.stride * (4 if self.dtype is DataType.FLOAT32 else 2)
        return min(16, stride_bytes & -stride_bytes)


class Operation(NamedTuple):
    """d = aᵀ · b + bias, or d += that. b and d have as many columns as a call says."""

    a: Matrix
    num_columns_a: int
    b: Matrix
    d: Matrix
    has_bias: bool


class Descriptors(NamedTuple):
    """Of one operation, as cublasLt knows them."""

    product: c_void_p
    a: c_void_p
    b: c_void_p
    d: c_void_p
    alignments: tuple[int, int, int]


class Search(NamedTuple):
    num_columns: int
    max_workspace_bytes: int
    may_split_k: bool
    max_algorithms: int


class Memory(NamedTuple):
    """Addresses on the device; `bias` counts where the operation has one."""

    a: int
    b: int
    d: int
    bias: int
    workspace: int
    workspace_bytes: int


class Call(NamedTuple):
    num_columns: int
    has_bias: bool
    is_added: bool  # to what is in d
    stream: int


class CublasLt:
    def __init__(self, library: ctypes.CDLL) -> None:
        """The current thread must have a CUDA device."""
        self._library: Any = library
        self._handle = c_void_p()
        status = library.cublasLtCreate(byref(self._handle))
        if status:
            raise DeviceError(f"cublasLt does not start on this GPU: status {status}")
        library.cublasLtGetVersion.restype = c_size_t
        self.version = int(library.cublasLtGetVersion())

    def describe(self, operation: Operation) -> Descriptors:
        product = c_void_p()
        create = self._library.cublasLtMatmulDescCreate
        self._check(create(byref(product), c_int(_COMPUTE_32F), c_int(DataType.FLOAT32)))
        self._set("MatmulDesc", product, _Product.TRANSPOSE_A, c_int32(_TRANSPOSED))
        if operation.has_bias:
            self._set("MatmulDesc", product, _Product.EPILOGUE, c_uint32(_EPILOGUE_BIAS))
        a = self._layout(operation.a, operation.num_columns_a)
        b, d = self._layout(operation.b, 1), self._layout(operation.d, 1)
        matrices = (operation.a, operation.b, operation.d)
        alignments = tuple(matrix.alignment for matrix in matrices)
        descriptors = Descriptors(product, a, b, d, (alignments[0], alignments[1], alignments[2]))
        if operation.has_bias:  # a search sees from the address how it is aligned
            self._set("MatmulDesc", product, _Product.BIAS_POINTER, c_void_p(16))
        return descriptors

    def algorithms(self, descriptors: Descriptors, search: Search) -> list[bytes]:
        """What cublasLt would take, the best first by its own estimate."""
        self._set_columns(descriptors, search.num_columns)
        preference = c_void_p()
        self._check(self._library.cublasLtMatmulPreferenceCreate(byref(preference)))
        try:
            self._prefer(preference, descriptors, search)
            found, num_found = (_Heuristic * search.max_algorithms)(), c_int(0)
            product, a, b, d, _ = descriptors
            status = self._library.cublasLtMatmulAlgoGetHeuristic(
                self._handle, product, a, b, d, d, preference, c_int(len(found)), found,
                byref(num_found),
            )  # fmt: skip
        finally:
            self._library.cublasLtMatmulPreferenceDestroy(preference)
        if status == NOT_SUPPORTED:
            return []
        self._check(status)
        return [bytes(one.algorithm) for one in found[: num_found.value] if one.state == 0]

    def fits(self, descriptors: Descriptors, algorithm: bytes, search: Search) -> bool:
        """Whether an algorithm, of a file perhaps, can do this here."""
        self._set_columns(descriptors, search.num_columns)
        result = _Heuristic()
        product, a, b, d, _ = descriptors
        status = self._library.cublasLtMatmulAlgoCheck(
            self._handle, product, a, b, d, d, byref(_restored(algorithm)), byref(result)
        )
        if status or result.state or result.workspace_bytes > search.max_workspace_bytes:
            return False
        return search.may_split_k or not self.splits_k(algorithm)

    def splits_k(self, algorithm: bytes) -> bool:
        num_parts = c_int32(0)
        self._check(
            self._library.cublasLtMatmulAlgoConfigGetAttribute(
                byref(_restored(algorithm)), c_int(_Config.SPLIT_K), byref(num_parts),
                c_size_t(ctypes.sizeof(num_parts)), None,
            )
        )  # fmt: skip
        return num_parts.value > 1

    def multiply(
        self, descriptors: Descriptors, algorithm: bytes, memory: Memory, call: Call
    ) -> bool:
        """Queue it on the stream; False, and nothing is queued, where that does not fit."""
        product, a, b, d, _ = descriptors
        self._set_columns(descriptors, call.num_columns)
        if call.has_bias:
            address = c_void_p(memory.bias)
            self._set("MatmulDesc", product, _Product.BIAS_POINTER, address)
        alpha, beta = c_float(1.0), c_float(1.0 if call.is_added else 0.0)
        out = c_void_p(memory.d)
        status = self._library.cublasLtMatmul(
            self._handle, product, byref(alpha), c_void_p(memory.a), a, c_void_p(memory.b), b,
            byref(beta), out, d, out, d, byref(_restored(algorithm)),
            c_void_p(memory.workspace), c_size_t(memory.workspace_bytes), c_void_p(call.stream),
        )  # fmt: skip
        if status in _UNFIT:
            return False
        self._check(status)
        return True

    def _layout(self, matrix: Matrix, num_columns: int) -> c_void_p:
        layout = c_void_p()
        self._check(
            self._library.cublasLtMatrixLayoutCreate(
                byref(layout), c_int(matrix.dtype), c_uint64(matrix.num_rows),
                c_uint64(num_columns), c_int64(matrix.stride),
            )
        )  # fmt: skip
        return layout

    def _set_columns(self, descriptors: Descriptors, num_columns: int) -> None:
        for layout in (descriptors.b, descriptors.d):
            self._set("MatrixLayout", layout, _Layout.COLUMNS, c_uint64(num_columns))

    def _prefer(self, preference: c_void_p, descriptors: Descriptors, search: Search) -> None:
        of_a, of_b, of_d = descriptors.alignments
        values = {
            _Preference.MAX_WORKSPACE_BYTES: c_uint64(search.max_workspace_bytes),
            _Preference.REDUCTION_SCHEMES: c_uint32(
                _REDUCTION_ANY if search.may_split_k else _REDUCTION_NONE
            ),
            _Preference.ALIGNMENT_A: c_uint32(of_a),
            _Preference.ALIGNMENT_B: c_uint32(of_b),
            _Preference.ALIGNMENT_C: c_uint32(of_d),
            _Preference.ALIGNMENT_D: c_uint32(of_d),
        }
        for attribute, value in values.items():
            self._set("MatmulPreference", preference, attribute, value)

    def _set(self, kind: str, descriptor: c_void_p, attribute: IntEnum, value: Any) -> None:
        function = getattr(self._library, f"cublasLt{kind}SetAttribute")
        size = c_size_t(ctypes.sizeof(value))
        self._check(function(descriptor, c_int(attribute), byref(value), size))

    def _check(self, status: int) -> None:
        if status:
            raise DeviceError(f"cublasLt failed: status {status}")


def _restored(algorithm: bytes) -> _Algorithm:
    return _Algorithm.from_buffer_copy(algorithm)
