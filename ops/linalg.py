"""Matrix products."""

from __future__ import annotations

from typing import Any

from ..ir.dims import same
from ..ir.errors import DTypeError, ShapeError
from ..ir.types import TensorType, bool_
from .arrays import quiet
from .registry import Tensor, composite, primitive
from .rules import broadcast_shapes, require, same_dtype, shown
from .shape import permute, squeeze, transpose, unsqueeze


def _infer_matmul(x: TensorType, y: TensorType) -> TensorType:
    fits = x.ndim >= 2 and y.ndim >= 2
    if fits and not same(x.shape[-1], y.shape[-2]):
        fits = x.shape[-1] == y.shape[-2]
    require(fits, f"matmul: {shown(x.shape)} by {shown(y.shape)} do not fit together")
    batch = broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return TensorType(x.dtype, (*batch, x.shape[-2], y.shape[-1]))


def swap_last(x: Tensor) -> Tensor:
    """The last two dims swapped."""
    return transpose(x, -2, -1)


def _eager_matmul(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":  # accumulate 16-bit floats in float32
        return xp.matmul(x.astype("float32"), y.astype("float32")).astype(x.dtype)
    return xp.matmul(x, y)


def _canonical_matmul(input: Tensor, other: Tensor) -> Any:
    if same_dtype("matmul", (input, other)) is bool_:
        raise DTypeError("matmul is not defined for bool", instead="x.float() @ y.float()")
    return (input, other), {}


_matmul = primitive(
    name="matmul",
    infer=_infer_matmul,
    eager=quiet(_eager_matmul),
    vjp=lambda g, _z, x, y: (lambda: _matmul(g, swap_last(y)), lambda: _matmul(swap_last(x), g)),
    doc="Products of the matrices in the last two dims, broadcast over the others.",
)(_canonical_matmul)


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product; vectors count as a row on the left and as a column on the right."""
    if not input.ndim or not other.ndim:
        raise ShapeError("matmul needs at least one dim on both sides")
    x = unsqueeze(input, 0) if input.ndim == 1 else input
    y = unsqueeze(other, 1) if other.ndim == 1 else other
    result = _matmul(x, y)
    if other.ndim == 1:
        result = squeeze(result, -1)
    return squeeze(result, -2 + (other.ndim == 1)) if input.ndim == 1 else result


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    require(input.ndim == mat2.ndim == 2, "mm needs two matrices")
    return _matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two equally long batches of matrices."""
    require(input.ndim == mat2.ndim == 3, "bmm needs two batches of matrices")
    require(
        same(input.shape[0], mat2.shape[0]) or input.shape[0] == mat2.shape[0],
        f"bmm: batches of {input.shape[0]} and {mat2.shape[0]}",
    )
    return _matmul(input, mat2)


def dot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors."""
    require(input.ndim == other.ndim == 1, "dot needs two vectors")
    return matmul(input, other)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors."""
    require(input.ndim == vec2.ndim == 1, "outer needs two vectors")
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)


@composite
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias, with `weight` of shape (out_features, in_features)."""
    require(weight.ndim == 2, f"linear needs a matrix as weight, got {shown(weight.shape)}")
    result = matmul(input, permute(weight, 1, 0))
    return result if bias is None else result + bias


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2)"""
    product = mm(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    return product + (input if beta == 1 else input * beta)
