"""`x[key]` and `x[key] = value`, made of views and of the ops that index with tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.dims import same, same_shape
from ..ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from ..ir.op import current
from ..ir.types import Shape, TensorType, bool_, int64, uint8
from .index import index, index_put, indexed_shape, masked_fill, nonzero
from .leaf import constant
from .registry import Tensor, is_tensor
from .rules import broadcast_shapes, convert, is_size, shown
from .shape import expand, reshape, unsqueeze
from .slice import select, slice_

# ---------------------------------------------------------------- the key


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
    return nonzero(mask, as_tuple=True)


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
    return indexed_shape(view, types, tuple(d for d, _ in places))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where `mask` holds, in order, in one dim; a capture refuses it."""
    shape = broadcast_shapes(input.shape, mask.shape)
    return getitem(expand(input, shape), expand(mask, shape))
