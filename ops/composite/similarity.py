"""Vectors along a dim: the angle between them, and their length taken away."""

from __future__ import annotations

from typing import Any

from ...ir.types import TensorType
from ..elementwise import sqrt, where
from ..reduce import amax
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import broadcast_shapes, canonical_dim, canonical_dims, promote, require_float
from ..shape import expand
from .arithmetic import clamp


def _root(x: Tensor, exponent: float) -> Tensor:
    """x ** exponent, whose gradient at 0 is 0 and not infinite."""
    zero = x == 0.0
    filled = where(zero, 1.0, x)
    return where(zero, 0.0, sqrt(filled) if exponent == 0.5 else filled**exponent)


def _canonical_cosine(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Any:
    a, b = promote(x1, x2, to_float=True)
    return (a, b), {"dim": canonical_dim(dim, max(a.ndim, b.ndim)), "eps": float(eps)}


@composite(canonical=_canonical_cosine)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as at least `eps`."""
    shape = broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = expand(x1, shape), expand(x2, shape)
    norms = [clamp(_root(sum_(x * x, dim, True), 0.5), min=eps) for x in (x1, x2)]
    return sum_((x1 / norms[0]) * (x2 / norms[1]), dim)


def _canonical_normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12
) -> Any:
    require_float("normalize", TensorType(input.dtype, ()))
    dims = canonical_dims(dim, input.ndim)
    return (input,), {"p": float(p), "dim": dims, "eps": float(eps)}


@composite(canonical=_canonical_normalize)
def normalize(input: Tensor, p: float, dim: tuple[int, ...], eps: float) -> Tensor:
    """Divided by the p-norm over `dim`, which counts as at least `eps`."""
    size = abs(input)
    if p == 2.0:
        norm = _root(sum_(input * input, dim, True), 0.5)
    elif p == float("inf"):
        norm = amax(size, dim, True)
    elif p == 1.0:
        norm = sum_(size, dim, True)
    else:
        norm = _root(sum_(size**p, dim, True), 1.0 / p)
    return input / clamp(norm, min=eps)
