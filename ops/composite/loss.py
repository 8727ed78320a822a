"""Losses between like tensors. `reduction` is 'mean', 'sum' or 'none' (a number an element)."""

from __future__ import annotations

from typing import Any

from ...ir.dims import product, same
from ...ir.errors import ArgumentError
from ...ir.types import Shape, TensorType
from ..elementwise import abs, exp, log, log1p, where
from ..reduce import mean
from ..reduce import sum as sum_
from ..registry import Tensor, composite
from ..rules import (
    convert,
    promote,
    require,
    require_float,
    shown,
)
from .activation import logsigmoid
from .arithmetic import clamp


def check_reduction(reduction: str, size_average: Any = None, reduce: Any = None) -> None:
    """Refuse other reductions, and the parameters by which PyTorch once chose one."""
    if size_average is not None or reduce is not None:
        raise ArgumentError(
            "size_average and reduce are not supported", instead="reduction='mean' or 'sum'"
        )
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def check_shapes(op: str, wanted: Shape, given: Shape) -> None:
    """Raise `ShapeError` unless the shapes are the same, without broadcasting."""
    fits = len(wanted) == len(given) and all(
        same(a, b) or a == b for a, b in zip(wanted, given, strict=True)
    )
    require(fits, f"{op}: expected the shape {shown(wanted)}, got {shown(given)}")


def reduced(losses: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The losses, weighted and reduced; 'mean' is over their number, whatever the weights."""
    if weight is not None:
        losses = losses * weight
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum_(losses)


# ---------------------------------------------------------------- regression


def _canonical_pair(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    check_reduction(reduction, size_average, reduce)
    return tuple(promote(input, target)), {"reduction": reduction}


@composite(canonical=_canonical_pair)
def mse_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """(input - target) squared."""
    difference = input - target
    return reduced(difference * difference, reduction)


@composite(canonical=_canonical_pair)
def l1_loss(input: Tensor, target: Tensor, reduction: str) -> Tensor:
    """|input - target|"""
    return reduced(abs(input - target), reduction)


def _canonical_smooth_l1(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    if beta < 0:
        raise ArgumentError(f"beta must not be negative, got {beta}")
    tensors, attrs = _canonical_pair(input, target, size_average, reduce, reduction)
    return tensors, attrs | {"beta": float(beta)}


@composite(canonical=_canonical_smooth_l1)
def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str, beta: float) -> Tensor:
    """The distance less beta / 2; its square over 2 beta where it is below `beta`."""
    distance = abs(input - target)
    if beta == 0.0:
        return reduced(distance, reduction)
    near = distance * distance * (0.5 / beta)
    return reduced(where(distance < beta, near, distance - 0.5 * beta), reduction)


def _canonical_huber(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Any:
    if delta <= 0:
        raise ArgumentError(f"delta must be positive, got {delta}")
    check_reduction(reduction)
    attrs = {"reduction": reduction, "delta": float(delta)}
    return (*promote(input, target), weight), attrs


@composite(canonical=_canonical_huber)
def huber_loss(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, delta: float
) -> Tensor:
    """Half the squared distance; where that is `delta` or more, delta * (distance - delta / 2)."""
    distance = abs(input - target)
    near, far = 0.5 * distance * distance, delta * (distance - 0.5 * delta)
    losses = where(distance < delta, near, far)
    return reduced(losses, reduction, weight)


# ---------------------------------------------------------------- probabilities


def _canonical_bce(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    check_reduction(reduction, size_average, reduce)
    require_float("binary_cross_entropy", *(TensorType(t.dtype, ()) for t in (input, target)))
    check_shapes("binary_cross_entropy", input.shape, target.shape)
    return (input, target, weight), {"reduction": reduction}


def _binary_losses(input: Tensor, target: Tensor) -> Tensor:
    yes, no = clamp(log(input), min=-100.0), clamp(log1p(-input), min=-100.0)
    return (target - 1.0) * no - target * yes


def _vjp_bce(
    g: Tensor, _y: Tensor, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Any:
    """Finite at 0 and 1 too, where the logarithms' own gradients are not."""
    if reduction == "mean":
        g = g / convert(product(input.shape), input.dtype)
    weighted = g if weight is None else g * weight
    return (
        lambda: weighted * (input - target) / clamp(input * (1.0 - input), min=1e-12),
        lambda: weighted * (_binary_losses(input, 1.0) - _binary_losses(input, 0.0)),
        None if weight is None else lambda: g * _binary_losses(input, target),
    )


@composite(canonical=_canonical_bce, vjp=_vjp_bce)
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)), with logarithms of at least -100."""
    losses = _binary_losses(input, target)
    return reduced(losses, reduction, weight)


def _canonical_bce_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Any:
    tensors, attrs = _canonical_bce(input, target, weight, size_average, reduce, reduction)
    return (*tensors, pos_weight), attrs


@composite(canonical=_canonical_bce_with_logits)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    pos_weight: Tensor | None,
    reduction: str,
) -> Tensor:
    """`binary_cross_entropy` of the sigmoid of `input`, without overflow.

    `pos_weight` is how much targets of 1 count.
    """
    yes = logsigmoid(input)
    if pos_weight is not None:
        yes = yes * (1.0 + (pos_weight - 1.0) * target)
    losses = (1.0 - target) * input - yes
    return reduced(losses, reduction, weight)


def _canonical_kl_div(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    checked = "sum" if reduction == "batchmean" else reduction
    check_reduction(checked, size_average, reduce)
    attrs = {"reduction": reduction, "log_target": bool(log_target)}
    return tuple(promote(input, target)), attrs


@composite(canonical=_canonical_kl_div)
def kl_div(input: Tensor, target: Tensor, reduction: str, log_target: bool) -> Tensor:
    """target * (log(target) - input), where `input` holds logarithms; 0 where the target is 0.

    'batchmean' is the sum over the size of the first dim.
    """
    if log_target:
        losses = exp(target) * (target - input)
    else:
        zero = target == 0.0
        entropy = where(zero, 0.0, target * log(where(zero, 1.0, target)))
        losses = entropy - target * input
    if reduction == "batchmean":
        return sum_(losses) / convert(input.shape[0], losses.dtype)
    return reduced(losses, reduction)
