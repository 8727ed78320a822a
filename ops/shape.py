"""Ops that rearrange elements. Views say how a write goes back to their base."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import Any

from ..ir.dims import Dim, Size, product, same, same_shape
from ..ir.errors import ArgumentError, OutOfRangeError, ShapeError
from ..ir.types import Shape, TensorType
from .create import zeros_like
from .registry import Tensor, primitive
from .rules import (
    canonical_dim,
    canonical_dims,
    canonical_ints,
    canonical_shape,
    convert,
    promote,
    require,
    same_dtype,
)


def shown(shape: Shape) -> str:
    """A shape as error messages print it."""
    return f"({', '.join(map(str, shape))})"


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


def accumulate(xp: Any, function: str, x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    """NumPy's sum or product over dims, of 16-bit floats accumulated in float32."""
    reduce = getattr(xp, function)
    if x.dtype.kind not in "iub" and x.dtype.itemsize == 2:
        wide = reduce(x.astype("float32"), axis=dim, keepdims=keepdim)
        return wide.astype(x.dtype)
    return reduce(x, axis=dim, keepdims=keepdim)


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


# ---------------------------------------------------------------- slice


def _canonical_range(start: Any, stop: Any, size: Size) -> tuple[Size, Size]:
    """Python's slice bounds for a dim of `size`, both within 0..size, stop not before start."""

    def within(bound: Any) -> Size:
        bound = bound if isinstance(bound, Dim) else as_int(bound)
        if bound < 0:
            bound = bound + size
        if bound < 0:
            return 0
        return bound if same(bound, size) or bound <= size else size

    low = 0 if start is None else within(start)
    high = size if stop is None else within(stop)
    return low, (high if same(low, high) or low <= high else low)


def _sliced(x: TensorType, dim: int, start: Size, stop: Size, step: int) -> TensorType:
    size = stop - start if step == 1 else (stop - start + step - 1) // step
    return TensorType(x.dtype, (*x.shape[:dim], size, *x.shape[dim + 1 :]))


def _at(dim: int, start: Any, stop: Any, step: int) -> tuple[slice, ...]:
    return (slice(None),) * dim + (slice(start, stop, step),)


@primitive(
    infer=_sliced,
    eager=lambda xp, x, dim, start, stop, step: x[_at(dim, start, stop, step)],
    vjp=lambda g, _y, _x, dim, start, stop, step: (
        slice_scatter(zeros_like(_x), g, dim, start, stop, step),
    ),
    view=lambda base, value, dim, start, stop, step: slice_scatter(
        base, value, dim, start, stop, step
    ),
    name="slice",
)
def slice_(input: Tensor, dim: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> Any:
    """The elements from `start` to before `stop` along `dim`, every `step`-th of them."""
    return (input,), _canonical_slice(input, dim, start, stop, step)


def _canonical_slice(input: Tensor, dim: int, start: Any, stop: Any, step: int) -> dict[str, Any]:
    if not hasattr(step, "__index__") or step < 1:
        raise ArgumentError(f"a slice's step must be a positive int, got {step}")
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor cannot be sliced")
    low, high = _canonical_range(start, stop, input.shape[d])
    return {"dim": d, "start": low, "stop": high, "step": as_int(step)}


def _eager_slice_scatter(xp: Any, x: Any, src: Any, dim: int, start: int, stop: int, step: int):
    result = x.copy()
    result[_at(dim, start, stop, step)] = src
    return result


def _vjp_slice_scatter(
    g: Tensor, _y: Tensor, _x: Tensor, _src: Tensor, dim: int, start: Any, stop: Any, step: int
) -> Any:
    def rest() -> Tensor:
        return slice_scatter(g, zeros_like(_src), dim, start, stop, step)

    return rest, lambda: slice_(g, dim, start, stop, step)


@primitive(
    infer=lambda x, src, dim, start, stop, step: x,
    eager=_eager_slice_scatter,
    vjp=_vjp_slice_scatter,
)
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: Any = None,
    stop: Any = None,
    step: int = 1,
) -> Any:
    """`input` with the slice `start:stop:step` of `dim` replaced by `src`."""
    attrs = _canonical_slice(input, dim, start, stop, step)
    wanted = _sliced(TensorType(input.dtype, input.shape), **attrs).shape
    require(
        same_shape(src.shape, wanted),
        f"src has shape {shown(src.shape)}, the slice has {shown(wanted)}",
    )
    return (input, convert(src, input.dtype)), attrs


def narrow(input: Tensor, dim: int, start: Size, length: Size) -> Tensor:
    """`length` elements from `start` along `dim`."""
    d = canonical_dim(dim, input.ndim)
    size = input.shape[d] if input.ndim else 0
    if start < 0:
        start = start + size
    if start < 0 or length < 0 or not (same(start + length, size) or start + length <= size):
        raise OutOfRangeError(
            f"narrow: {length} elements from {start} are not all within dim {d} of size {size}"
        )
    return slice_(input, d, start, start + length)


def select(input: Tensor, dim: int, index: Size) -> Tensor:
    """The slice at `index` along `dim`, without that dim.

    Raises:
        OutOfRangeError: where there is no such index.
    """
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor has no dim to select from")
    size = input.shape[d]
    at = index if isinstance(index, Dim) else as_int(index)
    if at < 0:
        at = at + size
    if at < 0 or not at < size:
        raise OutOfRangeError(f"index {index} is out of range for dim {d} of size {size}")
    return squeeze(slice_(input, d, at, at + 1), d)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without that dim."""
    d = canonical_dim(dim, input.ndim)
    require(input.ndim > 0, "a 0-d tensor cannot be split")
    size = input.shape[d]
    if isinstance(size, Dim):
        raise ShapeError(f"unbind needs a known size, dim {d} is {size}")
    return tuple(select(input, d, k) for k in range(size))


def _infer_split(x: TensorType, sizes: tuple[int, ...], dim: int) -> tuple[TensorType, ...]:
    return tuple(TensorType(x.dtype, (*x.shape[:dim], size, *x.shape[dim + 1 :])) for size in sizes)


def _eager_split(xp: Any, x: Any, sizes: tuple[int, ...], dim: int) -> tuple[Any, ...]:
    parts, start = [], 0
    for size in sizes:
        parts.append(x[_at(dim, start, start + size, 1)])
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


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors joined along a new dim."""
    if not tensors:
        raise ArgumentError("stack needs at least one tensor")
    d = canonical_dim(dim, tensors[0].ndim + 1)
    return cat([unsqueeze(t, d) for t in tensors], d)


def _vjp_flip(g: Tensor, _y: Tensor, _x: Tensor, dims: tuple[int, ...]) -> Any:
    return (flip(g, dims),)


@primitive(infer=lambda x, dims: x, eager=lambda xp, x, dims: xp.flip(x, dims), vjp=_vjp_flip)
def flip(input: Tensor, *along: Any, dims: Any = None) -> Any:
    """The order of the elements along `dims` reversed."""
    named = canonical_ints(along if dims is None else (dims,), "dims")
    return (input,), {"dims": canonical_dims(named, input.ndim) if named else ()}


@primitive(
    infer=lambda x: x,
    eager=lambda xp, x: x.copy(),
    vjp=lambda g, _y, _x: (g,),
)
def clone(input: Tensor) -> Any:
    """A copy."""
    return (input,), {}
