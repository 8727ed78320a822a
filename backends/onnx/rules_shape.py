"""Ops that rearrange elements, and tensors made from sizes and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.dims import Dim, Size, bounds, product, same, same_shape
from ...ir.graph import Node
from ...ir.types import DType, Shape, bool_, float64, int64
from ...ops.arrays import numpy_dtype
from .registry import Simple, rule, table
from .writer import Ref, Writer, tensor_proto

table({"cat": Simple("Concat", attrs={"dim": "axis"})})

# Tensors of up to this many elements are stored rather than computed.
_STORED_ELEMENTS = 1024


def shape_of(node: Node, k: int = 0) -> Shape:
    """The shape of the node's `k`-th input."""
    value = node.inputs[k]
    assert value is not None
    return value.type.shape


# ---------------------------------------------------------------- reshape


def reshape(b: Writer, x: Ref, shape: Shape, target: Shape) -> Ref:
    """Reshape without arithmetic on sizes where 0 (this dim as it is) and -1 (the rest) do."""
    if same_shape(shape, target):
        return x
    if not any(isinstance(size, Dim) for size in target):
        literal = any(same(size, 0) for size in target)
        return b.op("Reshape", x, b.ints(target), allowzero=1 if literal else None)  # type: ignore[arg-type]
    kept = [
        k < len(shape) and isinstance(size, Dim) and same(size, shape[k])
        for k, size in enumerate(target)
    ]
    is_open = [isinstance(size, Dim) and not keep for size, keep in zip(target, kept, strict=True)]
    # A -1 is ambiguous, and a 0 stands for "as it is", where there may be no elements.
    low = [bounds(size)[0] for size in target]
    known = all(n is not None and n > 0 for n, left in zip(low, is_open, strict=True) if not left)
    if sum(is_open) > 1 or not (known or not any(is_open)) or any(same(n, 0) for n in target):
        literal = any(n is None or n < 1 for n in low)
        return b.op("Reshape", x, b.sizes.vector(target), allowzero=1 if literal else None)
    entries = [
        0 if keep else -1 if left else size
        for size, keep, left in zip(target, kept, is_open, strict=True)
    ]
    return b.op("Reshape", x, b.ints(entries))  # type: ignore[arg-type]


@rule("reshape")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return reshape(b, x, shape_of(node), node.attrs["shape"])


@rule("squeeze")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    dim = node.attrs["dim"]
    return b.op("Squeeze", x, b.ints(dim)) if dim else x


@rule("unsqueeze")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Unsqueeze", x, b.ints([node.attrs["dim"]]))


@rule("permute")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return permute(b, x, node.attrs["dims"])


def permute(b: Writer, x: Ref, dims: Sequence[int]) -> Ref:
    """The dims in another order; the very tensor where it is the same order."""
    if list(dims) == sorted(dims):
        return x
    return b.op("Transpose", x, perm=list(dims))


# ---------------------------------------------------------------- expand


def expand(b: Writer, x: Ref, shape: Shape, target: Shape) -> Ref:
    """Broadcast to `target`; dims that stay are written as 1, which keeps them."""
    if same_shape(shape, target):
        return x
    if any(same(size, 0) for size in target):
        return filled(b, target, 0, x.dtype)  # ONNX Runtime's optimizer may drop such an Expand
    lead = len(target) - len(shape)
    wanted = [
        1 if k >= lead and same(size, shape[k - lead]) else size for k, size in enumerate(target)
    ]
    return b.op("Expand", x, b.sizes.vector(wanted))


@rule("expand")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return expand(b, x, shape_of(node), node.attrs["shape"])


@rule("sum_to")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    shape, target = shape_of(node), node.attrs["shape"]
    lead = len(shape) - len(target)
    repeated = [
        k + lead for k, size in enumerate(target) if same(size, 1) and not same(shape[k + lead], 1)
    ]
    if repeated:
        x = b.op("ReduceSum", x, b.ints(repeated), keepdims=1)
    return b.op("ReduceSum", x, b.ints(range(lead)), keepdims=0) if lead else x


# ---------------------------------------------------------------- slices


_TO_THE_END = np.iinfo(np.int64).max


def slice_(b: Writer, x: Ref, dim: int, start: Size, stop: Size, step: int = 1) -> Ref:
    """The elements from `start` to before `stop`, every `step`-th of them."""
    steps = [] if step == 1 else [b.ints([step])]
    return b.op("Slice", x, b.sizes.one(start), b.sizes.one(stop), b.ints([dim]), *steps)


@rule("slice")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    attrs = dict(node.attrs)
    size = shape_of(node)[attrs["dim"]]
    if isinstance(size, Dim) and same(attrs["stop"], size):
        attrs["stop"] = _TO_THE_END
    return slice_(b, x, **attrs)


