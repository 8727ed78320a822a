"""Pooling over any number of spatial dims: the largest or the mean element of each window."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.dims import Dim, Size, minimum, same
from ..ir.dims import product as total
from ..ir.errors import ArgumentError, DTypeError, ShapeError
from ..ir.types import Shape, TensorType, bool_, int64
from .conv import Pairs, Sizes, batched, conv, padded, require_room, spatial, to_input, window_count
from .create import arange, full
from .elementwise import clamp, quiet
from .index import index, index_put
from .reduce import amax, mean
from .registry import Tensor, composite, primitive
from .rules import require, require_float
from .shape import narrow, reshape, shown, stack, zeros_of

# ---------------------------------------------------------------- arguments and sizes


def _arguments(
    input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> dict[str, Any]:
    """Canonical attributes; the batch and channel dims come first."""
    ndim = input.ndim - 2
    require(ndim >= 1, f"pooling needs (batch, channels, ...), got {shown(input.shape)}")
    kernel = spatial(kernel_size, ndim, "kernel_size", 1)
    pads = spatial(padding, ndim, "padding")
    dilations = spatial(dilation, ndim, "dilation", 1)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ArgumentError(f"padding {pads} is more than half of the kernel {kernel}")
    require_room(input.shape[2:], kernel, tuple((p, p) for p in pads), dilations)
    return {
        "kernel_size": kernel,
        "stride": kernel if stride is None else spatial(stride, ndim, "stride", 1),
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
        count = window_count(n, k, s, (p, p), d)
        if ceil_mode:
            rounded_up = window_count(n, k, s, (p, p + s - 1), d)
            count = minimum(rounded_up, (n + p - 1) // s + 1)
        result.append(count)
    return tuple(result)


def _reach(sizes: Shape, counts: Shape, kernel: Sizes, stride: Sizes, padding: Sizes,
           dilation: Sizes) -> Pairs:
    """The padding that the windows reach over, as pairs; what they leave out counts as none."""
    axes = zip(sizes, counts, kernel, stride, padding, dilation, strict=True)
    return tuple(
        (p, max((c - 1) * s + d * (k - 1) + 1 - n - p, p)) for n, c, k, s, p, d in axes
    )


# ---------------------------------------------------------------- kernels


def _fold(xp: Any, x: Any, counts: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes, combine):
    """`combine` over all elements of each window of a padded array, one dim after the other."""
    for dim, (c, k, s, d) in enumerate(zip(counts, kernel, stride, dilation, strict=True), 2):
        lead = (slice(None),) * dim
        spans = (slice(j * d, j * d + (c - 1) * s + 1, s) for j in range(k))
        parts = (x[(*lead, span)] for span in spans)
        first = next(parts)
        second = next(parts, None)
        x = first if second is None else combine(first, second)
        for part in parts:
            combine(x, part, out=x)
    return x


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def _eager_max_pool(
    xp: Any, x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    sizes = x.shape[2:]
    counts = pooled_sizes(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    reach = _reach(sizes, counts, kernel_size, stride, padding, dilation)
    x = padded(xp, x, reach, _lowest(x.dtype))
    out = _fold(xp, x, counts, kernel_size, stride, dilation, xp.maximum)
    return out.copy() if total(kernel_size) == 1 else out


def _eager_max_pool_indices(
    xp: Any, x: Any, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    sizes = x.shape[2:]
    counts = pooled_sizes(sizes, kernel_size, stride, padding, dilation, ceil_mode)
    reach = _reach(sizes, counts, kernel_size, stride, padding, dilation)
    x = padded(xp, x, reach, _lowest(x.dtype))
    ndim = len(sizes)
    steps = [total(sizes[k + 1 :]) for k in range(ndim)]
    places = []  # of each window's first element in the flattened, unpadded spatial dims
    for k, (c, s, p) in enumerate(zip(counts, stride, padding, strict=True)):
        places.append(((xp.arange(c) * s - p) * steps[k]).reshape(c, *(1,) * (ndim - 1 - k)))
    start = sum(places)
    best = where = None
    for at in np.ndindex(*kernel_size):
        spans = zip(at, dilation, stride, counts, strict=True)
        part = x[(..., *(slice(j * d, j * d + (c - 1) * s + 1, s) for j, d, s, c in spans))]
        shift = sum(j * d * step for j, d, step in zip(at, dilation, steps, strict=True))
        if best is None:
            best, where = part.copy(), xp.zeros(part.shape, np.int64)
            continue
        better = part > best
        if x.dtype.kind not in "iub":
            better |= xp.isnan(part) & ~xp.isnan(best)
        xp.copyto(best, part, where=better)
        where[better] = shift
    return where + start


