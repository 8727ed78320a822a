"""Pooling over any number of spatial dims: the largest or the mean element of each window."""

from __future__ import annotations

from typing import Any

from ..ir.dims import Dim, Size, product, same
from ..ir.errors import ArgumentError, DTypeError, ShapeError
from ..ir.types import TensorType, bool_, int64
from .composite.arithmetic import clamp
from .conv import conv, to_input
from .create import arange, full
from .index import index_put
from .join import stack
from .pool_kernels import (
    divided,
    eager_avg_pool,
    eager_max_pool,
    eager_max_pool_indices,
    pooled_sizes,
    reached,
)
from .reduce import amax, mean
from .registry import Tensor, composite, primitive
from .rules import require, require_float, shown
from .shape import reshape
from .slice import narrow
from .windows import Sizes, batched, named, require_room, spatial

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
    planes, elements = x.shape[0] * x.shape[1], product(x.shape[2:])
    # The planes one after the other: indices into one long row are the fastest to add at.
    starts = reshape(arange(planes) * elements, (x.shape[0], x.shape[1], *(1,) * (x.ndim - 2)))
    at = reshape(max_pool_indices(x, **attrs) + starts, (product(g.shape),))
    row = full((planes * elements,), 0, dtype=g.dtype)
    return (reshape(index_put(row, reshape(g, (product(g.shape),)), [at], (0,), True), x.shape),)


@primitive(infer=_infer_max_pool, eager=eager_max_pool, vjp=_vjp_max_pool)
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


max_pool_indices = primitive(
    name="max_pool_indices",
    infer=lambda x, **attrs: TensorType(int64, _infer_max_pool(x, **attrs).shape),
    eager=eager_max_pool_indices,
    doc="Where `max_pool` finds its elements: indices into the flattened spatial dims.",
)(max_pool.canonical)


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
    g = divided(g, _Ops, sizes, counts, *rest)
    g = reshape(g, (g.shape[0] * g.shape[1], 1, *counts))
    kernel = full((1, 1, *kernel_size), 1.0, dtype=g.dtype)
    reach = reached(sizes, kernel_size, stride, padding, ones, ceil_mode)
    return (reshape(to_input(g, kernel, sizes, stride, reach, ones, 1), _x.shape),)


@composite(
    canonical=_canonical_avg_pool, infer=_infer_avg_pool, eager=eager_avg_pool, vjp=_vjp_avg_pool
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
    reach = reached(sizes, kernel_size, stride, padding, ones, ceil_mode)
    kernel = full((1, 1, *kernel_size), 1.0, dtype=input.dtype)
    sums = conv(reshape(input, (batch * channels, 1, *sizes)), kernel, None, stride, reach)
    sums = reshape(sums, (batch, channels, *counts))
    rest = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return divided(sums, _Ops, sizes, counts, *rest)


# ---------------------------------------------------------------- PyTorch's names


def _max_pool_function(ndim: int) -> Any:
    @named(max_pool, ndim)
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
        result = batched(max_pool, ndim, input, *args)
        if not return_indices:
            return result
        return result, batched(max_pool_indices, ndim, input, *args)

    return function


def _avg_pool_function(ndim: int) -> Any:
    @named(avg_pool, ndim)
    def function(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> Tensor:
        args = (kernel_size, stride or None, padding, ceil_mode, count_include_pad)
        return batched(avg_pool, ndim, input, *args)

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
