"""Pooling over any number of spatial dims: the largest or the mean element of each window."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.dims import Dim, Size, minimum, same
from ..ir.dims import product as total
from ..ir.errors import ArgumentError, DTypeError, ShapeError
from ..ir.types import Shape, TensorType, bool_, int64
from .arrays import wide
from .conv import conv, to_input
from .create import arange, full
from .elementwise import clamp
from .index import index_put
from .reduce import amax, mean
from .registry import Tensor, composite, primitive
from .rules import require, require_float
from .shape import narrow, reshape, shown, stack
from .windows import Pairs, Sizes, batched, padded, require_room, spatial, window_count

# ---------------------------------------------------------------- arguments and sizes


def _arguments(
    input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> dict[str, Any]:
    """Canonical attributes; the batch and channel dims come first."""
    if input.dtype is bool_:
        raise DTypeError("pooling is not defined for bool")
    ndim = input.ndim - 2
    require(ndim >= 1, f"pooling needs (batch, channels, ...), got {shown(input.shape)}")
    kernel = spatial(kernel_size, ndim, "kernel_size", 1)
    pads = spatial(padding, ndim, "padding")
    dilations = spatial(dilation, ndim, "dilation", 1)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ArgumentError(f"padding {pads} is more than half of the kernel {kernel}")
    strides = kernel if stride is None else spatial(stride, ndim, "stride", 1)
    extra = [s - 1 if ceil_mode else 0 for s in strides]
    reach = tuple((p, p + e) for p, e in zip(pads, extra, strict=True))
    require_room(input.shape[2:], kernel, reach, dilations)
    return {
        "kernel_size": kernel,
        "stride": strides,
        "padding": pads,
        "dilation": dilations,
        "ceil_mode": bool(ceil_mode),
    }


def pooled_sizes(
    sizes: Shape, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Shape:
    """How many windows there are along each spatial dim.

    With `ceil_mode` a last window may reach over the end, if it starts before the padding there.
    """
    result = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        # Rounding up is as if the end were padded by all but one element of a step more.
        count = window_count(n, k, s, (p, p + s - 1 if ceil_mode else p), d)
        if ceil_mode:
            count = minimum(count, (n + p - 1) // s + 1)
        result.append(count)
    return tuple(result)


def _reach(
    sizes: Shape, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Pairs:
    """The padding that the windows reach over, as pairs (before, after)."""
    if not ceil_mode:
        return tuple((p, p) for p in padding)
    counts = pooled_sizes(sizes, kernel, stride, padding, dilation, ceil_mode)
    axes = zip(sizes, counts, kernel, stride, padding, dilation, strict=True)
    return tuple((p, max((c - 1) * s + d * (k - 1) + 1 - n - p, p)) for n, c, k, s, p, d in axes)


def _window_lengths(
    size: Size, count: Size, kernel: int, stride: int, padding: int, padded: bool, lib: Any
) -> Any:
    """How many elements each window along a dim covers, by the `arange` and `clip` of `lib`.

    Args:
        padded: Whether elements of the padding count, but never those beyond it.
    """
    first = lib.arange(count) * stride - padding
    high = lib.clip(first + kernel, None, size + padding if padded else size)
    return high - (first if padded else lib.clip(first, 0, None))


# ---------------------------------------------------------------- kernels


def _fold(xp: Any, x: Any, counts: Shape, kernel: Sizes, stride: Sizes, dilation: Sizes, combine):
    """`combine` over all elements of each window of a padded array, one dim after the other."""
    for dim, (c, k, s, d) in enumerate(zip(counts, kernel, stride, dilation, strict=True), 2):
        lead = (slice(None),) * dim
        first, *rest = [x[(*lead, slice(j * d, j * d + (c - 1) * s + 1, s))] for j in range(k)]
        x = combine(first, rest[0]) if rest else first
        for part in rest[1:]:
            combine(x, part, out=x)
    return x


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _eager_max_pool(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    sizes = x.shape[2:]
    counts = pooled_sizes(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    reach = _reach(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    x = padded(xp, x, reach, _lowest(x.dtype))
    out = _fold(xp, x, counts, kernel_size, stride, dilation, xp.maximum)
    return out.copy() if total(kernel_size) == 1 else out


def _eager_max_pool_indices(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    sizes = x.shape[2:]
    counts = pooled_sizes(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    reach = _reach(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    x = padded(xp, x, reach, _lowest(x.dtype))
    ndim = len(sizes)
    steps = [total(sizes[k + 1 :]) for k in range(ndim)]
    places = []  # of each window's first element in the flattened, unpadded spatial dims
    for k, (c, s, p) in enumerate(zip(counts, stride, padding, strict=True)):
        places.append(((xp.arange(c) * s - p) * steps[k]).reshape(c, *(1,) * (ndim - 1 - k)))
    start = sum(places)
    nan = x.dtype.kind not in "iu" and x.size > 0 and bool(xp.isnan(x.max()))
    best, where = None, xp.zeros((), np.int64)
    for at in np.ndindex(*kernel_size):
        spans = zip(at, dilation, stride, counts, strict=True)
        part = x[(..., *(slice(j * d, j * d + (c - 1) * s + 1, s) for j, d, s, c in spans))]
        shift = sum(j * d * step for j, d, step in zip(at, dilation, steps, strict=True))
        if best is None:
            best, where = part, xp.zeros(part.shape, np.int64)
            continue
        better = part > best
        if nan:
            better |= xp.isnan(part)  # of several, the last one counts
        xp.copyto(where, shift, where=better)
        best = xp.maximum(best, part)
    return where + start


def _divide(
    x: Any,
    lib: Any,
    sizes: Shape,
    counts: Shape,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    """Sums of windows (or their gradients) over the number of elements in each window."""
    if not ceil_mode and (count_include_pad or not any(padding)):
        return x * (1.0 / total(kernel_size))
    axes = zip(sizes, counts, kernel_size, stride, padding, strict=True)
    for dim, (n, c, k, s, p) in enumerate(axes, 1):
        lengths = _window_lengths(n, c, k, s, p, count_include_pad, lib)
        x = x / lengths.reshape((c, *(1,) * (len(sizes) - dim)))
    return x


def _eager_avg_pool(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    dtype, sizes = x.dtype, x.shape[2:]
    x = wide(x)
    ones = (1,) * len(sizes)
    counts = pooled_sizes(sizes, kernel_size, stride, padding, ones, ceil_mode)
    x = padded(xp, x, _reach(sizes, kernel_size, stride, padding, ones, ceil_mode))
    out = _fold(xp, x, counts, kernel_size, stride, ones, xp.add)
    rest = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return _divide(out, xp, sizes, counts, *rest).astype(dtype, copy=False)


# ---------------------------------------------------------------- max


def _infer_max_pool(
    x: TensorType,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> TensorType:
    sizes = pooled_sizes(x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    return TensorType(x.dtype, (*x.shape[:2], *sizes))


def _vjp_max_pool(g: Tensor, _y: Tensor, x: Tensor, **attrs: Any) -> Any:
    """Each gradient goes to the first largest element of its window."""
    planes, elements = x.shape[0] * x.shape[1], total(x.shape[2:])
    # The planes one after the other: indices into one long row are the fastest to add at.
    starts = reshape(arange(planes) * elements, (x.shape[0], x.shape[1], *(1,) * (x.ndim - 2)))
    at = reshape(max_pool_indices(x, **attrs) + starts, (total(g.shape),))
    row = full((planes * elements,), 0, dtype=g.dtype)
    return (reshape(index_put(row, reshape(g, (total(g.shape),)), [at], (0,), True), x.shape),)


@primitive(infer=_infer_max_pool, eager=_eager_max_pool, vjp=_vjp_max_pool)
def max_pool(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest element of each window over the dims after the first two; NaN where one is NaN.

    Args:
        input: (batch, channels, *spatial), of any dtype but bool.
        kernel_size: Size of the windows, for all spatial dims or each of them.
        stride: Distance of the windows; by default their size.
        padding: Elements that count as minus infinity, on both sides.
        dilation: Distance of a window's elements.
        ceil_mode: Whether a last window may reach over the end.

    Raises:
        ShapeError, ArgumentError: where these do not fit together.
    """
    return (input,), _arguments(input, kernel_size, stride, padding, dilation, ceil_mode)


