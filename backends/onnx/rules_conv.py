"""Convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as cartesian
from typing import Any

from ...ir.dims import Dim, product
from ...ir.graph import Node
from ...ir.types import Shape, float64, int64
from .registry import Declined, rule
from .rules_shape import permute, reshape, shape_of
from .writer import Ref, Writer

Pairs = Sequence[tuple[int, int]]


def _pads(pairs: Pairs) -> list[int] | None:
    """All paddings before, then all after; None where there is none."""
    pads = [a for a, _ in pairs] + [z for _, z in pairs]
    return pads if any(pads) else None


def _unless_ones(values: tuple[int, ...]) -> list[int] | None:
    return list(values) if any(v != 1 for v in values) else None


@rule("conv")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    attrs = node.attrs
    if x.dtype is float64:
        return _conv_by_matmul(b, node, x, weight, bias)
    return b.op(
        "Conv",
        *([x, weight] if bias is None else [x, weight, bias]),
        kernel_shape=list(shape_of(node, 1)[2:]),
        strides=_unless_ones(attrs["stride"]),
        pads=_pads(attrs["padding"]),
        dilations=_unless_ones(attrs["dilation"]),
        group=attrs["groups"] if attrs["groups"] != 1 else None,
    )


def _conv_by_matmul(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    """As one product over all elements of the windows: there is no float64 kernel for Conv."""
    attrs, groups = node.attrs, node.attrs["groups"]
    (batch, channels, *_), (outputs, _, *kernel) = shape_of(node), shape_of(node, 1)
    counts: Shape = node.output.type.shape[2:]
    axes = b.ints(range(2, 2 + len(kernel)))
    if (pads := _pads(((0, 0), (0, 0), *attrs["padding"]))) is not None:
        x = b.op("Pad", x, b.ints(pads), b.like(0.0, x))
    parts = []
    for place in cartesian(*map(range, kernel)):
        first = [k * d for k, d in zip(place, attrs["dilation"], strict=True)]
        spans = zip(first, attrs["stride"], counts, strict=True)
        last = b.sizes.vector([start + (n - 1) * step + 1 for start, step, n in spans])
        part = b.op("Slice", x, b.ints(first), last, axes, b.ints(attrs["stride"]))
        parts.append(b.op("Unsqueeze", part, b.ints([2])))
    windows = b.op("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]
    columns = channels // groups * len(parts)
    each = outputs // groups
    flat: Shape = (batch, groups, columns, product(counts))
    windows = reshape(b, windows, (batch, channels, len(parts), *counts), flat)
    matrix = reshape(b, weight, shape_of(node, 1), (groups, each, columns))
    out = b.op("MatMul", matrix, windows)
    out = reshape(b, out, (batch, groups, each, product(counts)), node.output.type.shape)
    if bias is None:
        return out
    ones = (1,) * len(kernel)
    return b.op("Add", out, reshape(b, bias, shape_of(node, 2), (outputs, *ones)))


@rule("conv_weight_grad")
def _(b: Writer, node: Node, x: Ref, grad: Ref) -> Ref:
    """A convolution of the input by the gradient, with channels as the batch."""
    attrs = node.attrs
    if attrs["groups"] != 1 or x.dtype is float64:
        raise Declined("the gradient of a convolution's weight, in groups or in float64")
    ndim = len(attrs["kernel"])
    order = [1, 0, *range(2, 2 + ndim)]
    out = b.op(
        "Conv",
        permute(b, x, order),
        permute(b, grad, order),
        strides=_unless_ones(attrs["dilation"]),
        pads=_pads(attrs["padding"]),
        dilations=_unless_ones(attrs["stride"]),
    )
    # What a stride leaves over at the end of the input makes for a larger kernel.
    axes: list[int] = list(range(2, 2 + ndim))
    out = b.op("Slice", out, b.ints([0] * ndim), b.ints(attrs["kernel"]), b.ints(axes))
    return permute(b, out, order)


@rule("conv_transpose")
def _(b: Writer, node: Node, x: Ref, weight: Ref, bias: Ref | None) -> Ref:
    attrs = node.attrs
    extra = attrs["output_padding"]
    if any(isinstance(size, Dim) for size in extra):
        raise Declined("the output's size depends on a symbolic size")
    return b.op(
        "ConvTranspose",
        *([x, weight] if bias is None else [x, weight, bias]),
        kernel_shape=list(shape_of(node, 1)[2:]),
        strides=_unless_ones(attrs["stride"]),
        pads=_pads(attrs["padding"]),
        output_padding=list(extra) if any(extra) else None,
        dilations=_unless_ones(attrs["dilation"]),
        group=attrs["groups"] if attrs["groups"] != 1 else None,
    )


# ---------------------------------------------------------------- pools


def _pool_attrs(node: Node) -> dict[str, Any]:
    """Windows, with what ceil_mode lets them reach over the end as padding after it."""
    attrs, sizes = node.attrs, shape_of(node)[2:]
    dilation = attrs.get("dilation", (1,) * len(sizes))
    pairs = [(p, p) for p in attrs["padding"]]
    if attrs["ceil_mode"]:
        counts = node.output.type.shape[2:]
        if any(isinstance(n, Dim) for n in (*sizes, *counts)):
            raise Declined("ceil_mode", "use ceil_mode=False")
        axes = zip(sizes, counts, attrs["kernel_size"], attrs["stride"], dilation, strict=True)
        pairs = [
            (p, max(p, (c - 1) * s + d * (k - 1) + 1 - n - p))
            for p, (n, c, k, s, d) in zip(attrs["padding"], axes, strict=True)
        ]
    return {
        "kernel_shape": list(attrs["kernel_size"]),
        "strides": _unless_ones(attrs["stride"]),
        "pads": _pads(pairs),
        "dilations": _unless_ones(dilation),
    }


@rule("max_pool")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if x.dtype.is_integer and 8 < x.dtype.bits <= 32:
        return b.cast(b.op("MaxPool", b.cast(x, float64), **_pool_attrs(node)), x.dtype)
    return b.op("MaxPool", x, **_pool_attrs(node))


@rule("max_pool_indices")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    """ONNX counts the indices through all dims, we within each plane of spatial dims."""
    if not x.dtype.is_floating_point:
        raise Declined("MaxPool gives no indices for integers")
    _, indices = b.node("MaxPool", [b.widen(x)], 2, _pool_attrs(node))
    plane = b.sizes.one(product(shape_of(node)[2:]))
    return b.op("Mod", Ref(indices, int64), plane)


@rule("avg_pool")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if node.attrs["ceil_mode"]:
        raise Declined("what ceil_mode adds must not count as padding")
    include = node.attrs["count_include_pad"] and any(node.attrs["padding"])
    attrs = _pool_attrs(node)
    return b.op("AveragePool", x, **attrs, count_include_pad=1 if include else None)
