"""Splitting along a dim, and joining along one: each is the gradient of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import Dim, Size, same
from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import TensorType
from .registry import Tensor, primitive
from .rules import canonical_dim, canonical_shape, promote, require, same_dtype, shown
from .shape import unsqueeze
from .slice import slice_key, slice_scatter

# ---------------------------------------------------------------- split


def _infer_split(x: TensorType, sizes: tuple[int, ...], dim: int) -> tuple[TensorType, ...]:
    return tuple(TensorType(x.dtype, (*x.shape[:dim], size, *x.shape[dim + 1 :])) for size in sizes)


def _eager_split(xp: Any, x: Any, sizes: tuple[int, ...], dim: int) -> tuple[Any, ...]:
    parts, start = [], 0
    for size in sizes:
        parts.append(x[slice_key(dim, start, start + size)])
        start += size
    return tuple(parts)


def _vjp_split(g: Any, _y: Any, _x: Tensor, sizes: tuple[int, ...], dim: int) -> Any:
    return (cat(list(g), dim),)


def _write_split(
    base: Tensor, value: Tensor, *, output: int, sizes: tuple[int, ...], dim: int
) -> Tensor:
    start: Size = 0
    for size in sizes[:output]:
        start = start + size
    return slice_scatter(base, value, dim, start, start + sizes[output])


@primitive(
    infer=_infer_split,
    eager=_eager_split,
    vjp=_vjp_split,
    view=_write_split,
    many=True,
)
def split_with_sizes(input: Tensor, sizes: Sequence[Size], dim: int = 0) -> Any:
    """Consecutive pieces of the given sizes along `dim`."""
    require(input.ndim > 0, "a 0-d tensor cannot be split")
    d = canonical_dim(dim, input.ndim)
    pieces = canonical_shape((sizes,), "sizes")
    total: Size = 0
    for size in pieces:
        total = total + size
    require(
        same(total, input.shape[d]) or total == input.shape[d],
        f"the sizes {shown(pieces)} do not add up to {input.shape[d]}",
    )
    return (input,), {"sizes": pieces, "dim": d}


def split(
    input: Tensor, split_size_or_sections: int | Sequence[Size], dim: int = 0
) -> tuple[Tensor, ...]:
    """Pieces along `dim` of one size (the last may be smaller) or of the sizes given."""
    sizes = split_size_or_sections
    if isinstance(sizes, int):
        require(input.ndim > 0, "a 0-d tensor cannot be split")
        d = canonical_dim(dim, input.ndim)
        total = input.shape[d]
        if isinstance(total, Dim):
            raise ShapeError(f"split needs a known size, dim {d} is {total}")
        if sizes < 1:
            raise ArgumentError(f"the size of a piece must be positive, got {sizes}")
        whole, left = divmod(total, sizes)
        sizes = [sizes] * whole + ([left] if left or not whole else [])
    return split_with_sizes(input, sizes, dim)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim`, the last possibly smaller."""
    d = canonical_dim(dim, input.ndim)
    total = input.shape[d]
    if chunks < 1:
        raise ArgumentError(f"chunks must be positive, got {chunks}")
    if isinstance(total, Dim):
        each = total // chunks
        if same(each * chunks, total):
            return split_with_sizes(input, [each] * chunks, d)
        raise ShapeError(f"chunk needs a size known to be a multiple of {chunks}, got {total}")
    if not total:
        return split_with_sizes(input, [0] * chunks, d)
    return split(input, -(-total // chunks), d)


# ---------------------------------------------------------------- join


def _infer_cat(*types: TensorType, dim: int) -> TensorType:
    first = types[0]
    total: Size = first.shape[dim]
    for t in types[1:]:
        require(t.ndim == first.ndim, "cat needs tensors of equally many dims")
        for k, (a, b) in enumerate(zip(first.shape, t.shape, strict=True)):
            require(
                k == dim or same(a, b) or a == b,
                f"cat: sizes of dim {k} differ: {shown(first.shape)} and {shown(t.shape)}",
            )
        total = total + t.shape[dim]
    shape = (*first.shape[:dim], total, *first.shape[dim + 1 :])
    return TensorType(same_dtype("cat", types), shape)


def _vjp_cat(g: Tensor, _y: Tensor, *_inputs: Tensor, dim: int) -> Any:
    return tuple(split_with_sizes(g, [t.shape[dim] for t in _inputs], dim))


@primitive(
    infer=_infer_cat,
    eager=lambda xp, *arrays, dim: xp.concatenate(arrays, axis=dim),
    vjp=_vjp_cat,
)
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Any:
    """The tensors joined along an existing dim."""
    if not tensors:
        raise ArgumentError("cat needs at least one tensor")
    # PyTorch skips tensors of shape (0,), whatever the others' dims.
    alike = promote(*tensors)
    kept = [t for t in alike if t.ndim != 1 or not same(t.shape[0], 0)] or alike[:1]
    require(kept[0].ndim > 0, "0-d tensors cannot be joined: use stack")
    return tuple(kept), {"dim": canonical_dim(dim, kept[0].ndim)}


concat = cat  # PyTorch has both names


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors joined along a new dim."""
    if not tensors:
        raise ArgumentError("stack needs at least one tensor")
    d = canonical_dim(dim, tensors[0].ndim + 1)
    return cat([unsqueeze(t, d) for t in tensors], d)
