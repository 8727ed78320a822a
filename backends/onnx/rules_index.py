"""Indexing with tensors: Gather for one of them, GatherND and ScatterND for several."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.graph import Node
from ...ir.types import Shape, int64
from ...ops.rules import broadcast_shapes
from .registry import rule
from .rules_shape import expand, permute, shape_of
from .writer import Ref, Writer


@rule("index")
def _(b: Writer, node: Node, x: Ref, *indices: Ref) -> Ref:
    dims = node.attrs["dims"]
    if len(dims) == 1:
        return b.op("Gather", x, b.cast(indices[0], int64), axis=dims[0])
    shapes = [shape_of(node, k + 1) for k in range(len(indices))]
    places = _places(b, indices, shapes)
    picked = b.op("GatherND", permute(b, x, _in_front(dims, len(shape_of(node)))), places)
    to_front = _picked_in_front(dims, len(broadcast_shapes(*shapes)), node.output.type.ndim)
    return permute(b, picked, _inverse(to_front))


@rule("index_put")
def _(b: Writer, node: Node, x: Ref, values: Ref, *indices: Ref) -> Ref:
    dims, shape = node.attrs["dims"], shape_of(node)
    shapes = [shape_of(node, k + 2) for k in range(len(indices))]
    picked = broadcast_shapes(*shapes)
    rest = [size for d, size in enumerate(shape) if d not in dims]
    at = dims[0] if dims == tuple(range(dims[0], dims[-1] + 1)) else 0
    target = (*rest[:at], *picked, *rest[at:])
    values = expand(b, values, shape_of(node, 1), target)
    order = _in_front(dims, len(shape))
    written = b.op(
        "ScatterND",
        permute(b, x, order),
        _places(b, indices, shapes),
        permute(b, values, _picked_in_front(dims, len(picked), len(target))),
        reduction="add" if node.attrs["accumulate"] else None,
    )
    return permute(b, written, _inverse(order))


def _places(b: Writer, indices: Sequence[Ref], shapes: Sequence[Shape]) -> Ref:
    """The indices, broadcast together, side by side in a new last dim."""
    together = broadcast_shapes(*shapes)
    columns = [
        b.op("Unsqueeze", expand(b, b.cast(i, int64), shape, together), b.ints([-1]))
        for i, shape in zip(indices, shapes, strict=True)
    ]
    return b.op("Concat", *columns, axis=-1) if len(columns) > 1 else columns[0]


def _in_front(dims: Sequence[int], ndim: int) -> list[int]:
    return [*dims, *(d for d in range(ndim) if d not in dims)]


def _picked_in_front(dims: tuple[int, ...], picked: int, ndim: int) -> list[int]:
    """The order that brings the dims of the index to the front of the result."""
    at = dims[0] if dims == tuple(range(dims[0], dims[-1] + 1)) else 0
    return _in_front(range(at, at + picked), ndim)


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)


@rule("gather")
def _(b: Writer, node: Node, x: Ref, index: Ref) -> Ref:
    if not shape_of(node):
        return x
    return b.op("GatherElements", x, b.cast(index, int64), axis=node.attrs["dim"])


def _scattering(name: str, reduction: str | None) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref, index: Ref, src: Ref) -> Ref:
        if not shape_of(node):
            return src if reduction is None else b.op("Add", x, src)
        at = b.cast(index, int64)
        return b.op("ScatterElements", x, at, src, axis=node.attrs["dim"], reduction=reduction)


_scattering("scatter", None)
_scattering("scatter_add", "add")


@rule("embedding")
def _(b: Writer, node: Node, index: Ref, weight: Ref) -> Ref:
    return b.op("Gather", weight, b.cast(index, int64))
