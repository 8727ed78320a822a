"""Indexing: `x[key]`, `x[key] = value`, and the ops that index with tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..ir.dims import same, same_shape
from ..ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from ..ir.op import current
from ..ir.types import Shape, TensorType, bool_, int64, uint8
from .create import zeros, zeros_like
from .elementwise import where
from .leaf import constant
from .registry import Tensor, composite, is_tensor, primitive
from .rules import broadcast_shapes, canonical_dim, convert, is_size, require, same_dtype
from .shape import expand, reshape, select, shown, slice_, stack, unsqueeze

# ---------------------------------------------------------------- primitives


def _key(indices: tuple[Any, ...], dims: tuple[int, ...]) -> tuple[Any, ...]:
    """NumPy's key that indexes `dims` with the arrays and takes the other dims whole."""
    key: list[Any] = [slice(None)] * (dims[-1] + 1)
    for d, array in zip(dims, indices, strict=True):
        key[d] = array
    return tuple(key)


def _indexed_shape(x: TensorType, indices: tuple[TensorType, ...], dims: tuple[int, ...]) -> Shape:
    """NumPy's rule: the index shape stands where the indexed dims did if those are adjacent."""
    picked = broadcast_shapes(*(t.shape for t in indices))
    rest = [size for d, size in enumerate(x.shape) if d not in dims]
    at = dims[0] if dims == tuple(range(dims[0], dims[-1] + 1)) else 0
    return (*rest[:at], *picked, *rest[at:])


def _infer_index(x: TensorType, *indices: TensorType, dims: tuple[int, ...]) -> TensorType:
    ascending = len(dims) == len(indices) and list(dims) == sorted(set(dims))
    require(ascending and dims[0] >= 0 and dims[-1] < x.ndim, f"cannot index dims {dims} of {x}")
    return TensorType(x.dtype, _indexed_shape(x, indices, dims))


def _require_index(*indices: Tensor) -> None:
    for t in indices:
        if not t.dtype.is_integer:
            raise DTypeError(f"an index must be of an integer dtype, got {t.dtype.name}")


def _index_dims(x: Tensor, indices: Sequence[Tensor], dims: Sequence[int]) -> tuple[int, ...]:
    _require_index(*indices)
    result = tuple(canonical_dim(d, x.ndim) for d in dims)
    if not x.ndim or len(result) != len(indices) or any(a >= b for a, b in pairwise(result)):
        raise ArgumentError(f"one ascending dim for each index is needed, got {tuple(dims)}")
    return result


@primitive(
    infer=_infer_index,
    eager=lambda xp, x, *indices, dims: x[_key(indices, dims)],
    vjp=lambda g, _y, _x, *indices, dims: (
        index_put(zeros_like(_x), g, list(indices), dims, True),
        *(None for _ in indices),
    ),
)
def index(input: Tensor, indices: Sequence[Tensor], dims: Sequence[int]) -> Any:
    """The elements at `indices`, one integer tensor for each of `dims` (ascending)."""
    return (input, *indices), {"dims": _index_dims(input, indices, dims)}


_index = index  # where a parameter has that name


def _eager_index_put(
    xp: Any, x: Any, values: Any, *indices: Any, dims: tuple[int, ...], accumulate: bool
) -> Any:
    result = x.copy()
    if accumulate:
        xp.add.at(result, _key(indices, dims), values)
    else:
        result[_key(indices, dims)] = values
    return result


def _infer_index_put(
    x: TensorType, values: TensorType, *indices: TensorType, dims: Any, accumulate: bool
) -> TensorType:
    target = _infer_index(x, *indices, dims=dims).shape
    require(
        len(broadcast_shapes(target, values.shape)) == len(target),
        "the values have more dims than the elements that they are written to",
    )
    return TensorType(same_dtype("index_put", (x, values)), x.shape)


def _vjp_index_put(
    g: Tensor, _y: Tensor, _x: Tensor, _values: Tensor, *indices: Tensor, dims: Any, accumulate: Any
) -> Any:
    def kept() -> Tensor:
        return g if accumulate else index_put(g, zeros_like(_values), list(indices), dims, False)

    return kept, lambda: index(g, list(indices), dims), *(None for _ in indices)


