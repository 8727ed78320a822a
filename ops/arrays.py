"""Between ops and array libraries: dtypes, and what kernels share."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any

import ml_dtypes
import numpy as np

from ..ir import types
from ..ir.types import DType

Kernel = Callable[..., Any]

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


def accumulate(xp: Any, function: str, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """NumPy's sum or product over dims, of 16-bit floats accumulated in float32."""
    reduce = getattr(xp, function)
    if x.dtype.kind not in "iub" and x.dtype.itemsize == 2:
        wide = reduce(x.astype("float32"), axis=dim, keepdims=keepdim)
        return wide.astype(x.dtype)
    return reduce(x, axis=dim, keepdims=keepdim)


def quiet(kernel: Kernel) -> Kernel:
    """The kernel with NumPy's floating point warnings off: inf and NaN are results, as in IEEE.

    It runs in a context made once in which they are off: `np.errstate` costs more than the
    addition of small arrays. A context can be in use only once at a time, so there are several.
    """

    def run(*args: Any, **attrs: Any) -> Any:
        try:
            context = _quiet_contexts.pop()
        except IndexError:
            context = _quiet_context()
        try:
            return context.run(kernel, *args, **attrs)
        finally:
            _quiet_contexts.append(context)

    return run


def quiet_ufunc(ufunc: Any) -> Callable[[Any, Any], Any]:
    """`quiet` for a ufunc of two inputs, where every tenth of a microsecond counts."""

    def run(x: Any, y: Any) -> Any:
        try:
            context = _quiet_contexts.pop()
        except IndexError:
            context = _quiet_context()
        try:
            return context.run(ufunc, x, y)
        finally:
            _quiet_contexts.append(context)

    return run


_quiet_contexts: list[Context] = []


def _quiet_context() -> Context:
    context = Context()
    context.run(np.seterr, all="ignore")
    return context
