"""Comparisons, logic and bits: results without a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.dims import same_shape
from ..ir.op import Op
from ..ir.types import TensorType, bool_
from .arrays import quiet
from .elementwise import binary, unary
from .registry import Tensor, composite, primitive
from .rules import broadcast_shapes, convert, promote


def _comparison(name: str, function: str, doc: str) -> Op:
    def eager(xp: Any, x: Any, y: Any) -> Any:
        return getattr(xp, function)(x, y)

    return binary(name, quiet(eager), result=bool_, ufunc=getattr(np, function), doc=doc)


eq = _comparison("eq", "equal", "Whether x == y.")
ne = _comparison("ne", "not_equal", "Whether x != y.")
lt = _comparison("lt", "less", "Whether x < y.")
le = _comparison("le", "less_equal", "Whether x <= y.")
gt = _comparison("gt", "greater", "Whether x > y.")
ge = _comparison("ge", "greater_equal", "Whether x >= y.")


def _infer_logical(x: TensorType, y: TensorType) -> TensorType:
    return TensorType(bool_, broadcast_shapes(x.shape, y.shape))


def _logical(name: str, doc: str) -> Op:
    def canonical(input: Tensor, other: Tensor) -> Any:
        return (convert(input, bool_), convert(other, bool_)), {}

    def eager(xp: Any, x: Any, y: Any) -> Any:
        return getattr(xp, name)(x, y)

    return primitive(infer=_infer_logical, eager=eager, name=name, doc=doc)(canonical)


logical_and = _logical("logical_and", "Whether both are nonzero.")
logical_or = _logical("logical_or", "Whether either is nonzero.")
logical_xor = _logical("logical_xor", "Whether just one is nonzero.")


@primitive(infer=lambda x: x, eager=lambda xp, x: xp.logical_not(x))
def logical_not(input: Tensor) -> Any:
    """Whether each element is zero."""
    return (convert(input, bool_),), {}


def _bits(name: str, function: str, doc: str, refuses: tuple[str, ...] = ("float",)) -> Op:
    def eager(xp: Any, x: Any, y: Any) -> Any:
        return getattr(xp, function)(x, y)

    return binary(name, eager, refuses=refuses, doc=doc)


bitwise_and = _bits("bitwise_and", "bitwise_and", "The bits set in both.")
bitwise_or = _bits("bitwise_or", "bitwise_or", "The bits set in either.")
bitwise_xor = _bits("bitwise_xor", "bitwise_xor", "The bits set in just one.")
bitwise_left_shift = _bits(
    "bitwise_left_shift", "left_shift", "x * 2 ** y, in bits.", ("float", "bool")
)
bitwise_right_shift = _bits(
    "bitwise_right_shift", "right_shift", "x / 2 ** y rounded down.", ("float", "bool")
)
bitwise_not = unary(
    "bitwise_not",
    lambda xp, x: xp.invert(x),
    refuses=("float",),
    doc="All bits inverted; `not` for bools.",
)


def _predicate(name: str, doc: str) -> Op:
    def eager(xp: Any, x: Any) -> Any:
        return getattr(xp, name)(x)

    def canonical(input: Tensor) -> Any:
        return (input,), {}

    def infer(x: TensorType) -> TensorType:
        return TensorType(bool_, x.shape)

    return primitive(infer=infer, eager=eager, name=name, doc=doc)(canonical)


isnan = _predicate("isnan", "Whether each element is NaN.")
isinf = _predicate("isinf", "Whether each element is infinite, of either sign.")


@composite
def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor NaN."""
    return logical_not(logical_or(isinf(input), isnan(input)))


def _canonical_isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Any:
    x, y = promote(input, other)
    attrs = {"rtol": float(rtol), "atol": float(atol), "equal_nan": bool(equal_nan)}
    return (x, y), attrs


@composite(canonical=_canonical_isclose)
def isclose(input: Tensor, other: Tensor, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|; equal infinities are close."""
    same = input == other
    if not input.dtype.is_floating_point:
        input, other = input.double(), other.double()
    near = (input - other).abs() <= atol + rtol * other.abs()
    near = same | (near & isfinite(input) & isfinite(other))
    return near | (isnan(input) & isnan(other)) if equal_nan else near


def allclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> bool:
    """Whether all elements are close, see `isclose`, as a Python bool; a capture refuses it."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and elements are the same, as a Python bool; a capture refuses it."""
    return same_shape(input.shape, other.shape) and bool((input == other).all())
