"""Nodes without inputs: constants, parameters. Printed as `constant 1.0 : f32[]`."""

from __future__ import annotations

from typing import Any

from ..ir.dims import Dim, product, same
from ..ir.errors import ArgumentError, BackendError, DTypeError, ShapeError
from ..ir.types import DType, TensorType, scalar_dtype
from .arrays import numpy_dtype
from .registry import primitive


def _infer(value: Any, type: TensorType) -> TensorType:
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        if not isinstance(number, bool | int | float | Dim):
            raise ArgumentError(f"a constant is made of numbers, got {number!r}")
        if isinstance(number, int):
            exact(number, type.dtype)
    if not same(product(type.shape), len(numbers)):
        raise ShapeError(f"a constant of {len(numbers)} numbers cannot be {type}")
    return type


def _eager_constant(xp: Any, value: Any, type: TensorType) -> Any:
    return xp.array(value, dtype=numpy_dtype(type.dtype)).reshape(type.shape)


@primitive(infer=_infer, eager=_eager_constant)
def constant(value: Any, dtype: DType | None = None, *, type: TensorType | None = None) -> Any:
    """A number, a symbolic size, or a small tensor given as a flat tuple of numbers.

    Args:
        value: A number or a `Dim`; with `type`, for a shape other than (), a tuple of numbers.
        dtype: Its dtype; by default the one that a Python number has.
        type: dtype and shape together, the canonical form.
    """
    if type is not None:
        return (), {"value": value, "type": type}
    if not isinstance(value, bool | int | float | Dim):
        if not hasattr(value, "item") or getattr(value, "ndim", None) != 0:
            raise DTypeError(f"expected a number, got {value!r}")
        value = value.item()
    if dtype is None:
        dtype = scalar_dtype(0 if isinstance(value, Dim) else value)
    elif not isinstance(value, Dim):
        value = exact(value, dtype)
    return (), {"value": value, "type": TensorType(dtype, ())}


def exact(value: bool | int | float, dtype: DType) -> bool | int | float:
    """The Python number that an element of `dtype` made of `value` is.

    Raises:
        ArgumentError: where it does not fit.
    """
    if dtype.is_floating_point:
        return float(value)
    if dtype.kind == "bool":
        return bool(value)
    low, high = (0, 2**dtype.bits - 1) if dtype.kind == "uint" else _signed_range(dtype.bits)
    if not low <= value <= high:  # nor is NaN
        raise ArgumentError(f"{value} does not fit into {dtype.name}")
    return int(value)


def _signed_range(bits: int) -> tuple[int, int]:
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def _infer_parameter(name: str, type: TensorType) -> TensorType:
    return type


def _eager_parameter(xp: Any, name: str, type: TensorType) -> Any:
    raise BackendError(f"parameter {name!r} has no data here: it lives with the program")


@primitive(infer=_infer_parameter, eager=_eager_parameter)
def parameter(name: str, type: TensorType) -> Any:
    """Data that the owner of the graph keeps under a name: a weight, a buffer, a big constant."""
    return (), {"name": name, "type": type}
