"""What convolutions run on arrays: patches beside each other in a matrix, and products with it.

There are two layouts of that matrix, `_prefers_rows` chooses. The batch is taken in blocks, so
that the patches stay in the cache; products of single samples keep small ones on one thread, as
starting others would take longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product as cartesian
from typing import Any

from .arrays import wide
from .windows import Pairs, Sizes, channels_last, padded, transposed_sizes, windows

_BLOCK = 1 << 18  # elements of the patch matrix that are built at a time


def _blocks(batch: int, each: int) -> list[slice]:
    step = max(1, _BLOCK // max(each, 1))
    return [slice(k, k + step) for k in range(0, batch, step)]


def _prefers_rows(channels: int, kernel: Sizes, groups: int, sizes: Sizes) -> bool:
    """Whether patches are copied in longer runs with the channels last, as rows of a matrix."""
    return groups == 1 and math.prod(kernel) > 1 and channels * kernel[-1] > 2 * sizes[-1]


def _rows(xp: Any, x: Any, padding: Pairs, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """A view (batch, *count, *kernel, channels) of all windows of the padded input."""
    patches = windows(xp, channels_last(xp, x, padding), kernel, stride, dilation)
    n = len(kernel)
    return patches.transpose(0, *range(2 + n, 2 + 2 * n), *range(2, 2 + n), 1)


def eager_conv(
    xp: Any,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Any:
    dtype, kernel = x.dtype, weight.shape[2:]
    x, weight = wide(x), wide(weight)
    batch, outputs, columns = x.shape[0], weight.shape[0], math.prod(weight.shape[1:])
    if _prefers_rows(x.shape[1], kernel, groups, x.shape[2:]):
        rows = _rows(xp, x, padding, kernel, stride, dilation)
        count = rows.shape[1 : 1 + len(kernel)]
        matrix = xp.moveaxis(weight, 1, -1).reshape(outputs, columns).T
        out = xp.empty((batch, outputs, *count), x.dtype)
        for part in _blocks(batch, columns * math.prod(count)):
            block = rows[part]
            product = xp.matmul(block.reshape(len(block), -1, columns), matrix)
            if bias is not None:
                product += wide(bias)
            out[part] = xp.moveaxis(product.reshape(-1, *count, outputs), -1, 1)
        return out.astype(dtype, copy=False)
    patches = windows(xp, padded(xp, x, padding), kernel, stride, dilation)
    count = patches.shape[2 + len(kernel) :]
    length = math.prod(count)
    matrix = weight.reshape(groups, outputs // groups, columns)
    out = xp.empty((batch, *matrix.shape[:2], length), x.dtype)
    for part in _blocks(batch, groups * columns * length):
        block = patches[part]
        xp.matmul(matrix, block.reshape(len(block), groups, columns, length), out=out[part])
        if bias is not None:
            out[part] += wide(bias).reshape(*matrix.shape[:2], 1)
    return out.reshape(batch, outputs, *count).astype(dtype, copy=False)


def eager_conv_transpose(
    xp: Any,
    y: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Pairs,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Any:
    dtype, kernel = y.dtype, weight.shape[2:]
    if max(stride) == 1 and max(output_padding) == 0:
        spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if all(max(pair) <= span for pair, span in zip(padding, spans, strict=True)):
            return _by_turned_kernel(xp, y, weight, bias, spans, padding, dilation, groups)
    y, weight = wide(y), wide(weight)
    batch, count = y.shape[0], y.shape[2:]
    channels, length = weight.shape[1] * groups, math.prod(count)
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)
    columns = y.reshape(batch, groups, -1, length)
    sizes = transposed_sizes(count, kernel, stride, padding, output_padding, dilation)
    grown = [n + a + b for n, (a, b) in zip(sizes, padding, strict=True)]
    out = xp.zeros((batch, channels, *grown), y.dtype)
    for part in _blocks(batch, channels * math.prod(kernel) * length):
        patches = xp.matmul(matrix, columns[part])
        patches = patches.reshape(-1, channels, *kernel, *count)
        target = out[part]
        for at in cartesian(*map(range, kernel)):
            spans = zip(at, dilation, stride, count, strict=True)
            place = (slice(k * d, k * d + s * (n - 1) + 1, s) for k, d, s, n in spans)
            target[(..., *place)] += patches[(slice(None), slice(None), *at)]
    inner = (slice(a, a + n) for n, (a, _) in zip(sizes, padding, strict=True))
    out = xp.ascontiguousarray(out[(..., *inner)])
    if bias is not None:
        out += wide(bias).reshape(-1, *(1,) * len(kernel))
    return out.astype(dtype, copy=False)


def _by_turned_kernel(
    xp: Any,
    y: Any,
    weight: Any,
    bias: Any,
    spans: Sequence[int],
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Any:
    """A transposed convolution of stride 1 is a convolution with the kernel turned round."""
    kernel = weight.shape[2:]
    turned = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    turned = xp.flip(turned, tuple(range(3, turned.ndim))).swapaxes(1, 2)
    turned = turned.reshape(groups * weight.shape[1], -1, *kernel)
    pairs = tuple((s - a, s - b) for s, (a, b) in zip(spans, padding, strict=True))
    return eager_conv(xp, y, turned, bias, (1,) * len(kernel), pairs, dilation, groups)


def eager_conv_weight_grad(
    xp: Any,
    x: Any,
    y: Any,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Any:
    dtype = x.dtype
    x, y = wide(x), wide(y)
    batch, channels, outputs = x.shape[0], x.shape[1], y.shape[1]
    columns, length = channels // groups * math.prod(kernel), math.prod(y.shape[2:])
    if _prefers_rows(channels, kernel, groups, x.shape[2:]):
        rows = _rows(xp, x, padding, kernel, stride, dilation)
        _check_count(rows.shape[1 : 1 + len(kernel)], y)
        out = xp.zeros((outputs, columns), x.dtype)
        y = xp.moveaxis(y, 1, -1)
        for part in _blocks(batch, columns * length):
            out += y[part].reshape(-1, outputs).T @ rows[part].reshape(-1, columns)
        return xp.moveaxis(out.reshape(outputs, *kernel, channels), -1, 1).astype(dtype)
    patches = windows(xp, padded(xp, x, padding), kernel, stride, dilation)
    _check_count(patches.shape[2 + len(kernel) :], y)
    # The channels in front: then each group is one product that sums over batch and positions.
    patches = xp.moveaxis(patches, 0, 1 + len(kernel))
    y = xp.moveaxis(y, 0, 1)
    out = xp.zeros((groups, outputs // groups, columns), x.dtype)
    whole = (slice(None),) * (1 + len(kernel))
    for part in _blocks(batch, columns * groups * length):
        left = y[:, part].reshape(groups, outputs // groups, -1)
        right = patches[(*whole, part)].reshape(groups, columns, -1)
        out += xp.matmul(left, right.swapaxes(1, 2))
    return out.reshape(outputs, channels // groups, *kernel).astype(dtype, copy=False)


def _check_count(count: Sizes, y: Any) -> None:
    if count != y.shape[2:]:
        raise ValueError(f"an output of {y.shape[2:]} where the windows are {count}")
