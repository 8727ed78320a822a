"""Convolutions over any number of spatial dims.

Three primitives, each the gradient of the others, so that derivatives of every order exist:

    y = conv(x, w)    x = conv_transpose(y, w)    w = conv_weight_grad(x, y)

In all three x is (batch, channels, *spatial), w is (out_channels, channels/groups, *kernel) and y
is (batch, out_channels, *output). Attributes are tuples with an entry for each spatial dim; that
of `padding` is the pair (before, after).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product as cartesian
from typing import Any

import numpy as np

from ..ir.dims import Dim, Size, bounds, same
from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import Shape, TensorType
from .elementwise import quiet
from .reduce import sum as sum_
from .registry import Tensor, primitive
from .rules import require, require_float, same_dtype
from .shape import shown, slice_, squeeze, unsqueeze

Pairs = tuple[tuple[int, int], ...]
Sizes = tuple[int, ...]

_BLOCK = 1 << 18  # elements of the patch matrix that are built at a time, to stay in the cache


# ---------------------------------------------------------------- arguments and sizes


def spatial(value: Any, ndim: int, name: str, least: int = 0) -> Sizes:
    """An int, or one for each spatial dim, as a tuple of `ndim` ints that are at least `least`."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * ndim
    if len(values) == 1:
        values *= ndim
    if len(values) != ndim or not all(isinstance(v, int | np.integer) for v in values):
        raise ArgumentError(f"{name} must be an int or {ndim} ints, got {value!r}")
    if any(v < least for v in values):
        raise ArgumentError(f"{name} must be at least {least}, got {value!r}")
    return tuple(int(v) for v in values)


def padding_pairs(value: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Pairs:
    """Padding as pairs (before, after), from 'same', 'valid', ints or such pairs."""
    if value == "valid":
        return ((0, 0),) * len(kernel)
    if value == "same":
        if any(s != 1 for s in stride):
            raise ArgumentError("padding='same' needs a stride of 1", instead="give it in numbers")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(value, tuple | list) and value and isinstance(value[0], tuple | list):
        return tuple((int(a), int(b)) for a, b in value)
    if isinstance(value, str):
        raise ArgumentError(f"padding must be 'same', 'valid' or numbers, got {value!r}")
    return tuple((p, p) for p in spatial(value, len(kernel), "padding"))


def window_count(size: Size, kernel: int, stride: int, padding: tuple[int, int], dilation: int):
    """How many windows of `kernel` elements fit along a dim of `size`.

    Raises:
        ShapeError: where none does.
    """
    room = size + padding[0] + padding[1] - dilation * (kernel - 1) - 1
    high = bounds(room)[1]
    if high is not None and high < 0:
        raise ShapeError(
            f"a kernel of {kernel} (dilation {dilation}) does not fit into {size} elements "
            f"padded by {padding[0]} and {padding[1]}"
        )
    return room // stride + 1


def require_room(sizes: Shape, kernel: Sizes, padding: Pairs, dilation: Sizes) -> None:
    """Raise `ShapeError` unless a window fits; of symbolic sizes a capture records that it must."""
    for size, k, (a, b), d in zip(sizes, kernel, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        require(
            bool(size + a + b >= span),
            f"a kernel of {k} (dilation {d}) does not fit into {size} elements "
            f"padded by {a} and {b}",
        )


def _kernel(weight: Any) -> Sizes:
    kernel = tuple(weight.shape[2:])
    if any(isinstance(k, Dim) for k in kernel):
        raise ShapeError(f"a kernel's sizes must be known, got {shown(kernel)}")
    return kernel


def _check(op: str, x: Any, weight: Any) -> None:
    require(
        weight.ndim >= 3 and x.ndim == weight.ndim,
        f"{op} needs an input (batch, channels, ...) and a weight of as many dims, "
        f"got {shown(x.shape)} and {shown(weight.shape)}",
    )


def _equal(a: Size, b: Size) -> bool:
    return same(a, b) or bool(a == b)


def _check_channels(op: str, channels: Size, weight: Any, per_group: Size, groups: int) -> None:
    fits = _equal(channels, per_group) and _equal(weight.shape[0] % groups, 0)
    require(
        fits,
        f"{op}: an input of {channels} channels does not fit a weight of shape "
        f"{shown(weight.shape)} in {groups} groups",
    )


def _check_bias(op: str, bias: Any, channels: Size) -> None:
    if bias is not None:
        fits = bias.ndim == 1 and _equal(bias.shape[0], channels)
        require(fits, f"{op}: a bias of {shown(bias.shape)} does not fit {channels} channels")


# ---------------------------------------------------------------- kernels


def padded(xp: Any, x: Any, padding: Pairs, fill: Any = 0) -> Any:
    """The array with its last dims padded by `fill`; itself where there is nothing to pad."""
    if not any(a or b for a, b in padding):
        return x
    lead = x.shape[: -len(padding)]
    out = xp.full((*lead, *_grown(x, padding)), fill, x.dtype)
    out[(..., *_inner(x, padding))] = x
    return out


def _grown(x: Any, padding: Pairs) -> Sizes:
    sizes = x.shape[-len(padding) :]
    return tuple(n + a + b for n, (a, b) in zip(sizes, padding, strict=True))


def _inner(x: Any, padding: Pairs) -> tuple[slice, ...]:
    sizes = x.shape[-len(padding) :]
    return tuple(slice(a, a + n) for n, (a, _) in zip(sizes, padding, strict=True))


def _channels_last(xp: Any, x: Any, padding: Pairs) -> Any:
    """`padded(x)` with the channels next to each other in memory."""
    out = xp.zeros((x.shape[0], *_grown(x, padding), x.shape[1]), x.dtype)
    out = xp.moveaxis(out, -1, 1)
    out[(..., *_inner(x, padding))] = x
    return out


def windows(xp: Any, x: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """A view (*lead, *kernel, *count) of all windows over the last dims of a padded array.

    Raises:
        ValueError: where a kernel does not fit.
    """
    lead = x.ndim - len(kernel)
    spans = zip(x.shape[lead:], kernel, stride, dilation, strict=True)
    count = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in spans)
    if min(count, default=1) < 1:
        raise ValueError(f"a kernel of {kernel} does not fit")
    steps = x.strides[lead:]
    return xp.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:lead], *kernel, *count),
        (
            *x.strides[:lead],
            *(t * d for t, d in zip(steps, dilation, strict=True)),
            *(t * s for t, s in zip(steps, stride, strict=True)),
        ),
    )


