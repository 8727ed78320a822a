"""Indexing: `x[key]`, `x[key] = value`, and the ops that index with tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ..ir.dims import same
from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import current
from ..ir.types import Shape, TensorType, int64
from .create import zeros, zeros_like
from .elementwise import where
from .join import stack
from .registry import Tensor, composite, primitive
from .rules import broadcast_shapes, canonical_dim, convert, require, same_dtype, shown
from .shape import expand, reshape, unsqueeze
from .slice import slice_

# ---------------------------------------------------------------- primitives


def _key(indices: tuple[Any, ...], dims: tuple[int, ...]) -> tuple[Any, ...]:
    """NumPy's key that indexes `dims` with the arrays and takes the other dims whole."""
    key: list[Any] = [slice(None)] * (dims[-1] + 1)
    for d, array in zip(dims, indices, strict=True):
        key[d] = array
    return tuple(key)


def indexed_shape(x: TensorType, indices: tuple[TensorType, ...], dims: tuple[int, ...]) -> Shape:
    """NumPy's rule: the index shape stands where the indexed dims did if those are adjacent."""
    picked = broadcast_shapes(*(t.shape for t in indices))
    rest = [size for d, size in enumerate(x.shape) if d not in dims]
    at = dims[0] if dims == tuple(range(dims[0], dims[-1] + 1)) else 0
    return (*rest[:at], *picked, *rest[at:])


def _infer_index(x: TensorType, *indices: TensorType, dims: tuple[int, ...]) -> TensorType:
    ascending = len(dims) == len(indices) and list(dims) == sorted(set(dims))
    require(ascending and dims[0] >= 0 and dims[-1] < x.ndim, f"cannot index dims {dims} of {x}")
    return TensorType(x.dtype, indexed_shape(x, indices, dims))


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


def _eager_nonzero(xp: Any, x: Any) -> Any:
    return xp.nonzero(x)


def _infer_nonzero(x: TensorType) -> Any:
    raise ArgumentError("the size of nonzero's result depends on values")


def _canonical_nonzero(input: Tensor) -> Any:
    return (input,), {}


_nonzero = primitive(name="nonzero", infer=_infer_nonzero, eager=_eager_nonzero, many=True)(
    _canonical_nonzero
)
