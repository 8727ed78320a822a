"""Windows over spatial dims, which convolutions and pooling share: arguments, sizes and views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dims import Size, bounds
from ..ir.errors import ArgumentError, ShapeError
from ..ir.op import Op
from ..ir.types import Shape
from .registry import Tensor
from .rules import require, shown
from .shape import squeeze, unsqueeze

Pairs = tuple[tuple[int, int], ...]  # (before, after) for each spatial dim
Sizes = tuple[int, ...]


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


def batched(op: Op, ndim: int, input: Tensor, *args: Any) -> Tensor:
    """`op(input, *args)` over `ndim` spatial dims; the batch dim of `input` may be missing."""
    if input.ndim == ndim + 1:
        return squeeze(op(unsqueeze(input, 0), *args), 0)
    require(
        input.ndim == ndim + 2,
        f"{op.name}{ndim}d needs an input of {ndim + 1} or {ndim + 2} dims, "
        f"got {shown(input.shape)}",
    )
    return op(input, *args)


def named(op: Op, ndim: int) -> Callable[[Any], Any]:
    """Decorates what is `op` over `ndim` spatial dims: gives it PyTorch's name, and a docstring."""

    def name(function: Any) -> Any:
        function.__name__ = function.__qualname__ = f"{op.name}{ndim}d"
        function.__doc__ = f"`{op.name}` over {ndim} spatial dims; the batch dim may be missing."
        return function

    return name


# ---------------------------------------------------------------- views


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


def channels_last(xp: Any, x: Any, padding: Pairs) -> Any:
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