def _wide(x: Any) -> Any:
    """16-bit floats as float32, to be added up."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _blocks(batch: int, each: int) -> list[slice]:
    step = max(1, _BLOCK // max(each, 1))
    return [slice(k, k + step) for k in range(0, batch, step)]


def _prefers_rows(channels: int, kernel: Sizes, groups: int, sizes: Sizes) -> bool:
    """Whether patches are copied in longer runs with the channels last, as rows of a matrix."""
    return groups == 1 and math.prod(kernel) > 1 and channels * kernel[-1] > 2 * sizes[-1]


def _rows(xp: Any, x: Any, padding: Pairs, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Any:
    """A view (batch, *count, *kernel, channels) of all windows of the padded input."""
    patches = windows(xp, _channels_last(xp, x, padding), kernel, stride, dilation)
    n = len(kernel)
    return patches.transpose(0, *range(2 + n, 2 + 2 * n), *range(2, 2 + n), 1)


def _eager_conv(
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
    x, weight = _wide(x), _wide(weight)
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
                product += _wide(bias)
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
            out[part] += _wide(bias).reshape(*matrix.shape[:2], 1)
    return out.reshape(batch, outputs, *count).astype(dtype, copy=False)


def _eager_conv_transpose(
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
    y, weight = _wide(y), _wide(weight)
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
        out += _wide(bias).reshape(-1, *(1,) * len(kernel))
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
    return _eager_conv(xp, y, turned, bias, (1,) * len(kernel), pairs, dilation, groups)


def _eager_conv_weight_grad(
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
    x, y = _wide(x), _wide(y)
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


# ---------------------------------------------------------------- the convolution


def _infer_conv(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> TensorType:
    _check("conv", x, weight)
    require_float("conv", x)
    _check_channels("conv", x.shape[1], weight, weight.shape[1] * groups, groups)
    _check_bias("conv", bias, weight.shape[0])
    axes = zip(x.shape[2:], _kernel(weight), stride, padding, dilation, strict=True)
    sizes = tuple(window_count(*axis) for axis in axes)
    dtype = same_dtype("conv", (x, weight, bias))
    return TensorType(dtype, (x.shape[0], weight.shape[0], *sizes))


def _over_positions(g: Tensor) -> Tensor:
    """The gradient of a bias."""
    return sum_(g, (0, *range(2, g.ndim)))


def _vjp_conv(
    g: Tensor,
    _y: Tensor,
    x: Tensor,
    weight: Tensor,
    _bias: Tensor | None,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Any:
    def of_input() -> Tensor:
        return to_input(g, weight, x.shape[2:], stride, padding, dilation, groups)

    def of_weight() -> Tensor:
        return conv_weight_grad(x, g, weight.shape[2:], stride, padding, dilation, groups)

    return of_input, of_weight, None if _bias is None else lambda: _over_positions(g)


def to_input(
    y: Tensor,
    weight: Tensor,
    sizes: Shape,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    """`conv_transpose` to an output of the given spatial sizes."""
    least = transposed_sizes(
        y.shape[2:], weight.shape[2:], stride, padding, (0,) * len(stride), dilation
    )
    rest = tuple(n - m for n, m in zip(sizes, least, strict=True))
    return conv_transpose(y, weight, None, stride, padding, rest, groups, dilation)


@primitive(infer=_infer_conv, eager=quiet(_eager_conv), vjp=_vjp_conv)
def conv(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The cross-correlation of a batch with a kernel, over as many spatial dims as `weight` has.

    Args:
        input: (batch, channels, *spatial).
        weight: (out_channels, channels / groups, *kernel).
        bias: (out_channels,).
        stride: Step of the kernel, for all spatial dims or each of them, as the next two.
        padding: Zeros on both sides; pairs (before, after); 'same' or 'valid'.
        dilation: Distance of the kernel's elements.
        groups: In how many independent parts the channels are split.

    Raises:
        ShapeError, DTypeError, ArgumentError: where these do not fit together.
    """
    _check("conv", input, weight)
    kernel = _kernel(weight)
    ndim = len(kernel)
    strides, dilations = spatial(stride, ndim, "stride", 1), spatial(dilation, ndim, "dilation", 1)
    pairs = padding_pairs(padding, kernel, strides, dilations)
    require_room(input.shape[2:], kernel, pairs, dilations)
    attrs = {"stride": strides, "padding": pairs, "dilation": dilations, "groups": int(groups)}
    if bias is not None:
        _check_bias("conv", bias, weight.shape[0])
    _check_channels("conv", input.shape[1], weight, weight.shape[1] * groups, groups)
    return (input, weight, bias), attrs