@rule("slice_scatter")
def _(b: Writer, node: Node, x: Ref, src: Ref) -> Ref:
    dim, start, stop, step = (node.attrs[key] for key in ("dim", "start", "stop", "step"))
    size = shape_of(node)[dim]
    if step == 1:
        parts = [] if same(start, 0) else [slice_(b, x, dim, 0, start)]
        parts.append(src)
        parts += [] if same(stop, size) else [slice_(b, x, dim, stop, _TO_THE_END)]
        return b.op("Concat", *parts, axis=dim) if len(parts) > 1 else src
    order = [dim, *(k for k in range(len(shape_of(node))) if k != dim)]
    places = b.op("Range", *(b.sizes.scalar(n) for n in (start, stop, step)))
    places = b.op("Unsqueeze", places, b.ints([-1]))
    written = b.op("ScatterND", permute(b, x, order), places, permute(b, src, order))
    return permute(b, written, sorted(range(len(order)), key=order.__getitem__))


@rule("split_with_sizes")
def _(b: Writer, node: Node, x: Ref) -> tuple[Ref, ...]:
    sizes = node.attrs["sizes"]
    if len(sizes) == 1:
        return (x,)
    inputs = [x, b.sizes.vector(sizes)]
    names = b.node("Split", inputs, len(sizes), {"axis": node.attrs["dim"]})
    return tuple(Ref(name, x.dtype) for name in names)


@rule("flip")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    dims = node.attrs["dims"]
    if not dims:
        return x
    ends = [np.iinfo(np.int64).min] * len(dims)
    back = b.ints([-1] * len(dims))
    return b.op("Slice", x, back, b.ints(ends), b.ints(dims), back)


@rule("clone")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return x


@rule("constant_pad")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    widths = node.attrs["widths"]
    if all(same(n, 0) for pair in widths for n in pair):
        return x
    pads = b.sizes.vector([*(a for a, _ in widths), *(z for _, z in widths)])
    return b.op("Pad", x, pads, b.like(node.attrs["value"], x))


# ---------------------------------------------------------------- made from sizes


def _stored(node: Node) -> Any | None:
    """The node's value, computed now, if it is small and of known size."""
    count = product(node.output.type.shape)
    if isinstance(count, Dim) or count > _STORED_ELEMENTS:
        return None
    if any(isinstance(attr, Dim) for attr in node.attrs.values()):
        return None
    assert node.op.eager is not None
    return node.op.eager(np, **node.attrs)


@rule("full")
def _(b: Writer, node: Node) -> Ref:
    shape, fill, dtype = (node.attrs[key] for key in ("shape", "fill_value", "dtype"))
    if isinstance(fill, Dim):
        return b.op("Expand", b.cast(b.sizes.scalar(fill), dtype), b.sizes.vector(shape))
    if (array := _stored(node)) is not None:
        return b.constant(array, dtype)
    return filled(b, shape, fill, dtype)


def filled(b: Writer, shape: Shape, fill: bool | int | float, dtype: DType) -> Ref:
    """A tensor of one number over and over."""
    value = tensor_proto(np.array([fill], numpy_dtype(dtype)), dtype)
    (name,) = b.node("ConstantOfShape", [b.sizes.vector(shape)], 1, {"value": value})
    return Ref(name, dtype)


@rule("arange")
def _(b: Writer, node: Node) -> Ref:
    start, end, step, dtype = (node.attrs[key] for key in ("start", "end", "step", "dtype"))
    if (array := _stored(node)) is not None:
        return b.constant(array, dtype)
    if not any(isinstance(n, float) for n in (start, end, step)):
        return b.cast(b.op("Range", *(b.sizes.scalar(n) for n in (start, end, step))), dtype)
    zero, one = b.constant(0, int64), b.constant(1, int64)
    count = b.op("Range", zero, b.sizes.scalar(node.output.type.shape[0]), one)
    scaled = b.op("Mul", b.cast(count, float64), b.constant(step, float64))
    return b.cast(b.op("Add", scaled, b.constant(start, float64)), dtype)


@rule("eye")
def _(b: Writer, node: Node) -> Ref:
    if (array := _stored(node)) is not None:
        return b.constant(array, node.attrs["dtype"])
    zero, one = b.constant(0, int64), b.constant(1, int64)
    rows, columns = (
        b.op("Range", zero, b.sizes.scalar(node.attrs[key]), one) for key in ("n", "m")
    )
    diagonal = b.op("Equal", b.op("Unsqueeze", rows, b.ints([1])), columns, out=bool_)
    return b.cast(diagonal, node.attrs["dtype"])


def _triangle(name: str, upper: int) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        diagonal = node.attrs["diagonal"]
        k = [b.sizes.scalar(diagonal)] if not same(diagonal, 0) else []
        return b.op("Trilu", x, *k, upper=upper)


_triangle("tril", 0)
_triangle("triu", 1)
