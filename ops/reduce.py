"""Reductions over dims, and the scans and searches along one dim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.dims import Size
from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import Op
from ..ir.types import DType, TensorType, bool_, float32, int64
from .elementwise import cast, exp, log, quiet, where
from .registry import Tensor, composite, primitive
from .rules import canonical_dim, canonical_dims, convert, numel, require_float
from .shape import expand, unsqueeze

Kernel = Callable[..., Any]
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


def _canonical(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Any:
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
    return _canonical(x, axis if dim is None else dim, keepdim or keepdims)


def reduction(
    name: str,
    eager: Kernel,
    vjp: Any = None,
    *,
    result: Callable[[DType], DType] = lambda dtype: dtype,
    canonical: Callable[..., Any] = _canonical,
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


def _float_only(name: str) -> Callable[[DType], DType]:
    def result(dtype: DType) -> DType:
        require_float(name, TensorType(dtype, ()))
        return dtype

    return result


def _accumulate(function: str) -> Kernel:
    """NumPy's reduction, accumulating 16-bit floats in float32 and integers in int64."""

    def eager(xp: Any, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
        reduce = getattr(xp, function)
        if x.dtype.kind in "iub":
            return reduce(x, axis=dim, keepdims=keepdim, dtype=np.int64)
        if x.dtype.itemsize == 2:
            wide = reduce(x.astype(np.float32), axis=dim, keepdims=keepdim)
            return wide.astype(x.dtype)
        return reduce(x, axis=dim, keepdims=keepdim)

    return eager


def _spread(g: Tensor, like: Any, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    return expand(restore(g, dim, keepdim), like.shape)


def _count(shape: tuple[Size, ...], dim: tuple[int, ...]) -> Size:
    return numel(tuple(shape[d] for d in dim))


def _vjp_extreme(g: Tensor, y: Tensor, x: Tensor, dim: Any, keepdim: bool) -> Any:
    """The gradient of the largest (or smallest), shared evenly among equals."""
    hit = cast(x == restore(y, dim, keepdim), g.dtype)
    return (hit * (restore(g, dim, keepdim) / sum(hit, dim, True)),)


def _vjp_prod(g: Tensor, _y: Tensor, x: Tensor, dim: Any, keepdim: bool) -> Any:
    """Product of all others: y / x without zeros; a single zero gets the product of the rest."""
    zero = x == 0
    zeros = sum(cast(zero, x.dtype), dim, True)
    filled = where(zero, 1.0, x)
    rest = prod(filled, dim, True)
    others = where(zero, rest, where(zeros == 0, rest / filled, 0.0))
    return (restore(g, dim, keepdim) * where(zeros <= 1, others, 0.0),)


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
    _accumulate("mean"),
    lambda g, _y, _x, dim, keepdim: (_spread(g, _x, dim, keepdim) / _count(_x.shape, dim),),
    result=_float_only("mean"),
    canonical=_canonical_typed,
    doc="The mean over `dim`.",
)
amax = reduction(
    "amax",
    lambda xp, x, dim, keepdim: xp.max(x, axis=dim, keepdims=keepdim),
    _vjp_extreme,
    doc="The largest element over `dim`; equals share the gradient.",
)
amin = reduction(
    "amin",
    lambda xp, x, dim, keepdim: xp.min(x, axis=dim, keepdims=keepdim),
    _vjp_extreme,
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
    return (input,), {"dim": d, "keepdim": bool(keepdim)}


def _search(name: str, doc: str) -> Op:
    def infer(x: TensorType, dim: int | None, keepdim: bool) -> TensorType:
        if x.dtype is bool_:
            raise DTypeError(f"{name} is not defined for bool", instead="convert with .int() first")
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
    return (sum(g, dim, True) - cumsum(g, dim) + g,)


cumsum = primitive(
    name="cumsum",
    infer=lambda x, dim: x,
    eager=lambda xp, x, dim: x.copy() if x.ndim == 0 else xp.cumsum(x, axis=dim, dtype=x.dtype),
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
    tensors, attrs = _canonical(input, dim, keepdim)
    return tensors, attrs | {"correction": correction}


@composite(canonical=_canonical_var)
def var(input: Tensor, dim: tuple[int, ...], keepdim: bool, correction: int) -> Tensor:
    """The variance over `dim`, dividing by the count less `correction`."""
    centred = input - mean(input, dim, True)
    count = _count(input.shape, dim) - correction
    return sum(centred * centred, dim, keepdim) / count


@composite(canonical=_canonical_var)
def std(input: Tensor, dim: tuple[int, ...], keepdim: bool, correction: int) -> Tensor:
    """The standard deviation over `dim`, dividing by the count less `correction`."""
    return var(input, dim, keepdim=keepdim, correction=correction) ** 0.5


@composite(canonical=_canonical)
def logsumexp(input: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """log(sum(exp(input))) over `dim`, without overflow."""
    if not input.dtype.is_floating_point:
        input = cast(input, float32)
    top = amax(input, dim, True).detach()
    top = where(top.abs() == float("inf"), 0.0, top)
    result = log(sum(exp(input - top), dim, True)) + top
    return result if keepdim else result.squeeze(dim)


@composite(canonical=_canonical)
def count_nonzero(input: Tensor, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """How many elements over `dim` are not zero."""
    return sum(input != 0, dim, keepdim)
