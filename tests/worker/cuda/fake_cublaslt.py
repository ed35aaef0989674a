"""FakeCublasLt: the C functions of cublasLt in Python, over the memory of NumPy arrays.

It takes what ctypes passes, reads attributes by their numbers from cublasLt.h, and multiplies
column-major matrices in float64. Numbers stand here once more on purpose: as NVIDIA documents them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.precision import Precision

PRECISIONS = {0: Precision.FLOAT32, 2: Precision.FLOAT16, 14: Precision.BFLOAT16}

TRANSA, TRANSB, EPILOGUE, BIAS_POINTER = 3, 4, 7, 8
ROWS, COLUMNS, STRIDE = 2, 3, 4
MAX_WORKSPACE, REDUCTION_MASK = 1, 3
ALIGNMENT_A, ALIGNMENT_D = 5, 8

Attributes = dict[int, int]
Work = Callable[[], None]


class FakeCublasLt:
    """`algorithms` are numbers; those from 100 on split k, and those from 200 on fit nothing.

    `queue` gets each product's work, to do it or to record it.
    """

    def __init__(
        self,
        algorithms: tuple[int, ...] = (1, 2, 3),
        queue: Callable[[Work], None] = lambda work: work(),
    ) -> None:
        self._queue = queue
        self.algorithms = algorithms
        self.searches: list[tuple[Attributes, int]] = []  # preferences, columns
        self.used: list[int] = []
        self.columns: list[int] = []
        self.create_status = 0
        self._objects: list[Attributes] = [{}]
        self.cublasLtGetVersion = _Version()

    def cublasLtCreate(self, handle: Any) -> int:
        handle._obj.value = 77
        return self.create_status

    def cublasLtMatmulDescCreate(self, product: Any, compute: Any, scale: Any) -> int:
        assert (compute.value, scale.value) == (68, 0)
        return self._create(product, {TRANSA: 0, TRANSB: 0, EPILOGUE: 1, BIAS_POINTER: 0})

    def cublasLtMatrixLayoutCreate(
        self, layout: Any, dtype: Any, rows: Any, columns: Any, stride: Any
    ) -> int:
        assert stride.value >= rows.value
        attributes = {0: dtype.value, ROWS: rows.value, COLUMNS: columns.value}
        return self._create(layout, attributes | {STRIDE: stride.value})

    def cublasLtMatmulPreferenceCreate(self, preference: Any) -> int:
        return self._create(preference, {})

    def cublasLtMatmulPreferenceDestroy(self, preference: Any) -> int:
        assert self._objects[preference.value] is not None
        return 0

    def cublasLtMatmulDescSetAttribute(self, *arguments: Any) -> int:
        return self._set({TRANSA: 4, TRANSB: 4, EPILOGUE: 4, BIAS_POINTER: 8}, *arguments)

    def cublasLtMatrixLayoutSetAttribute(self, *arguments: Any) -> int:
        return self._set({COLUMNS: 8, STRIDE: 8}, *arguments)

    def cublasLtMatmulPreferenceSetAttribute(self, *arguments: Any) -> int:
        alignments = dict.fromkeys(range(ALIGNMENT_A, ALIGNMENT_D + 1), 4)
        return self._set({MAX_WORKSPACE: 8, REDUCTION_MASK: 4} | alignments, *arguments)

    def cublasLtMatmulAlgoGetHeuristic(self, *arguments: Any) -> int:
        handle, product, a, b, c, d, preference, max_found, found, num_found = arguments
        assert handle.value == 77
        assert c is d
        self._check_shapes(product, a, b, d)
        attributes = self._objects[preference.value]
        self.searches.append((dict(attributes), self._objects[b.value][COLUMNS]))
        fitting = [one for one in self.algorithms if self._is_allowed(one, attributes)]
        for place, algorithm in enumerate(fitting[: max_found.value]):
            found[place].algorithm.data[0] = algorithm
            found[place].state = 0
        num_found._obj.value = min(len(fitting), max_found.value)
        return 0 if fitting else 15

    def cublasLtMatmulAlgoCheck(self, *arguments: Any) -> int:
        handle, product, a, b, _, d, algorithm, result = arguments
        assert handle.value == 77
        self._check_shapes(product, a, b, d)
        result._obj.state = 0
        result._obj.workspace_bytes = 64
        return 0 if algorithm._obj.data[0] < 200 else 15

    def cublasLtMatmulAlgoConfigGetAttribute(
        self, algorithm: Any, attribute: Any, value: Any, size: Any, written: Any
    ) -> int:
        assert (attribute.value, size.value, written) == (2, 4, None)
        value._obj.value = 4 if 100 <= algorithm._obj.data[0] < 200 else 1
        return 0

    def cublasLtMatmul(self, *arguments: Any) -> int:
        handle, product, alpha, a, layout_a, b, layout_b, beta, c, layout_c, d, layout_d = (
            arguments[:12]
        )
        algorithm, _workspace, _workspace_bytes, _stream = arguments[12:]
        assert (handle.value, alpha._obj.value) == (77, 1.0)
        assert (c, layout_c) == (d, layout_d)
        self._check_shapes(product, layout_a, layout_b, layout_d)
        if algorithm._obj.data[0] >= 200:
            return 15
        self.used.append(algorithm._obj.data[0])
        self.columns.append(self._objects[layout_d.value][COLUMNS])
        of_a, of_b, of_d = (self._precision(one) for one in (layout_a, layout_b, layout_d))
        weight, x = self._matrix(a, layout_a), self._matrix(b, layout_b)
        out, is_added = self._matrix(d, layout_d), bool(beta._obj.value)
        bias = self._bias(product, out, of_d)

        def multiply() -> None:
            values = of_a.widened(weight).astype(float).T @ of_b.widened(x).astype(float)
            if bias is not None:
                values += of_d.widened(bias)[:, None]
            if is_added:
                values += of_d.widened(out)
            out[...] = of_d.rounded(values.astype(np.float32))

        self._queue(multiply)
        return 0

    def _create(self, reference: Any, attributes: Attributes) -> int:
        self._objects.append(attributes)
        reference._obj.value = len(self._objects) - 1
        return 0

    def _set(self, sizes: dict[int, int], descriptor: Any, *rest: Any) -> int:
        attribute, value, size = rest
        assert sizes[attribute.value] == size.value
        content = ctypes.string_at(ctypes.addressof(value._obj), size.value)
        self._objects[descriptor.value][attribute.value] = int.from_bytes(content, "little")
        return 0

    def _check_shapes(self, product: Any, a: Any, b: Any, d: Any) -> None:
        assert self._objects[product.value][TRANSA] == 1
        assert self._objects[product.value][TRANSB] == 0
        of_a, of_b, of_d = (self._objects[one.value] for one in (a, b, d))
        assert of_a[ROWS] == of_b[ROWS]
        assert (of_d[ROWS], of_d[COLUMNS]) == (of_a[COLUMNS], of_b[COLUMNS])

    def _is_allowed(self, algorithm: int, preference: Attributes) -> bool:
        return algorithm < 100 or algorithm >= 200 or preference[REDUCTION_MASK] == 7

    def _precision(self, layout: Any) -> Precision:
        return PRECISIONS[self._objects[layout.value][0]]

    def _matrix(self, address: Any, layout: Any) -> npt.NDArray[Any]:
        """A view of the column-major matrix."""
        attributes, dtype = self._objects[layout.value], self._precision(layout).dtype
        rows, columns, stride = (attributes[one] for one in (ROWS, COLUMNS, STRIDE))
        num_elements = (columns - 1) * stride + rows
        memory = (ctypes.c_uint8 * (num_elements * dtype.itemsize)).from_address(address.value)
        steps = (dtype.itemsize, stride * dtype.itemsize)
        return np.ndarray((rows, columns), dtype, memory, strides=steps)

    def _bias(
        self, product: Any, out: npt.NDArray[Any], precision: Precision
    ) -> npt.NDArray[Any] | None:
        """In the type of the output, for each of its rows."""
        attributes = self._objects[product.value]
        if attributes[EPILOGUE] != 4:
            return None
        num_bytes = len(out) * precision.dtype.itemsize
        memory = (ctypes.c_uint8 * num_bytes).from_address(attributes[BIAS_POINTER])
        return np.frombuffer(memory, precision.dtype)


class _Version:
    restype: Any = None

    def __call__(self) -> int:
        return 130100