@primitive(
    infer=lambda x, **attrs: TensorType(int64, _infer_max_pool(x, **attrs).shape),
    eager=_eager_max_pool_indices,
)
def max_pool_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Where `max_pool` finds its elements, the first of equals.

    The indices are into the spatial dims flattened to one; the arguments are those of `max_pool`.
    """
    return (input,), _arguments(input, kernel_size, stride, padding, dilation, ceil_mode)


# ---------------------------------------------------------------- mean


class _Ops:
    """What `_window_lengths` needs of an array library, as ops."""

    arange = staticmethod(arange)
    clip = staticmethod(clamp)


def _canonical_avg_pool(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    require_float("avg_pool", TensorType(input.dtype, ()))
    attrs = _arguments(input, kernel_size, stride, padding, 1, ceil_mode)
    del attrs["dilation"]
    return (input,), attrs | {"count_include_pad": bool(count_include_pad)}


def _infer_avg_pool(
    x: TensorType,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> TensorType:
    return _infer_max_pool(x, kernel_size, stride, padding, (1,) * len(stride), ceil_mode)


def _vjp_avg_pool(
    g: Tensor,
    _y: Tensor,
    _x: Tensor,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    sizes, counts, ones = _x.shape[2:], g.shape[2:], (1,) * len(stride)
    rest = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    g = _divide(g, _Ops, sizes, counts, *rest)
    g = reshape(g, (g.shape[0] * g.shape[1], 1, *counts))
    kernel = full((1, 1, *kernel_size), 1.0, dtype=g.dtype)
    reach = _reach(sizes, kernel_size, stride, padding, ones, ceil_mode)
    return (reshape(to_input(g, kernel, sizes, stride, reach, ones, 1), _x.shape),)


@composite(
    canonical=_canonical_avg_pool, infer=_infer_avg_pool, eager=_eager_avg_pool, vjp=_vjp_avg_pool
)
def avg_pool(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """The mean of each window over the dims after the first two.

    Takes the arguments of `max_pool` (but for `dilation`); the padding is of zeros, and counts as
    elements if `count_include_pad`.
    """
    batch, channels, *spatial_sizes = input.shape
    sizes, ones = tuple(spatial_sizes), (1,) * len(stride)
    counts = pooled_sizes(sizes, kernel_size, stride, padding, ones, ceil_mode)
    reach = _reach(sizes, kernel_size, stride, padding, ones, ceil_mode)
    kernel = full((1, 1, *kernel_size), 1.0, dtype=input.dtype)
    sums = conv(reshape(input, (batch * channels, 1, *sizes)), kernel, None, stride, reach)
    sums = reshape(sums, (batch, channels, *counts))
    rest = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return _divide(sums, _Ops, sizes, counts, *rest)


# ---------------------------------------------------------------- PyTorch's names


def _max_pool_function(ndim: int) -> Any:
    name = f"max_pool{ndim}d"

    def function(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        args = (kernel_size, stride or None, padding, dilation, ceil_mode)
        result = batched(max_pool, ndim, name, input, *args)
        if not return_indices:
            return result
        return result, batched(max_pool_indices, ndim, name, input, *args)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`max_pool` over {ndim} spatial dims; the batch dim may be missing."
    return function


def _avg_pool_function(ndim: int) -> Any:
    name = f"avg_pool{ndim}d"

    def function(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Tensor:
        args = (kernel_size, stride or None, padding, ceil_mode, count_include_pad)
        return batched(avg_pool, ndim, name, input, *args)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`avg_pool` over {ndim} spatial dims; the batch dim may be missing."
    return function


def _adaptive(input: Tensor, output_size: Any, ndim: int, pool: Any, reduce: Any) -> Tensor:
    """Pooling to `output_size`; one dim after the other where windows differ in size.

    Raises:
        ShapeError: for a symbolic size whose windows would differ in size.
    """
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * ndim
    sizes = input.shape[-ndim:]
    outs = tuple(n if o is None else o for n, o in zip(sizes, wanted, strict=True))
    if reduce is mean and all(same(o, 1) for o in outs):
        return mean(input, tuple(range(-ndim, 0)), True)
    if all(
        not isinstance(n // o, Dim) and same(n % o, 0) for n, o in zip(sizes, outs, strict=True)
    ):
        return pool(input, tuple(n // o for n, o in zip(sizes, outs, strict=True)))
    for dim, (n, o) in enumerate(zip(sizes, outs, strict=True), input.ndim - ndim):
        if same(o, 1):
            input = reduce(input, dim, True)
        elif not same(n, o):
            input = _adapt_dim(input, dim, n, o, reduce)
    return input


def _adapt_dim(x: Tensor, dim: int, size: Size, out: Size, reduce: Any) -> Tensor:
    if isinstance(size, Dim) or isinstance(out, Dim):
        raise ShapeError(
            f"adaptive pooling from {size} to {out} elements: the windows depend on the size",
            instead="an output size of 1 or None, or pooling with a fixed kernel",
        )
    spans = [(k * size // out, -(-(k + 1) * size // out)) for k in range(out)]
    return stack([reduce(narrow(x, dim, a, b - a), dim) for a, b in spans], dim)


max_pool1d, max_pool2d, max_pool3d = map(_max_pool_function, (1, 2, 3))
avg_pool1d, avg_pool2d, avg_pool3d = map(_avg_pool_function, (1, 2, 3))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows chosen so that `output_size` of them cover the last dim."""
    return _adaptive(input, output_size, 1, avg_pool1d, mean)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of windows chosen so that `output_size` of them cover the last two dims."""
    return _adaptive(input, output_size, 2, avg_pool2d, mean)


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Maxima of windows chosen so that `output_size` of them cover the last dim."""
    return _adaptive(input, output_size, 1, max_pool1d, amax)


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Maxima of windows chosen so that `output_size` of them cover the last two dims."""
    return _adaptive(input, output_size, 2, max_pool2d, amax)
