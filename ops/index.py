"""Indexing: `x[key]`, `x[key] = value`, and the ops that index with tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import same
from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import current
from ..ir.types import Shape, TensorType, bool_
from .elementwise import where
from .registry import Tensor, composite, is_tensor, primitive
from .rules import broadcast_shapes, canonical_dim, convert, is_size, require, same_dtype
from .shape import select, slice_, unsqueeze, zeros_of

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
    for t in indices:
        if not t.dtype.is_integer:
            raise DTypeError(f"an index must be of an integer dtype, got {t.dtype.name}")
    return TensorType(x.dtype, _indexed_shape(x, indices, dims))


@primitive(
    infer=_infer_index,
    eager=lambda xp, x, *indices, dims: x[_key(indices, dims)],
    vjp=lambda g, _y, _x, *indices, dims: (
        index_put(zeros_of(_x), g, list(indices), dims, True),
        *(None for _ in indices),
    ),
)
def index(input: Tensor, indices: Sequence[Tensor], dims: Sequence[int]) -> Any:
    """The elements at `indices`, one integer tensor for each of `dims` (ascending)."""
    return (input, *indices), {"dims": tuple(dims)}


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
        return g if accumulate else index_put(g, zeros_of(_values), list(indices), dims, False)

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
    attrs = {"dims": tuple(dims), "accumulate": bool(accumulate)}
    return (input, convert(values, input.dtype), *indices), attrs


def _along(xp: Any, shape: tuple[int, ...], indices: Any, dim: int) -> tuple[Any, ...]:
    """The key that pairs each index with its own position in the other dims."""
    grids = list(xp.ogrid[tuple(slice(n) for n in indices.shape)])
    grids[dim] = indices
    return tuple(grids)


def _infer_gather(x: TensorType, indices: TensorType, dim: int) -> TensorType:
    require(x.ndim == indices.ndim, "gather needs an index with as many dims as the input")
    return TensorType(x.dtype, indices.shape)


@primitive(
    infer=_infer_gather,
    eager=lambda xp, x, indices, dim: x[_along(xp, x.shape, indices, dim)] if x.ndim else x.copy(),
    vjp=lambda g, _y, _x, index, dim: (scatter_add(zeros_of(_x), dim, index, g), None),
)
def gather(input: Tensor, dim: int, index: Tensor) -> Any:
    """result[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    return (input, index), {"dim": canonical_dim(dim, input.ndim)}


def _eager_scatter_add(xp: Any, x: Any, indices: Any, src: Any, dim: int) -> Any:
    result = x.copy()
    part = src[tuple(slice(n) for n in indices.shape)]
    xp.add.at(result, _along(xp, x.shape, indices, dim), part)
    return result


@primitive(
    infer=lambda x, index, src, dim: TensorType(same_dtype("scatter_add", (x, src)), x.shape),
    eager=_eager_scatter_add,
    vjp=lambda g, _y, _x, index, _src, dim: (g, None, lambda: gather(g, dim, index)),
)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    """`input` with src[i][j] added at [index[i][j]][j] for dim 0, and so on."""
    return (input, index, src), {"dim": canonical_dim(dim, input.ndim)}


# ---------------------------------------------------------------- composites


@composite
def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """The rows of `weight` that the integers in `input` name."""
    return index(weight, [input], (0,))


def index_select(input: Tensor, dim: int, index_: Tensor) -> Tensor:
    """The slices along `dim` that the one-dim `index_` names."""
    require(index_.ndim <= 1, "index_select needs an index of one dim")
    at = unsqueeze(index_, 0) if index_.ndim == 0 else index_
    return index(input, [at], (canonical_dim(dim, input.ndim),))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` holds, else `input`."""
    return where(mask, convert(value, input.dtype), input)


def nonzero(input: Tensor) -> tuple[Tensor, ...]:
    """For each dim, the indices of the elements that are not zero.

    The result's size depends on values, so a capture refuses it.
    """
    current().refuse("nonzero", input, "where(mask, x, other)  # a result of fixed size")
    return _nonzero(input)


def _eager_nonzero(xp: Any, x: Any) -> Any:
    return xp.nonzero(x)


def _infer_nonzero(x: TensorType) -> Any:
    raise ArgumentError("the size of nonzero's result depends on values")


_nonzero = primitive(name="nonzero", infer=_infer_nonzero, eager=_eager_nonzero, many=True)(
    lambda input: ((input,), {})
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
        raise IndexError(f"too many indices: {used} for a tensor of {x.ndim} dims")
    if Ellipsis in [i for i in items if not is_tensor(i)]:
        at = next(k for k, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = [slice(None)] * (x.ndim - used)
    dim, tensors = 0, []
    for item in items:
        if item is None:
            x = unsqueeze(x, dim)
            dim += 1
        elif isinstance(item, slice):
            if item != slice(None):
                x = slice_(x, dim, item.start, item.stop, item.step or 1)
            dim += 1
        elif is_tensor(item):
            parts = nonzero(item) if item.dtype is bool_ else (item,)
            for part in parts:
                tensors.append((dim, part))
                dim += 1
        else:
            x = select(x, dim, item)
    return x, tensors


def _as_index(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    if is_tensor(item):
        if item.dtype.is_floating_point:
            raise DTypeError(f"an index must be integer or bool, got {item.dtype.name}")
        return item
    if isinstance(item, bool):
        raise ArgumentError("a Python bool is no index", instead="x[None] or a bool tensor")
    if is_size(item):
        return item
    raise ArgumentError(
        f"cannot index with {type(item).__name__}",
        instead="x[vt.tensor(index)]" if isinstance(item, list) or hasattr(item, "shape") else "",
    )


def _dims_used(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if is_tensor(item) and item.dtype is bool_ else 1


def getitem(input: Tensor, key: Any) -> Tensor:
    """`input[key]`: a view for ints, slices, None and ...; a copy for tensors."""
    view, tensors = _parse(input, key)
    if not tensors:
        return view
    dims = tuple(d for d, _ in tensors)
    return index(view, [t for _, t in tensors], dims)


def setitem(input: Tensor, key: Any, value: Any) -> None:
    """`input[key] = value`, written through to whatever `input` is a view of."""
    if is_tensor(key) and key.dtype is bool_ and (not is_tensor(value) or value.ndim == 0):
        mask = key
        for _ in range(input.ndim - key.ndim):
            mask = unsqueeze(mask, -1)
        current().write(input, masked_fill(input, mask, value))
        return
    view, tensors = _parse(input, key)
    value = convert(value, input.dtype)
    if tensors:
        dims = tuple(d for d, _ in tensors)
        value = index_put(view, value, [t for _, t in tensors], dims)
    elif view is input and not same(view.ndim, value.ndim):
        value = value.expand(input.shape)
    current().write(view, value)
