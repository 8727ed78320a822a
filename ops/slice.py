"""Slices along one dim: taking them, writing them back, and what is short for either."""

from __future__ import annotations

from operator import index as as_int
from typing import Any

from ..ir.dims import Dim, Size, same, same_shape
from ..ir.errors import ArgumentError, OutOfRangeError, ShapeError
from ..ir.types import TensorType
from .create import zeros_like
from .registry import Tensor, primitive
from .rules import canonical_dim, convert, require, shown
from .shape import squeeze


def _canonical_range(start: Any, stop: Any, size: Size) -> tuple[Size, Size]:
    """Python's slice bounds for a dim of `size`, both within 0..size, stop not before start."""

    def within(bound: Any) -> Size:
        bound = bound if isinstance(bound, Dim) else as_int(bound)
        if bound < 0:
            bound = bound + size
        if bound < 0:
            return 0
        return bound if same(bound, size) or bound <= size else size

    low = 0 if start is None else within(start)
    high = size if stop is None else within(stop)
    return low, (high if same(low, high) or low <= high else low)


def _sliced(x: TensorType, dim: int, start: Size, stop: Size, step: int) -> TensorType:
    size = stop - start if step == 1 else (stop - start + step - 1) // step
    return TensorType(x.dtype, (*x.shape[:dim], size, *x.shape[dim + 1 :]))


def slice_key(dim: int, start: Any, stop: Any, step: int = 1) -> tuple[slice, ...]:
    """NumPy's key for a slice of one dim."""
    return (slice(None),) * dim + (slice(start, stop, step),)


@primitive(
    infer=_sliced,
    eager=lambda xp, x, dim, start, stop, step: x[slice_key(dim, start, stop, step)],
    vjp=lambda g, _y, _x, dim, start, stop, step: (
        slice_scatter(zeros_like(_x), g, dim, start, stop, step),
    ),
    view=lambda base, value, dim, start, stop, step: slice_scatter(
        base, value, dim, start, stop, step
    ),
    name="slice",
)
def slice_(input: Tensor, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Any:
    """The elements from `start` to before `stop` along `dim`, every `step`-th of them."""
    return (input,), _canonical_slice(input, dim, start, stop, step)


def _canonical_slice(input: Tensor, dim: int, start: Any, stop: Any, step: int) -> dict[str, Any]:
    if not hasattr(step, "__index__") or step < 1:
        raise ArgumentError(f"a slice's step must be a positive int, got {step}")
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor cannot be sliced")
    low, high = _canonical_range(start, stop, input.shape[d])
    return {"dim": d, "start": low, "stop": high, "step": as_int(step)}


def _eager_slice_scatter(xp: Any, x: Any, src: Any, dim: int, start: int, stop: int, step: int):
    result = x.copy()
    result[slice_key(dim, start, stop, step)] = src
    return result


def _vjp_slice_scatter(
    g: Tensor, _y: Tensor, _x: Tensor, _src: Tensor, dim: int, start: Any, stop: Any, step: int
) -> Any:
    def rest() -> Tensor:
        return slice_scatter(g, zeros_like(_src), dim, start, stop, step)

    return rest, lambda: slice_(g, dim, start, stop, step)


@primitive(
    infer=lambda x, src, dim, start, stop, step: x,
    eager=_eager_slice_scatter,
    vjp=_vjp_slice_scatter,
)
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: Any = None,
    stop: Any = None,
    step: int = 1,
) -> Any:
    """`input` with the slice `start:stop:step` of `dim` replaced by `src`."""
    attrs = _canonical_slice(input, dim, start, stop, step)
    wanted = _sliced(TensorType(input.dtype, input.shape), **attrs).shape
    require(
        same_shape(src.shape, wanted),
        f"src has shape {shown(src.shape)}, the slice has {shown(wanted)}",
    )
    return (input, convert(src, input.dtype)), attrs


def narrow(input: Tensor, dim: int, start: Size, length: Size) -> Tensor:
    """`length` elements from `start` along `dim`."""
    d = canonical_dim(dim, input.ndim)
    size = input.shape[d] if input.ndim else 0
    if start < 0:
        start = start + size
    if start < 0 or length < 0 or not (same(start + length, size) or start + length <= size):
        raise OutOfRangeError(
            f"narrow: {length} elements from {start} are not all within dim {d} of size {size}"
        )
    return slice_(input, d, start, start + length)


def select(input: Tensor, dim: int, index: Size) -> Tensor:
    """The slice at `index` along `dim`, without that dim.

    Raises:
        OutOfRangeError: where there is no such index.
    """
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor has no dim to select from")
    size = input.shape[d]
    at = index if isinstance(index, Dim) else as_int(index)
    if at < 0:
        at = at + size
    if at < 0 or not at < size:
        raise OutOfRangeError(f"index {index} is out of range for dim {d} of size {size}")
    return squeeze(slice_(input, d, at, at + 1), d)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without that dim."""
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor cannot be split")
    size = input.shape[d]
    if isinstance(size, Dim):
        raise ShapeError(f"unbind needs a known size, dim {d} is {size}")
    return tuple(select(input, d, k) for k in range(size))