@primitive(infer=_infer_index_put, eager=_eager_index_put, vjp=_vjp_index_put)
def index_put(
    input: Tensor,
    values: Tensor,
    indices: Sequence[Tensor],
    dims: Sequence[int],
    accumulate: bool = False,
) -> Any:
    """`input` with the elements at `indices` replaced by (or increased by) `values`."""
    attrs = {"dims": _index_dims(input, indices, dims), "accumulate": bool(accumulate)}
    return (input, convert(values, input.dtype), *indices), attrs


def _along(xp: Any, indices: Any, dim: int) -> tuple[Any, ...]:
    """The key that pairs each index with its own position in the other dims."""
    if not indices.ndim:
        return (Ellipsis,)
    grids = list(xp.ogrid[tuple(slice(n) for n in indices.shape)])
    grids[dim] = indices
    return tuple(grids)


def _paired(op: str, x: Tensor, index: Tensor, dim: int) -> int:
    """The canonical dim of a gather or scatter whose arguments fit together."""
    _require_index(index)
    require(x.ndim == index.ndim, f"{op} needs an index with as many dims as the input")
    d = canonical_dim(dim, x.ndim)
    for k, (size, limit) in enumerate(zip(index.shape, x.shape, strict=True)):
        require(
            k == d or same(size, limit) or size <= limit,
            f"{op}: the index {shown(index.shape)} is longer than {shown(x.shape)} in dim {k}",
        )
    return d


def _canonical_gather(input: Tensor, index: Tensor, dim: int) -> Any:
    return (input, index), {"dim": _paired("gather", input, index, dim)}


_gather = primitive(
    name="gather",
    infer=lambda x, index, dim: TensorType(x.dtype, index.shape),
    eager=lambda xp, x, index, dim: x[_along(xp, index, dim)],
    vjp=lambda g, _y, _x, index, dim: (scatter_add(zeros_like(_x), dim, index, g), None),
    doc="result[i][j] = input[index[i][j]][j] for dim 0, and so on.",
)(_canonical_gather)


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """result[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    return _gather(input, index, dim)


def _eager_scatter_add(xp: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    result = x.copy()
    xp.add.at(result, _along(xp, index, dim), src)
    return result


def _eager_scatter(xp: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    result = x.copy()
    result[_along(xp, index, dim)] = src
    return result


def _scattering(name: str, eager: Any, vjp: Any, doc: str) -> Any:
    def infer(x: TensorType, index: TensorType, src: TensorType, dim: int) -> TensorType:
        return TensorType(same_dtype(name, (x, src)), x.shape)

    def canonical(input: Tensor, index: Tensor, src: Tensor, dim: int) -> Any:
        d = _paired(name, input, index, dim)
        part = convert(src, input.dtype)
        if not part.ndim:
            part = expand(part, index.shape)
        require(part.ndim == index.ndim, f"{name} needs src and index with equally many dims")
        for k, (size, wanted) in enumerate(zip(part.shape, index.shape, strict=True)):
            if not same(size, wanted):
                fits = wanted <= size
                require(
                    fits, f"{name}: src {shown(part.shape)} is smaller than {shown(index.shape)}"
                )
                part = slice_(part, k, 0, wanted)
        return (input, index, part), {"dim": d}

    return primitive(infer=infer, eager=eager, vjp=vjp, name=name, doc=doc)(canonical)


_scatter_add = _scattering(
    "scatter_add",
    _eager_scatter_add,
    lambda g, _y, _x, index, _src, dim: (g, None, lambda: gather(g, dim, index)),
    "`input` with src[i][j] added at [index[i][j]][j] for dim 0, and so on.",
)
_scatter = _scattering(
    "scatter",
    _eager_scatter,
    lambda g, _y, _x, index, _src, dim: (
        lambda: scatter(g, dim, index, zeros_like(_src)),
        None,
        lambda: gather(g, dim, index),
    ),
    "`input` with src[i][j] written to [index[i][j]][j] for dim 0, and so on.",
)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with src[i][j] added at [index[i][j]][j] for dim 0, and so on."""
    return _scatter_add(input, index, src, dim)


def scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
    """`input` with src[i][j], or a number, written to [index[i][j]][j] for dim 0, and so on."""
    return _scatter(input, index, src, dim)


# ---------------------------------------------------------------- composites


@composite
def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """The rows of `weight` that the integers in `input` name."""
    require(weight.ndim == 2, f"embedding needs a matrix as weight, got {shown(weight.shape)}")
    return index(weight, [input], (0,))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """The elements at `indices` along `dim` (of all, flattened, without one), with broadcasting."""
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    d = canonical_dim(dim, input.ndim)
    require(input.ndim == indices.ndim, "take_along_dim needs indices with as many dims")
    rest = broadcast_shapes(
        (*input.shape[:d], 1, *input.shape[d + 1 :]),
        (*indices.shape[:d], 1, *indices.shape[d + 1 :]),
    )

    def widened(x: Tensor) -> Tensor:
        return expand(x, (*rest[:d], x.shape[d], *rest[d + 1 :]))

    return gather(widened(input), d, widened(indices))


def one_hot(tensor: Tensor, num_classes: int) -> Tensor:
    """For each integer a row of `num_classes` zeros with a 1 at its place."""
    _require_index(tensor)
    places = zeros(*tensor.shape, num_classes, dtype=int64)
    return scatter(places, -1, unsqueeze(tensor, -1).to(int64), 1)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along `dim` that the one-dim `index` names."""
    require(index.ndim <= 1, "index_select needs an index of one dim")
    at = unsqueeze(index, 0) if index.ndim == 0 else index
    return _index(input, [at], (canonical_dim(dim, input.ndim),))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` holds, else `input`."""
    return where(mask, convert(value, input.dtype), input)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not zero: one row each, or one tensor for each dim.

    The result's size depends on values, so a capture refuses it.
    """
    current().refuse("nonzero", input, "where(mask, x, other)  # a result of fixed size")
    places = _nonzero(input if input.ndim else unsqueeze(input, 0))
    if as_tuple:
        return places
    return stack(places, 1) if input.ndim else zeros(places[0].shape[0], 0, dtype=int64)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` holds, in order, in one dim; a capture refuses it."""
    shape = broadcast_shapes(input.shape, mask.shape)
    return getitem(expand(input, shape), expand(mask, shape))


def _eager_nonzero(xp: Any, x: Any) -> Any:
    return xp.nonzero(x)


def _infer_nonzero(x: TensorType) -> Any:
    raise ArgumentError("the size of nonzero's result depends on values")


def _canonical_nonzero(input: Tensor) -> Any:
    return (input,), {}


_nonzero = primitive(name="nonzero", infer=_infer_nonzero, eager=_eager_nonzero, many=True)(
    _canonical_nonzero
)


# ---------------------------------------------------------------- x[key]


