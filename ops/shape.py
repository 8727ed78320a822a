"""Ops that rearrange elements. Views say how a write goes back to their base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import Size, product, same
from ..ir.errors import ArgumentError, ShapeError
from ..ir.types import Shape, TensorType
from .arrays import accumulate
from .registry import Tensor, primitive
from .rules import (
    canonical_dim,
    canonical_dims,
    canonical_ints,
    canonical_shape,
    require,
    shown,
)

# ---------------------------------------------------------------- reshape


def _fill_in(shape: Shape, of: Shape) -> Shape:
    """The shape with its -1, if any, replaced by what is left over."""
    open_dims = [k for k, size in enumerate(shape) if same(size, -1)]
    if not open_dims:
        return shape
    require(len(open_dims) == 1, f"only one size may be -1, got {shown(shape)}")
    known = product([size for size in shape if not same(size, -1)])
    total = product(of)
    if same(known, 0):
        raise ShapeError(f"the size -1 is ambiguous in {shown(shape)}: other sizes are 0")
    if not same(total % known, 0):
        fits = total % known == 0  # a symbolic size: whoever captures decides
        require(fits, f"{shown(of)} has {total} elements, not a multiple of {known}")
    k = open_dims[0]
    return (*shape[:k], total // known, *shape[k + 1 :])


def _infer_reshape(x: TensorType, shape: Shape) -> TensorType:
    if not same(product(x.shape), product(shape)):
        fits = product(x.shape) == product(shape)
        require(fits, f"{shown(x.shape)} cannot become {shown(shape)}: the counts differ")
    return TensorType(x.dtype, shape)


def _vjp_reshape(g: Tensor, _y: Tensor, _x: Tensor, shape: Shape) -> Any:
    return (reshape(g, _x.shape),)


def _write_reshape(base: Tensor, value: Tensor, shape: Shape) -> Tensor:
    return reshape(value, base.shape)


@primitive(
    infer=_infer_reshape,
    eager=lambda xp, x, shape: x.reshape(shape),
    vjp=_vjp_reshape,
    view=_write_reshape,
)
def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Any:
    """The same elements, in order, in another shape; one size may be -1."""
    wanted = canonical_shape(sizes if shape is None else (shape,), least=-1)
    return (input,), {"shape": _fill_in(wanted, input.shape)}


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dims from `start_dim` to `end_dim` joined into one."""
    start = canonical_dim(start_dim, input.ndim)
    end = canonical_dim(end_dim, input.ndim)
    if start > end:
        raise ArgumentError(f"start_dim {start_dim} comes after end_dim {end_dim}")
    shape = input.shape or (1,)
    return reshape(input, (*shape[:start], product(shape[start : end + 1]), *shape[end + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[Size]) -> Tensor:
    """Dim `dim` split into several of the given sizes; one may be -1."""
    d = canonical_dim(dim, input.ndim)
    inner = _fill_in(canonical_shape((sizes,), "sizes", least=-1), (input.shape[d],))
    return reshape(input, (*input.shape[:d], *inner, *input.shape[d + 1 :]))


def _infer_squeeze(x: TensorType, dim: tuple[int, ...]) -> TensorType:
    return TensorType(x.dtype, tuple(s for k, s in enumerate(x.shape) if k not in dim))


@primitive(
    infer=_infer_squeeze,
    eager=lambda xp, x, dim: xp.squeeze(x, dim),
    vjp=lambda g, _y, _x, dim: (reshape(g, _x.shape),),
    view=lambda base, value, dim: reshape(value, base.shape),
)
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Any:
    """Without the dims of size 1: all of them, or those named in `dim`."""
    none = isinstance(dim, tuple | list) and not dim
    dims = () if none else canonical_dims(dim, input.ndim)
    return (input,), {"dim": tuple(d for d in dims if input.shape[d] == 1)}


def _infer_unsqueeze(x: TensorType, dim: int) -> TensorType:
    return TensorType(x.dtype, (*x.shape[:dim], 1, *x.shape[dim:]))


@primitive(
    infer=_infer_unsqueeze,
    eager=lambda xp, x, dim: xp.expand_dims(x, dim),
    vjp=lambda g, _y, _x, dim: (reshape(g, _x.shape),),
    view=lambda base, value, dim: reshape(value, base.shape),
)
def unsqueeze(input: Tensor, dim: int) -> Any:
    """With a new dim of size 1 before dim `dim`."""
    return (input,), {"dim": canonical_dim(dim, input.ndim + 1)}


# ---------------------------------------------------------------- order of dims


def _inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def _vjp_permute(g: Tensor, _y: Tensor, _x: Tensor, dims: tuple[int, ...]) -> Any:
    return (permute(g, _inverse(dims)),)


def _write_permute(base: Tensor, value: Tensor, dims: tuple[int, ...]) -> Tensor:
    return permute(value, _inverse(dims))


@primitive(
    infer=lambda x, dims: TensorType(x.dtype, tuple(x.shape[d] for d in dims)),
    eager=lambda xp, x, dims: xp.transpose(x, dims),
    vjp=_vjp_permute,
    view=_write_permute,
)
def permute(input: Tensor, *order: Any, dims: Any = None) -> Any:
    """The dims in another order: dim k of the result is dim `dims[k]` of the input."""
    named = canonical_ints(order if dims is None else (dims,), "dims")
    order = tuple(canonical_dim(d, input.ndim) for d in named)
    if sorted(order) != list(range(input.ndim)):
        raise ArgumentError(f"dims {order} is not an order of the {input.ndim} dims")
    return (input,), {"dims": order}


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """The dims `dim0` and `dim1` swapped."""
    order = list(range(input.ndim))
    if not order:
        return input
    a, b = canonical_dim(dim0, input.ndim), canonical_dim(dim1, input.ndim)
    order[a], order[b] = b, a
    return permute(input, order)


def t(input: Tensor) -> Tensor:
    """A matrix with its two dims swapped; what has fewer dims as it is."""
    require(input.ndim <= 2, f"t needs at most two dims, got {shown(input.shape)}")
    return permute(input, tuple(reversed(range(input.ndim))))


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The dims `source` moved to the places `destination`, the others kept in order."""
    sources = [canonical_dim(d, input.ndim) for d in canonical_ints((source,), "source")]
    targets = [canonical_dim(d, input.ndim) for d in canonical_ints((destination,), "destination")]
    if not len(sources) == len(targets) == len(set(sources)) == len(set(targets)):
        raise ArgumentError("source and destination must name equally many different dims")
    if not input.ndim:
        return input
    moved = dict(zip(targets, sources, strict=True))
    rest = iter(d for d in range(input.ndim) if d not in moved.values())
    return permute(input, [moved[k] if k in moved else next(rest) for k in range(input.ndim)])


def _vjp_flip(g: Tensor, _y: Tensor, _x: Tensor, dims: tuple[int, ...]) -> Any:
    return (flip(g, dims),)


@primitive(infer=lambda x, dims: x, eager=lambda xp, x, dims: xp.flip(x, dims), vjp=_vjp_flip)
def flip(input: Tensor, *along: Any, dims: Any = None) -> Any:
    """The order of the elements along `dims` reversed."""
    named = canonical_ints(along if dims is None else (dims,), "dims")
    return (input,), {"dims": canonical_dims(named, input.ndim) if named else ()}


# ---------------------------------------------------------------- expand


def _infer_expand(x: TensorType, shape: Shape) -> TensorType:
    lead = len(shape) - x.ndim
    require(lead >= 0, f"{shown(x.shape)} has more dims than {shown(shape)}")
    for size, wanted in zip(x.shape, shape[lead:], strict=True):
        fits = same(size, 1) or same(size, wanted) or size == wanted
        require(fits, f"{shown(x.shape)} does not expand to {shown(shape)}")
    return TensorType(x.dtype, shape)


def _vjp_expand(g: Tensor, _y: Tensor, _x: Tensor, shape: Shape) -> Any:
    return (sum_to(g, _x.shape),)


def _no_write(base: Tensor, value: Tensor, **attrs: Any) -> Tensor:
    raise ArgumentError("several elements of an expanded tensor share one place in memory")


@primitive(
    infer=_infer_expand,
    eager=lambda xp, x, shape: xp.broadcast_to(x, shape),
    vjp=_vjp_expand,
    view=_no_write,
)
def expand(input: Tensor, *sizes: Any, shape: Any = None) -> Any:
    """Dims of size 1 repeated, without copying, to `shape`; -1 keeps a size."""
    wanted = canonical_shape(sizes if shape is None else (shape,), least=-1)
    lead = len(wanted) - input.ndim
    if any(same(size, -1) for size in wanted[: max(lead, 0)]):
        raise ArgumentError(f"-1 in {shown(wanted)} stands for a new dim, whose size is not known")
    full = tuple(input.shape[k - lead] if same(size, -1) else size for k, size in enumerate(wanted))
    return (input,), {"shape": full}


def _infer_sum_to(x: TensorType, shape: Shape) -> TensorType:
    return TensorType(x.dtype, shape)


def _eager_sum_to(xp: Any, x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    dims = tuple(range(lead)) + tuple(
        k + lead for k, size in enumerate(shape) if size == 1 and x.shape[k + lead] != 1
    )
    return accumulate(xp, "sum", x, dims, True).reshape(shape) if dims else x.reshape(shape)


@primitive(
    infer=_infer_sum_to,
    eager=_eager_sum_to,
    vjp=lambda g, _y, _x, shape: (expand(g, _x.shape),),
)
def sum_to(input: Tensor, shape: Shape) -> Any:
    """Summed over the dims that broadcasting from `shape` would have repeated."""
    return (input,), {"shape": tuple(shape)}


# ---------------------------------------------------------------- copy


@primitive(
    infer=lambda x: x,
    eager=lambda xp, x: x.copy(),
    vjp=lambda g, _y, _x: (g,),
)
def clone(input: Tensor) -> Any:
    """A copy."""
    return (input,), {}
