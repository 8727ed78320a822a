"""Convolutions over any number of spatial dims.

Three primitives, each the gradient of the others, so that derivatives of every order exist:

    y = conv(x, w)    x = conv_transpose(y, w)    w = conv_weight_grad(x, y)

In all three x is (batch, channels, *spatial), w is (out_channels, channels/groups, *kernel) and y
is (batch, out_channels, *output). Attributes are tuples with an entry for each spatial dim; that
of `padding` is the pair (before, after).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import Dim, Size, same
from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import Shape, TensorType
from .arrays import quiet
from .conv_kernels import eager_conv, eager_conv_transpose, eager_conv_weight_grad
from .reduce import sum as sum_
from .registry import Tensor, primitive
from .rules import require, require_float, same_dtype, shown
from .slice import slice_
from .windows import (
    Pairs,
    Sizes,
    batched,
    named,
    padding_pairs,
    require_room,
    spatial,
    transposed_sizes,
    window_count,
)

# ---------------------------------------------------------------- arguments


def _kernel(weight: Any) -> Sizes:
    kernel = tuple(weight.shape[2:])
    if any(isinstance(k, Dim) for k in kernel):
        raise ShapeError(f"a kernel's sizes must be known, got {shown(kernel)}")
    return kernel


def _check(op: str, x: Any, weight: Any, bias: Any) -> None:
    require(
        weight.ndim >= 3 and x.ndim == weight.ndim,
        f"{op} needs an input (batch, channels, ...) and a weight of as many dims, "
        f"got {shown(x.shape)} and {shown(weight.shape)}",
    )
    require_float(op, x)
    same_dtype(op, (x, weight, bias))


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


def _attributes(
    kernel: Sizes, stride: Any, padding: Any, dilation: Any, groups: int
) -> dict[str, Any]:
    ndim = len(kernel)
    strides, dilations = spatial(stride, ndim, "stride", 1), spatial(dilation, ndim, "dilation", 1)
    return {
        "stride": strides,
        "padding": padding_pairs(padding, kernel, strides, dilations),
        "dilation": dilations,
        "groups": int(groups),
    }


# ---------------------------------------------------------------- the convolution


def _check_conv(x: Any, weight: Any, bias: Any, groups: int) -> None:
    _check("conv", x, weight, bias)
    _check_channels("conv", x.shape[1], weight, weight.shape[1] * groups, groups)
    _check_bias("conv", bias, weight.shape[0])


def _infer_conv(
    x: TensorType,
    weight: TensorType,
    bias: TensorType | None,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> TensorType:
    _check_conv(x, weight, bias, groups)
    axes = zip(x.shape[2:], _kernel(weight), stride, padding, dilation, strict=True)
    sizes = tuple(window_count(*axis) for axis in axes)
    return TensorType(x.dtype, (x.shape[0], weight.shape[0], *sizes))


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


@primitive(infer=_infer_conv, eager=quiet(eager_conv), vjp=_vjp_conv)
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
    _check_conv(input, weight, bias, groups)
    kernel = _kernel(weight)
    attrs = _attributes(kernel, stride, padding, dilation, groups)
    require_room(input.shape[2:], kernel, attrs["padding"], attrs["dilation"])
    return (input, weight, bias), attrs


# ---------------------------------------------------------------- its transpose


def _check_conv_transpose(x: Any, weight: Any, bias: Any, groups: int) -> None:
    _check("conv_transpose", x, weight, bias)
    _check_channels("conv_transpose", x.shape[1], weight, weight.shape[0], groups)
    _check_bias("conv_transpose", bias, weight.shape[1] * groups)


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
    _check_conv_transpose(x, weight, bias, groups)
    sizes = transposed_sizes(
        x.shape[2:], _kernel(weight), stride, padding, output_padding, dilation
    )
    return TensorType(x.dtype, (x.shape[0], weight.shape[1] * groups, *sizes))


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


@primitive(infer=_infer_conv_transpose, eager=quiet(eager_conv_transpose), vjp=_vjp_conv_transpose)
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
    _check_conv_transpose(input, weight, bias, groups)
    attrs = _attributes(_kernel(weight), stride, padding, dilation, groups)
    extra = _output_padding(output_padding, attrs["stride"], attrs["dilation"])
    return (input, weight, bias), attrs | {"output_padding": extra}


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
    eager=quiet(eager_conv_weight_grad),
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


def _conv_function(ndim: int) -> Any:
    @named(conv, ndim)
    def function(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        return batched(conv, ndim, input, weight, bias, stride, padding, dilation, groups)

    return function


def _conv_transpose_function(ndim: int) -> Any:
    @named(conv_transpose, ndim)
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
        return batched(conv_transpose, ndim, input, weight, bias, *rest)

    return function


conv1d, conv2d, conv3d = map(_conv_function, (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(_conv_transpose_function, (1, 2, 3))
