"""Activation functions."""

from __future__ import annotations

from typing import Any

from ...ir.errors import ArgumentError
from ..arrays import quiet
from ..elementwise import erf, exp, expm1, log1p, maximum, tanh, where
from ..registry import Tensor, composite
from ..rules import canonical_dim, promote
from .arithmetic import clamp


def _canonical_float(input: Tensor) -> Any:
    return tuple(promote(input, to_float=True)), {}


@composite(
    eager=lambda xp, x: xp.maximum(x, x.dtype.type(0)),
    vjp=lambda g, y, _x: (where(y > 0, g, 0.0),),
)
def relu(input: Tensor) -> Tensor:
    """max(input, 0); its gradient at 0 is 0."""
    return maximum(input, 0)


def _eager_sigmoid(xp: Any, x: Any) -> Any:
    one = x.dtype.type(1)
    return one / (one + xp.exp(-x))


@composite(
    eager=quiet(_eager_sigmoid),
    vjp=lambda g, y, _x: (g * (y * (1.0 - y)),),
    canonical=_canonical_float,
)
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input))"""
    return 1.0 / (1.0 + exp(-input))


def _canonical_gelu(input: Tensor, approximate: str = "none") -> Any:
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return (input,), {"approximate": approximate}


@composite(canonical=_canonical_gelu)
def gelu(input: Tensor, approximate: str) -> Tensor:
    """The input times the normal distribution's cumulative function of it (or a tanh of that)."""
    if approximate == "tanh":
        inner = 0.7978845608028654 * (input + 0.044715 * (input * input * input))
        return 0.5 * input * (1.0 + tanh(inner))
    return 0.5 * input * (1.0 + erf(input * 0.7071067811865476))


@composite
def silu(input: Tensor) -> Tensor:
    """input * sigmoid(input), also named swish."""
    return input * sigmoid(input)


@composite
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """The input where positive, else `negative_slope` times it."""
    return where(input > 0, input, input * negative_slope)


@composite
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """The input where positive, else alpha * (exp(input) - 1)."""
    return where(input > 0, input, alpha * expm1(clamp(input, max=0.0)))


@composite
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta; the input itself above `threshold` / beta."""
    scaled = input * beta
    return where(scaled > threshold, input, log1p(exp(clamp(scaled, max=threshold))) / beta)


@composite(vjp=lambda g, _y, x: (g * sigmoid(-x),))
def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(input)), without overflow."""
    return clamp(input, max=0.0) - log1p(exp(-input.abs()))


def _vjp_between(g: Tensor, _y: Tensor, x: Tensor, min_val: float, max_val: float) -> Any:
    """As PyTorch, and unlike `clamp`: no gradient at the bounds."""
    return (where((x > min_val) & (x < max_val), g, 0.0),)


@composite(vjp=lambda g, _y, x: _vjp_between(g, _y, x, 0.0, 6.0))
def relu6(input: Tensor) -> Tensor:
    """min(max(input, 0), 6)"""
    return clamp(input, 0.0, 6.0)


@composite(vjp=_vjp_between)
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """The input moved into the range from `min_val` to `max_val`."""
    return clamp(input, min_val, max_val)


@composite(vjp=lambda g, _y, x: _vjp_between(g / 6.0, _y, x, -3.0, 3.0))
def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(input + 3, 0), 6) / 6"""
    return clamp(input + 3.0, 0.0, 6.0) / 6.0


@composite
def hardswish(input: Tensor) -> Tensor:
    """input * hardsigmoid(input)"""
    return input * hardsigmoid(input)


@composite
def mish(input: Tensor) -> Tensor:
    """input * tanh(softplus(input))"""
    return input * tanh(softplus(input))


def _canonical_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Any:
    (x,) = promote(input if dtype is None else input.to(dtype), to_float=True)
    return (x,), {"dim": canonical_dim(dim, x.ndim)}


def _exponentials(xp: Any, x: Any, dim: int) -> Any:
    return xp.exp(x - xp.max(x, axis=dim, keepdims=True)) if x.ndim else xp.ones_like(x)


def _eager_softmax(xp: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return xp.ones_like(x)
    e = _exponentials(xp, x, dim)
    e /= xp.sum(e, axis=dim, keepdims=True)
    return e


def _vjp_softmax(g: Tensor, y: Tensor, _x: Tensor, dim: int) -> Any:
    gy = g * y
    return (gy - y * gy.sum(dim, True),)


@composite(
    eager=quiet(_eager_softmax),
    vjp=_vjp_softmax,
    canonical=_canonical_softmax,
    infer=lambda x, dim: x,
)
def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(input) along `dim`, scaled to add up to 1."""
    e = exp(input - input.amax(dim, True))
    return e / e.sum(dim, True)


def _eager_log_softmax(xp: Any, x: Any, dim: int) -> Any:
    if not x.ndim:
        return xp.zeros_like(x)
    shifted = x - xp.max(x, axis=dim, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=dim, keepdims=True))


@composite(
    eager=quiet(_eager_log_softmax),
    vjp=lambda g, y, _x, dim: (g - exp(y) * g.sum(dim, True),),
    canonical=_canonical_softmax,
    infer=lambda x, dim: x,
)
def log_softmax(input: Tensor, dim: int) -> Tensor:
    """log(softmax(input)) along `dim`, without overflow."""
    shifted = input - input.amax(dim, True)
    return shifted - exp(shifted).sum(dim, True).log()
