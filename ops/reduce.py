"""Reductions over dims, and the scans and searches along one dim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.dims import Size, maximum, same
from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import Op
from ..ir.types import DType, TensorType, bool_, float32, int64
from .arrays import Kernel, accumulate, quiet
from .elementwise import cast, exp, log, sqrt, where
from .elementwise import maximum as larger
from .elementwise import minimum as smaller
from .index import gather
from .registry import Tensor, composite, is_tensor, primitive
from .rules import canonical_dim, canonical_dims, convert, numel, require, require_float
from .shape import expand, flip, squeeze, unsqueeze

Dims = int | Sequence[int] | None


def reduced_shape(shape: tuple[Size, ...], dim: tuple[int, ...], keepdim: bool) -> tuple[Size, ...]:
    """The shape after reducing the (canonical) dims."""
    if keepdim:
        return tuple(1 if k in dim else size for k, size in enumerate(shape))
    return tuple(size for k, size in enumerate(shape) if k not in dim)


def restore(x: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """A reduced tensor with the reduced dims back, of size 1, so that it broadcasts."""
    if not keepdim:
        for d in dim:
            x = unsqueeze(x, d)
    return x


def canonical_reduction(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Any:
    """The canonicalizer of reductions: None as `dim` means all dims."""
    return (input,), {"dim": canonical_dims(dim, input.ndim), "keepdim": bool(keepdim)}


def _canonical_typed(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
    keepdims: bool = False,
) -> Any:
    x = input if dtype is None else convert(input, dtype)
    return canonical_reduction(x, axis if dim is None else dim, keepdim or keepdims)


def _canonical_mean(input: Tensor, *args: Any, **kwargs: Any) -> Any:
    tensors, attrs = _canonical_typed(input, *args, **kwargs)
    require_float("mean", tensors[0].type)
    return tensors, attrs


def _canonical_extreme(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Any:
    tensors, attrs = canonical_reduction(input, dim, keepdim)
    _require_elements(input.shape, attrs["dim"])
    return tensors, attrs


def _require_elements(shape: tuple[Size, ...], dim: tuple[int, ...]) -> None:
    for d in dim:  # of a symbolic size, a capture records that it is not 0
        require(bool(shape[d] != 0), f"there is no largest or smallest of dim {d} of size 0")


def reduction(
    name: str,
    eager: Kernel,
    vjp: Any = None,
    *,
    result: Callable[[DType], DType] = lambda dtype: dtype,
    canonical: Callable[..., Any] = canonical_reduction,
    doc: str,
) -> Op:
    """Declare a reduction over `dim` (none means all), kept with size 1 if `keepdim`.

    Args:
        name: The op's name.
        eager: `(xp, x, axis, keepdims) -> array`.
        vjp: `(g, y, x, dim, keepdim) -> (gradient,)`.
        result: The result's dtype from the input's.
        canonical: The canonicalizer.
        doc: What it computes.
    """

    def infer(x: TensorType, dim: tuple[int, ...], keepdim: bool) -> TensorType:
        return TensorType(result(x.dtype), reduced_shape(x.shape, dim, keepdim))

    def run(xp: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        return eager(xp, x, dim, keepdim)

    return primitive(infer=infer, eager=quiet(run), vjp=vjp, name=name, doc=doc)(canonical)


def _widened(dtype: DType) -> DType:
    """Sums and products of integers and bools are int64, as in PyTorch."""
    return dtype if dtype.is_floating_point else int64


def _accumulate(function: str) -> Kernel:
    """NumPy's reduction, accumulating 16-bit floats in float32 and integers in int64."""

    def eager(xp: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        if x.dtype.kind in "iub":
            return getattr(xp, function)(x, axis=dim, keepdims=keepdim, dtype=np.int64)
        return accumulate(xp, function, x, dim, keepdim)

    return eager


def _eager_mean(xp: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    wide = x.astype("float32") if x.dtype.itemsize == 2 else x
    count = math.prod(x.shape[d] for d in dim)
    return (xp.sum(wide, axis=dim, keepdims=keepdim) / wide.dtype.type(count)).astype(x.dtype)


def _spread(g: Tensor, like: Any, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return expand(restore(g, dim, keepdim), like.shape)


def _count(shape: tuple[Size, ...], dim: tuple[int, ...]) -> Size:
    return numel(tuple(shape[d] for d in dim))


def vjp_extreme(g: Tensor, y: Tensor, x: Tensor, dim: Any, keepdim: bool) -> Any:
    """The gradient of the largest (or smallest), shared evenly among equals."""
    hit = cast(x == restore(y, dim, keepdim), g.dtype)
    return (hit * (restore(g, dim, keepdim) / sum(hit, dim, True)),)


def _vjp_prod(g: Tensor, _y: Tensor, x: Tensor, dim: Any, keepdim: bool) -> Any:
    """The product of all others, in a form whose own gradient is right where elements are 0."""
    zero = x == 0
    zeros = sum(zero, dim, True)
    filled = where(zero, 1.0, x)
    rest = prod(filled, dim, True)
    each = rest / filled
    # Sums of elements that are 0: they add nothing but their derivative.
    lost = sum(where(zero, x, 0.0), dim, True)
    one = where(zero, rest, lost * each)
    two = where(zero, (lost - x) * rest, 0.0)
    others = where(zeros == 0, each, where(zeros == 1, one, where(zeros == 2, two, 0.0)))
    return (restore(g, dim, keepdim) * others,)


sum = reduction(
    "sum",
    _accumulate("sum"),
    lambda g, _y, _x, dim, keepdim: (_spread(g, _x, dim, keepdim),),
    result=_widened,
    canonical=_canonical_typed,
    doc="The sum over `dim`; integers and bools are summed in int64.",
)
prod = reduction(
    "prod",
    _accumulate("prod"),
    _vjp_prod,
    result=_widened,
    canonical=_canonical_typed,
    doc="The product over `dim`; integers and bools are multiplied in int64.",
)
mean = reduction(
    "mean",
    _eager_mean,
    lambda g, _y, _x, dim, keepdim: (_spread(g, _x, dim, keepdim) / _count(_x.shape, dim),),
    canonical=_canonical_mean,
    doc="The mean over `dim`.",
)
amax = reduction(
    "amax",
    lambda xp, x, dim, keepdim: xp.max(x, axis=dim, keepdims=keepdim),
    vjp_extreme,
    canonical=_canonical_extreme,
    doc="The largest element over `dim`; equals share the gradient.",
)
amin = reduction(
    "amin",
    lambda xp, x, dim, keepdim: xp.min(x, axis=dim, keepdims=keepdim),
    vjp_extreme,
    canonical=_canonical_extreme,
    doc="The smallest element over `dim`; equals share the gradient.",
)
any = reduction(
    "any",
    lambda xp, x, dim, keepdim: xp.any(x, axis=dim, keepdims=keepdim),
    result=lambda dtype: bool_,
    doc="Whether any element over `dim` is nonzero.",
)
all = reduction(
    "all",
    lambda xp, x, dim, keepdim: xp.all(x, axis=dim, keepdims=keepdim),
    result=lambda dtype: bool_,
    doc="Whether all elements over `dim` are nonzero.",
)


def _canonical_search(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    d = None if dim is None else canonical_dim(dim, input.ndim)
    if input.dtype is bool_:
        raise DTypeError("argmax and argmin are not defined for bool", instead="x.int().argmax()")
    if input.ndim:
        _require_elements(input.shape, tuple(range(input.ndim)) if d is None else (d,))
    return (input,), {"dim": d, "keepdim": bool(keepdim)}


def _search(name: str, doc: str) -> Op:
    def infer(x: TensorType, dim: int | None, keepdim: bool) -> TensorType:
        dims = tuple(range(x.ndim)) if dim is None else (dim,)
        return TensorType(int64, reduced_shape(x.shape, dims, keepdim))

    def eager(xp: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
        if x.ndim == 0:
            return xp.zeros((), np.int64)
        return getattr(xp, name)(x, axis=dim, keepdims=keepdim)

    return primitive(infer=infer, eager=eager, name=name, doc=doc)(_canonical_search)


argmax = _search("argmax", "Index of the first largest element, along `dim` or of all.")
argmin = _search("argmin", "Index of the first smallest element, along `dim` or of all.")


def _canonical_cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Any:
    x = convert(input, dtype or _widened(input.dtype))
    return (x,), {"dim": canonical_dim(dim, x.ndim)}


def _vjp_cumsum(g: Tensor, _y: Tensor, _x: Tensor, dim: int) -> Any:
    return (flip(cumsum(flip(g, dim), dim), dim),)


def _eager_cumsum(xp: Any, x: Any, dim: int) -> Any:
    if x.ndim == 0:
        return x.copy()
    if x.dtype.kind in "iu" or x.dtype.itemsize > 2:
        return xp.cumsum(x, axis=dim, dtype=x.dtype)
    return xp.cumsum(x.astype("float32"), axis=dim).astype(x.dtype)


cumsum = primitive(
    name="cumsum",
    infer=lambda x, dim: x,
    eager=quiet(_eager_cumsum),
    vjp=_vjp_cumsum,
    doc="The running sum along `dim`.",
)(_canonical_cumsum)


# ---------------------------------------------------------------- composites


def _canonical_var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
) -> Any:
    if unbiased is not None and correction is not None:
        raise ArgumentError("give correction or unbiased, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    require_float("var", TensorType(input.dtype, ()))
    tensors, attrs = canonical_reduction(input, dim, keepdim)
    return tensors, attrs | {"correction": correction}


@composite(canonical=_canonical_var)
def var(input: Tensor, dim: tuple[int, ...], keepdim: bool, correction: int) -> Tensor:
    """The variance over `dim`, dividing by the count less `correction`."""
    centred = input - mean(input, dim, True)
    return sum(centred * centred, dim, keepdim) / _freedom(input, dim, correction)


def _freedom(x: Any, dim: tuple[int, ...], correction: int) -> Size:
    return maximum(_count(x.shape, dim) - correction, 0)


def _vjp_std(g: Tensor, y: Tensor, x: Tensor, dim: Any, keepdim: bool, correction: int) -> Any:
    """As PyTorch has it: 0 where all elements are equal, though the slope there is infinite."""
    scale = where(y == 0, 0.0, g / (y * _freedom(x, dim, correction)))
    return (restore(scale, dim, keepdim) * (x - mean(x, dim, True)),)


@composite(vjp=_vjp_std, canonical=_canonical_var)
def std(input: Tensor, dim: tuple[int, ...], keepdim: bool, correction: int) -> Tensor:
    """The standard deviation over `dim`, dividing by the count less `correction`."""
    return sqrt(var(input, dim, keepdim=keepdim, correction=correction))


@composite(canonical=canonical_reduction)
def logsumexp(input: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""
    if not input.dtype.is_floating_point:
        input = cast(input, float32)
    if same(_count(input.shape, dim), 0):
        return log(sum(exp(input), dim, keepdim))
    top = amax(input, dim, True).detach()
    top = where(top.abs() == float("inf"), 0.0, top)
    result = log(sum(exp(input - top), dim, True)) + top
    return result if keepdim else result.squeeze(dim)


@composite(canonical=canonical_reduction)
def count_nonzero(input: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """How many elements over `dim` are not zero."""
    return sum(input != 0, dim, keepdim)


# ---------------------------------------------------------------- several results


class Extremes(NamedTuple):
    """What `max` and `min` along a dim give."""

    values: Tensor
    indices: Tensor


def _extreme(input: Tensor, dim: Any, keepdim: bool, whole: Op, between: Op, search: Op) -> Any:
    if dim is None:
        return whole(input)
    if is_tensor(dim):
        return between(input, dim)
    indices = search(input, dim, True)
    if not input.ndim:
        return Extremes(input, indices)
    values = gather(input, dim, indices)
    if keepdim:
        return Extremes(values, indices)
    return Extremes(squeeze(values, dim), squeeze(indices, dim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element; along `dim`, (values, indices); with a tensor, the larger of the two."""
    return _extreme(input, dim, keepdim, amax, larger, argmax)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element; along `dim`, (values, indices); with a tensor, the smaller of both."""
    return _extreme(input, dim, keepdim, amin, smaller, argmin)


def var_mean(
    input: Tensor, dim: Dims = None, *, correction: int = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `dim`."""
    spread = var(input, dim, keepdim=keepdim, correction=correction)
    return spread, mean(input, dim, keepdim)
