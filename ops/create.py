"""Tensors made from sizes and numbers."""

from __future__ import annotations

from operator import index as as_int
from typing import Any

from ..ir.dims import Dim, Size
from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import DType, TensorType, float32, float64, int64, scalar_dtype
from .arrays import numpy_dtype
from .leaf import exact
from .registry import Tensor, is_tensor, primitive
from .rules import canonical_shape


@primitive(
    infer=lambda shape, fill_value, dtype: TensorType(dtype, shape),
    eager=lambda xp, shape, fill_value, dtype: xp.full(shape, fill_value, numpy_dtype(dtype)),
)
def full(shape: Any, fill_value: bool | int | float, *, dtype: DType | None = None) -> Any:
    """A tensor of `shape` with every element `fill_value`."""
    if is_tensor(fill_value):
        raise ArgumentError("fill_value must be a number", instead="value.expand(shape)")
    if dtype is None:
        dtype = int64 if isinstance(fill_value, Dim) else scalar_dtype(fill_value)
    fill = fill_value if isinstance(fill_value, Dim) else exact(fill_value, dtype)
    return (), {"shape": canonical_shape((shape,)), "fill_value": fill, "dtype": dtype}


def zeros(*size: Any, dtype: DType = float32) -> Tensor:
    """Zeros of the given shape."""
    return full(canonical_shape(size, "size"), 0, dtype=dtype)


def ones(*size: Any, dtype: DType = float32) -> Tensor:
    """Ones of the given shape."""
    return full(canonical_shape(size, "size"), 1, dtype=dtype)


def full_like(
    input: Tensor, fill_value: bool | int | float, *, dtype: DType | None = None
) -> Tensor:
    """`fill_value` in the shape (and dtype) of `input`."""
    return full(input.shape, fill_value, dtype=dtype or input.dtype)


def zeros_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """Zeros in the shape (and dtype) of `input`."""
    return full_like(input, 0, dtype=dtype)


def ones_like(input: Tensor, *, dtype: DType | None = None) -> Tensor:
    """Ones in the shape (and dtype) of `input`."""
    return full_like(input, 1, dtype=dtype)


def _infer_arange(start: Any, end: Any, step: Any, dtype: DType) -> TensorType:
    return TensorType(dtype, (_arange_size(start, end, step),))


def _arange_size(start: Any, end: Any, step: Any) -> Size:
    if step == 0:
        raise ArgumentError("arange needs a step other than 0")
    if all(isinstance(v, int | Dim) for v in (start, end, step)):
        count = (end - start + step - 1) // step if step > 0 else (start - end - step - 1) // -step
        if isinstance(count, Dim):
            if not count >= 0:
                raise ShapeError(f"arange of {count} elements")
            return count
        return max(count, 0)
    return max(-int(-((end - start) / step) // 1), 0)


def _eager_arange(xp: Any, start: Any, end: Any, step: Any, dtype: DType) -> Any:
    size = _arange_size(start, end, step)
    wide = numpy_dtype(int64) if dtype.is_integer else "float64"
    return (xp.arange(size, dtype=wide) * step + start).astype(numpy_dtype(dtype))


@primitive(infer=_infer_arange, eager=_eager_arange)
def arange(
    start: int | float = 0,
    end: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: DType | None = None,
) -> Any:
    """The numbers from `start` to before `end` in steps of `step`."""
    if end is None:
        start, end = 0, start
    attrs = {"start": _plain(start), "end": _plain(end), "step": _plain(step)}
    if dtype is None:
        dtype = float32 if any(isinstance(v, float) for v in attrs.values()) else int64
    return (), attrs | {"dtype": dtype}


def _plain(number: Any) -> int | float | Dim:
    """A Python number (of a NumPy scalar, say), or the symbolic size that was given."""
    if isinstance(number, int | float | Dim):
        return number
    return as_int(number) if hasattr(number, "__index__") else float(number)


@primitive(
    infer=lambda n, m, dtype: TensorType(dtype, (n, m)),
    eager=lambda xp, n, m, dtype: xp.eye(n, m, dtype=numpy_dtype(dtype)),
)
def eye(n: int, m: int | None = None, *, dtype: DType = float32) -> Any:
    """Ones on the diagonal of an n by m matrix, zeros elsewhere."""
    return (), {"n": n, "m": n if m is None else m, "dtype": dtype}


def linspace(start: float, end: float, steps: int, *, dtype: DType = float32) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, equally far apart."""
    if steps < 0:
        raise ArgumentError(f"steps must not be negative, got {steps}")
    gap = (end - start) / max(steps - 1, 1)
    return (arange(steps, dtype=float64) * gap + start).to(dtype)


def _triangle(name: str, doc: str) -> Any:
    def eager(xp: Any, x: Any, diagonal: int) -> Any:
        return getattr(xp, name)(x, diagonal)

    def infer(x: TensorType, diagonal: int) -> TensorType:
        return x

    def vjp(g: Tensor, _y: Tensor, _x: Tensor, diagonal: int) -> Any:
        return (op(g, diagonal),)

    def canonical(input: Tensor, diagonal: int = 0) -> Any:
        if input.ndim < 2:
            raise ShapeError(f"{name} needs a matrix, got {input.ndim} dims")
        return (input,), {"diagonal": diagonal}

    op = primitive(infer=infer, eager=eager, vjp=vjp, name=name, doc=doc)(canonical)
    return op


tril = _triangle("tril", "The elements on and below the diagonal number `diagonal`, others 0.")
triu = _triangle("triu", "The elements on and above the diagonal number `diagonal`, others 0.")
