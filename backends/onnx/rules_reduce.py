"""Reductions over dims, and the scans and searches along one dim."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.dims import bounds, product
from ...ir.graph import Node
from ...ir.types import DType, bool_, int64, uint8
from .registry import Declined, rule
from .rules_shape import shape_of
from .writer import Ref, Writer


def reduce(
    b: Writer, type: str, x: Ref, dim: Sequence[int], keepdim: bool, out: DType | None = None
) -> Ref:
    """A reduction over the dims; none at all for a 0-d tensor."""
    if not dim:
        return x
    if type == "ReduceSum" or b.opset >= 18:
        return b.op(type, x, b.ints(dim), keepdims=int(keepdim), out=out)
    return b.op(type, x, axes=list(dim), keepdims=int(keepdim), out=out)


def _reduction(name: str, type: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        wide = b.cast(x, node.output.type.dtype)  # sums of integers and bools are int64
        return reduce(b, type, wide, **node.attrs)


_reduction("sum", "ReduceSum")
_reduction("prod", "ReduceProd")


@rule("mean")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    shape, dim = shape_of(node), node.attrs["dim"]
    low = bounds(product([shape[d] for d in dim]))[0]
    if low is not None and low > 0:
        return reduce(b, "ReduceMean", x, **node.attrs)
    # ReduceMean of no elements gives 0, not NaN.
    count = b.cast(b.sizes.scalar(product([shape[d] for d in dim])), x.dtype)
    return b.op("Div", reduce(b, "ReduceSum", x, **node.attrs), count)


def _extreme(name: str, type: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        """ReduceMax and ReduceMin overlook a NaN or not, as it falls: find them first."""
        dim, keepdim = node.attrs["dim"], node.attrs["keepdim"]
        found = reduce(b, type, x, dim, keepdim)
        if not x.dtype.is_floating_point or not dim:
            return found
        nan = b.cast(b.op("IsNaN", x, out=bool_), uint8)
        spoiled = b.cast(reduce(b, "ReduceMax", nan, dim, keepdim), bool_)
        return b.op("Where", spoiled, b.like(float("nan"), x), found, typed=1)


_extreme("amax", "ReduceMax")
_extreme("amin", "ReduceMin")


def _logical(name: str, type: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        truth = b.cast(x, bool_)
        if not node.attrs["dim"]:
            return truth
        return b.cast(reduce(b, type, b.cast(truth, uint8), **node.attrs), bool_)


_logical("any", "ReduceMax")
_logical("all", "ReduceMin")


@rule("logsumexp")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if not x.dtype.is_floating_point:
        raise Declined("ReduceLogSumExp is for floats")
    return reduce(b, "ReduceLogSumExp", x, **node.attrs)


def _search(name: str, type: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref) -> Ref:
        """The first of equals; unlike in NumPy, a NaN counts as no extreme."""
        dim, keepdim = node.attrs["dim"], int(node.attrs["keepdim"])
        ndim = len(shape_of(node))
        if dim is not None and ndim:
            return b.op(type, x, axis=dim, keepdims=keepdim, out=int64)
        flat = b.op("Reshape", x, b.ints([-1]))
        place = b.op(type, flat, axis=0, keepdims=0, out=int64)
        return b.op("Reshape", place, b.ints([1] * ndim)) if keepdim and ndim else place


_search("argmax", "ArgMax")
_search("argmin", "ArgMin")


@rule("cumsum")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if not shape_of(node):
        return x
    return b.op("CumSum", x, b.constant(node.attrs["dim"], int64))
