"""Elementwise functions that are defined over the primitive ones."""

from __future__ import annotations

from typing import Any

from ...ir.errors import ArgumentError
from ..arrays import quiet
from ..elementwise import (
    cos,
    floor_divide,
    fmod,
    maximum,
    minimum,
    sin,
    true_divide,
    trunc,
    where,
)
from ..registry import Tensor, composite
from ..rules import promote


def div(input: Tensor, other: Tensor, *, rounding_mode: str | None = None) -> Tensor:
    """x / y, or the quotient rounded down (`"floor"`) or towards zero (`"trunc"`)."""
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode != "trunc":
        raise ArgumentError(f'rounding_mode must be None, "floor" or "trunc": {rounding_mode!r}')
    x, y = promote(input, other)
    if x.dtype.is_floating_point:
        return trunc(true_divide(x, y))
    return floor_divide(x - fmod(x, y), y)


@composite
def lerp(input: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """input + weight * (end - input)"""
    return input + weight * (end - input)


def _canonical_tan(input: Tensor) -> Any:
    return tuple(promote(input, to_float=True)), {}


@composite(
    eager=quiet(lambda xp, x: xp.tan(x)),
    vjp=lambda g, y, _x: (g * (1.0 + y * y),),
    canonical=_canonical_tan,
)
def tan(input: Tensor) -> Tensor:
    """tangent"""
    return sin(input) / cos(input)


@composite
def rsub(input: Tensor, other: Tensor) -> Tensor:
    """other - input"""
    return other - input


@composite
def frac(input: Tensor) -> Tensor:
    """The fractional part, with the sign of the input."""
    return input - trunc(input)


def _vjp_clamp(g: Tensor, _y: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None) -> Any:
    inside = g
    if low is not None:
        inside = where(x >= low, inside, 0.0)
    if high is not None:
        inside = where(x <= high, inside, 0.0)
    # Where the bounds cross, the upper one is the result.
    crossed = low > high if low is not None and high is not None else None
    below = None if low is None else x < low
    above = None if high is None else x > high
    if crossed is not None:
        below, above = below & ~crossed, above | crossed
    return (
        inside,
        None if below is None else where(below, g, 0.0),
        None if above is None else where(above, g, 0.0),
    )


def _eager_clamp(xp: Any, x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        x = xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def _canonical_clamp(input: Tensor, min: Tensor | None = None, max: Tensor | None = None) -> Any:
    given = [b for b in (min, max) if b is not None]
    if not given:
        raise ArgumentError("clamp needs min, max or both")
    x, *bounds = promote(input, *given)
    low = bounds.pop(0) if min is not None else None
    high = bounds.pop(0) if max is not None else None
    return (x, low, high), {}


@composite(eager=_eager_clamp, vjp=_vjp_clamp, canonical=_canonical_clamp)
def clamp(input: Tensor, min: Tensor | None, max: Tensor | None) -> Tensor:
    """The elements moved into the range from `min` to `max`, either of which may be missing."""
    if min is not None:
        input = maximum(input, min)
    return input if max is None else minimum(input, max)


clip = clamp  # PyTorch has both names
