"""What pooling runs on arrays, and the sizes that its windows come to."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.dims import Size, minimum, product
from ..ir.types import Shape
from .arrays import wide
from .windows import Pairs, Sizes, padded, window_count

# ---------------------------------------------------------------- sizes


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


def reached(
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


def _prepared(
    xp: Any,
    x: Any,
    fill: Any,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> tuple[Any, Shape]:
    """The array padded by `fill` as far as windows reach, and how many there are each way."""
    counts = pooled_sizes(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    reach = reached(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    return padded(xp, x, reach, fill), counts


def _fold(
    combine: Any, x: Any, counts: Shape, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> Any:
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


def eager_max_pool(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    x, counts = _prepared(
        xp, x, _lowest(x.dtype), kernel_size, stride, padding, dilation, ceil_mode
    )
    out = _fold(xp.maximum, x, counts, kernel_size, stride, dilation)
    return out.copy() if product(kernel_size) == 1 else out


def eager_max_pool_indices(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Any:
    sizes, ndim = x.shape[2:], len(kernel_size)
    x, counts = _prepared(
        xp, x, _lowest(x.dtype), kernel_size, stride, padding, dilation, ceil_mode
    )
    steps = [product(sizes[k + 1 :]) for k in range(ndim)]
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


def divided(
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
        return x * (1.0 / product(kernel_size))
    axes = zip(sizes, counts, kernel_size, stride, padding, strict=True)
    for dim, (n, c, k, s, p) in enumerate(axes, 1):
        lengths = _window_lengths(n, c, k, s, p, count_include_pad, lib)
        x = x / lengths.reshape((c, *(1,) * (len(sizes) - dim)))
    return x


def eager_avg_pool(
    xp: Any,
    x: Any,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Any:
    dtype, sizes, ones = x.dtype, x.shape[2:], (1,) * len(kernel_size)
    x, counts = _prepared(xp, wide(x), 0, kernel_size, stride, padding, ones, ceil_mode)
    out = _fold(xp.add, x, counts, kernel_size, stride, ones)
    rest = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return divided(out, xp, sizes, counts, *rest).astype(dtype, copy=False)
