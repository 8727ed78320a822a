"""Vectors along dims: their norm, and the angle between two."""

from __future__ import annotations

import math
from typing import Any

from ...ir.errors import ArgumentError
from ...ir.types import TensorType
from ..elementwise import cast, sqrt, where
from ..reduce import Dims, amax, amin, canonical_reduction, restore, vjp_extreme
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import broadcast_shapes, canonical_dim, canonical_dims, promote, require_float
from ..shape import expand
from .arithmetic import clamp


def _canonical_norm(
    input: Tensor, p: float | str | None = "fro", dim: Dims = None, keepdim: bool = False
) -> Any:
    if p not in ("fro", None) and not isinstance(p, int | float):
        raise ArgumentError(f'p must be a number or "fro", got {p!r}')
    require_float("norm", input.type)
    order = 2.0 if isinstance(p, str) or p is None else float(p)
    tensors, attrs = canonical_reduction(input, dim, keepdim)
    return tensors, {"p": order} | attrs


def _vjp_norm(g: Tensor, y: Tensor, x: Tensor, p: float, dim: Any, keepdim: bool) -> Any:
    """As PyTorch has it: 0 where the norm is 0, though the slope there is not defined."""
    if math.isinf(p):
        (each,) = vjp_extreme(g, y, x.abs(), dim, keepdim)
        return (each * x.sign(),)
    if p == 0.0:
        return (None,)
    g, y = restore(g, dim, keepdim), restore(y, dim, keepdim)
    if p == 1.0:
        return (g * x.sign(),)
    # Masked before the division, so that the gradients of this are 0 there too and not NaN.
    zero = y == 0
    g, y = where(zero, 0.0, g), where(zero, 1.0, y)
    if p == 2.0:
        return (g / y * x,)
    slope = where(x == 0, 0.0, x.sign() * x.abs() ** (p - 1.0))
    return (g / y ** (p - 1.0) * slope,)


@composite(vjp=_vjp_norm, canonical=_canonical_norm)
def norm(input: Tensor, p: float, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """The p-norm over `dim`: the p-th root of the sum of |input| ** p."""
    if p == 2.0:
        return sqrt(sum_(input * input, dim, keepdim))
    if p == math.inf:
        return amax(input.abs(), dim, keepdim)
    if p == -math.inf:
        return amin(input.abs(), dim, keepdim)
    if p == 0.0:
        return sum_(cast(input != 0, input.dtype), dim, keepdim)
    if p == 1.0:
        return sum_(input.abs(), dim, keepdim)
    return sum_(input.abs() ** p, dim, keepdim) ** (1.0 / p)


def _canonical_cosine(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Any:
    a, b = promote(x1, x2, to_float=True)
    return (a, b), {"dim": canonical_dim(dim, max(a.ndim, b.ndim)), "eps": float(eps)}


@composite(canonical=_canonical_cosine)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
    """The cosine of the angle between vectors along `dim`; norms count as at least `eps`."""
    shape = broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = expand(x1, shape), expand(x2, shape)
    norms = [clamp(norm(x, 2.0, dim, True), min=eps) for x in (x1, x2)]
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
    return input / clamp(norm(input, p, dim, True), min=eps)
