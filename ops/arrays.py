"""Between our dtypes and those of the array libraries."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..ir import types
from ..ir.types import DType

_NUMPY: dict[DType, np.dtype[Any]] = {
    d: np.dtype(d.name) for d in types.DTYPES if d is not types.bfloat16
}
_NUMPY[types.bfloat16] = np.dtype(ml_dtypes.bfloat16)
_OURS = {dtype: d for d, dtype in _NUMPY.items()}


def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy (and CuPy) dtype of `dtype`; bfloat16 is that of ml_dtypes."""
    return _NUMPY[dtype]


def dtype_of(array: Any) -> DType:
    """Our dtype of a NumPy or CuPy array.

    Raises:
        KeyError: for a dtype that tensors cannot have (complex, strings, objects).
    """
    return _OURS[array.dtype]


def wide(array: Any) -> Any:
    """16-bit floats as float32, in which sums of them are computed; other arrays themselves."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 else array