def _parse(x: Tensor, key: Any) -> tuple[Tensor, list[tuple[int, Tensor]]]:
    """The view that the ints, slices and None in `key` give, and the tensors still to index with.

    Returns:
        The view, and for each tensor the dim of the view that it indexes.
    """
    items = list(key) if isinstance(key, tuple) else [key]
    items = [_as_index(item) for item in items]
    used = sum(_dims_used(item) for item in items)
    if sum(item is Ellipsis for item in items) > 1:
        raise ArgumentError("an index may hold only one ...")
    if used > x.ndim:
        raise OutOfRangeError(f"too many indices: {used} for a tensor of {x.ndim} dims")
    if any(item is Ellipsis for item in items):
        at = next(k for k, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (x.ndim - used)
    dim, tensors = 0, []
    for item in items:
        if item is None:
            x = unsqueeze(x, dim)
            dim += 1
        elif isinstance(item, slice):
            if (item.start, item.stop, item.step) != (None, None, None):
                x = slice_(x, dim, item.start, item.stop, 1 if item.step is None else item.step)
            dim += 1
        elif is_tensor(item) and item.dtype is bool_:
            x = x if item.ndim else unsqueeze(x, dim)
            for part in _true_places(item, x.shape[dim : dim + item.ndim]):
                tensors.append((dim, part))
                dim += 1
        elif is_tensor(item):
            tensors.append((dim, item))
            dim += 1
        else:
            x = select(x, dim, item)
    return x, tensors


def _true_places(mask: Tensor, shape: Shape) -> tuple[Tensor, ...]:
    """The indices, one for each dim, that a bool mask over dims of `shape` stands for."""
    instead = "where(mask, x, other)  # a result of fixed size"
    current().refuse("an index that is a bool mask", mask, instead)
    if not same_shape(mask.shape, shape):
        raise ShapeError(f"a mask of shape {shown(mask.shape)} over dims of shape {shown(shape)}")
    return _nonzero(mask if mask.ndim else unsqueeze(mask, 0))


def _as_index(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if isinstance(item, list | np.ndarray):
        item = _listed(item)
    if is_tensor(item):
        if item.dtype.is_floating_point or item.dtype is uint8:
            raise DTypeError(
                f"an index must be integer or bool, got {item.dtype.name}",
                instead="x[i.long()] or x[i.bool()]",
            )
        return item
    if isinstance(item, bool):
        raise ArgumentError("a Python bool is no index", instead="x[None] or a bool tensor")
    if is_size(item):
        return item
    raise ArgumentError(f"cannot index with {type(item).__name__}")


def _listed(items: Any) -> Tensor:
    """The constant tensor that a list or an array of ints or bools in a key stands for."""
    array = np.asarray(items)
    if not array.size:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise ArgumentError("a list in an index must hold ints or bools")
    dtype = bool_ if array.dtype.kind == "b" else int64
    return constant(tuple(array.reshape(-1).tolist()), type=TensorType(dtype, array.shape))


def _dims_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if is_tensor(item) and item.dtype is bool_ else 1


Places = list[tuple[int, Tensor]]


def _first_single(places: Places) -> tuple[int, Tensor, Places] | None:
    """The first 0-d index beside others, and the others as they count once it has been applied.

    It stands for an int, and so has no say in where the dims of the others go.
    """
    for d, t in places:
        if t.ndim == 0 and len(places) > 1:
            return d, t, [(e - (e > d), u) for e, u in places if e != d]
    return None


def _take(x: Tensor, places: Places) -> Tensor:
    single = _first_single(places)
    if single is None:
        return index(x, [t for _, t in places], [d for d, _ in places])
    d, t, others = single
    return _take(index(x, [t], [d]), others)


def _put(x: Tensor, value: Tensor, places: Places) -> Tensor:
    single = _first_single(places)
    if single is None:
        return index_put(x, value, [t for _, t in places], [d for d, _ in places])
    d, t, others = single
    return index_put(x, _put(index(x, [t], [d]), value, others), [t], [d])


def getitem(input: Tensor, key: Any) -> Tensor:
    """`input[key]`: a view for ints, slices, None and ...; a copy for tensors and lists."""
    view, places = _parse(input, key)
    return _take(view, places) if places else view


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """`input[key] = value`, written through to whatever `input` is a view of."""
    value = convert(value, input.dtype)
    if is_tensor(key) and key.dtype is bool_ and value.ndim == 0:
        if not same_shape(key.shape, input.shape[: key.ndim]):
            raise ShapeError(f"a mask of shape {shown(key.shape)} over {shown(input.shape)}")
        mask = reshape(key, *key.shape, *[1] * (input.ndim - key.ndim))
        current().write(input, masked_fill(input, mask, value))
        return
    view, places = _parse(input, key)
    target = view.shape
    if places:
        target = _index_shape(view, places)
    while value.ndim > len(target) and same(value.shape[0], 1):
        value = reshape(value, value.shape[1:])
    if places:
        value = _put(view, value, places)
    elif not same_shape(value.shape, target):
        value = expand(value, target)
    current().write(view, value)


def _index_shape(view: Tensor, places: Places) -> Shape:
    single = _first_single(places)
    if single is not None:
        d, _, others = single
        x = TensorType(view.dtype, (*view.shape[:d], *view.shape[d + 1 :]))
        return _index_shape(x, others)
    types = tuple(TensorType(t.dtype, t.shape) for _, t in places)
    return _indexed_shape(view, types, tuple(d for d, _ in places))