# ---------------------------------------------------------------- its transpose


def transposed_sizes(
    sizes: Shape,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    output_padding: Sizes,
    dilation: Sizes,
) -> Shape:
    """The spatial sizes of a transposed convolution's output."""
    axes = zip(sizes, kernel, stride, padding, output_padding, dilation, strict=True)
    return tuple((n - 1) * s - a - b + d * (k - 1) + o + 1 for n, k, s, (a, b), o, d in axes)


def _infer_conv_transpose(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None,
    stride: Sizes,
    padding: Pairs,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> TensorType:
    _check("conv_transpose", x, weight)
    require_float("conv_transpose", x)
    channels = weight.shape[1] * groups
    _check_channels("conv_transpose", x.shape[1], weight, weight.shape[0], groups)
    _check_bias("conv_transpose", bias, channels)
    sizes = transposed_sizes(
        x.shape[2:], _kernel(weight), stride, padding, output_padding, dilation
    )
    dtype = same_dtype("conv_transpose", (x, weight, bias))
    return TensorType(dtype, (x.shape[0], channels, *sizes))


def _vjp_conv_transpose(
    g: Tensor,
    _x: Tensor,
    input: Tensor,
    weight: Tensor,
    _bias: Tensor | None,
    stride: Sizes,
    padding: Pairs,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Any:
    bare, pairs = g, padding
    if any(not isinstance(o, Dim) and o >= s for o, s in zip(output_padding, stride, strict=True)):
        bare, pairs = _without_output_padding(g, padding, output_padding)

    def of_input() -> Tensor:
        return conv(bare, weight, None, stride, pairs, dilation, groups)

    def of_weight() -> Tensor:
        return conv_weight_grad(bare, input, weight.shape[2:], stride, pairs, dilation, groups)

    return of_input, of_weight, None if _bias is None else lambda: _over_positions(g)


def _without_output_padding(
    g: Tensor, padding: Pairs, output_padding: Sizes
) -> tuple[Tensor, Pairs]:
    """The gradient and padding for which `conv` gives just the transposed convolution's input."""
    pairs = []
    for dim, ((before, after), extra) in enumerate(zip(padding, output_padding, strict=True), 2):
        less = min(after, extra)
        g = slice_(g, dim, 0, g.shape[dim] - (extra - less))
        pairs.append((before, after - less))
    return g, tuple(pairs)


@primitive(infer=_infer_conv_transpose, eager=quiet(_eager_conv_transpose), vjp=_vjp_conv_transpose)
def conv_transpose(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The transpose of `conv`: every element of the input spreads over a window of the output.

    Args:
        input: (batch, channels, *spatial).
        weight: (channels, out_channels / groups, *kernel).
        bias: (out_channels,).
        stride: Distance of the windows in the output.
        padding: What is cut off the output on both sides, or pairs (before, after).
        output_padding: Elements added after the output, less than the stride or the dilation.
        groups: In how many independent parts the channels are split.
        dilation: Distance of the kernel's elements.

    Raises:
        ShapeError, DTypeError, ArgumentError: where these do not fit together.
    """
    _check("conv_transpose", input, weight)
    kernel = _kernel(weight)
    ndim = len(kernel)
    strides, dilations = spatial(stride, ndim, "stride", 1), spatial(dilation, ndim, "dilation", 1)
    attrs = {
        "stride": strides,
        "padding": padding_pairs(padding, kernel, strides, dilations),
        "output_padding": _output_padding(output_padding, strides, dilations),
        "dilation": dilations,
        "groups": int(groups),
    }
    _check_channels("conv_transpose", input.shape[1], weight, weight.shape[0], groups)
    _check_bias("conv_transpose", bias, weight.shape[1] * groups)
    return (input, weight, bias), attrs


def _output_padding(value: Any, stride: Sizes, dilation: Sizes) -> tuple[Size, ...]:
    if isinstance(value, tuple) and any(isinstance(v, Dim) for v in value):
        return value  # from the gradient of a convolution over symbolic sizes
    sizes = spatial(value, len(stride), "output_padding")
    if any(p >= max(s, d) for p, s, d in zip(sizes, stride, dilation, strict=True)):
        raise ArgumentError(
            f"output_padding must be less than the stride or the dilation, got {value!r}"
        )
    return sizes


# ---------------------------------------------------------------- the gradient of the weight


def _infer_conv_weight_grad(
    x: TensorType,
    y: TensorType,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> TensorType:
    shape = (y.shape[1], x.shape[1] // groups, *kernel)
    return TensorType(same_dtype("conv_weight_grad", (x, y)), shape)


def _vjp_conv_weight_grad(
    g: Tensor,
    _w: Tensor,
    input: Tensor,
    grad: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> Any:
    def of_input() -> Tensor:
        return to_input(grad, g, input.shape[2:], stride, padding, dilation, groups)

    return of_input, lambda: conv(input, g, None, stride, padding, dilation, groups)


@primitive(
    infer=_infer_conv_weight_grad,
    eager=quiet(_eager_conv_weight_grad),
    vjp=_vjp_conv_weight_grad,
)
def conv_weight_grad(
    input: Tensor,
    grad: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Pairs,
    dilation: Sequence[int],
    groups: int,
) -> Any:
    """The gradient of `conv`'s weight: the input's windows correlated with the output's gradient.

    Args:
        input: (batch, channels, *spatial), as given to `conv`.
        grad: (batch, out_channels, *output), the gradient of its result.
        kernel: The kernel's sizes; the others are `conv`'s attributes.
        stride: See `kernel`.
        padding: See `kernel`.
        dilation: See `kernel`.
        groups: See `kernel`.
    """
    attrs = {
        "kernel": tuple(kernel),
        "stride": tuple(stride),
        "padding": tuple(padding),
        "dilation": tuple(dilation),
        "groups": groups,
    }
    return (input, grad), attrs


# ---------------------------------------------------------------- PyTorch's names


def batched(op: Any, ndim: int, name: str, input: Tensor, *args: Any) -> Tensor:
    """`op(input, *args)` over `ndim` spatial dims; the batch dim of `input` may be missing."""
    if input.ndim == ndim + 1:
        return squeeze(op(unsqueeze(input, 0), *args), 0)
    require(
        input.ndim == ndim + 2,
        f"{name} needs an input of {ndim + 1} or {ndim + 2} dims, got {shown(input.shape)}",
    )
    return op(input, *args)


def _conv_function(ndim: int) -> Any:
    name = f"conv{ndim}d"

    def function(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        return batched(conv, ndim, name, input, weight, bias, stride, padding, dilation, groups)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`conv` over {ndim} spatial dims; the batch dim may be missing."
    return function


def _conv_transpose_function(ndim: int) -> Any:
    name = f"conv_transpose{ndim}d"

    def function(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Tensor:
        rest = (stride, padding, output_padding, groups, dilation)
        return batched(conv_transpose, ndim, name, input, weight, bias, *rest)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`conv_transpose` over {ndim} spatial dims; the batch dim may be missing."
    return function


conv1d, conv2d, conv3d = map(_conv_function, (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose_function, (1, 2, 3))
