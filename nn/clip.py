"""Limits on gradients, applied between `backward` and an optimizer's step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ir.errors import ArgumentError, AutogradError
from ..ops import clamp
from ..tensor import Tensor, no_grad, zeros
from ..tensor.device import array_module


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    tensors = [parameters] if isinstance(parameters, Tensor) else parameters
    return [(p, p.grad) for p in tensors if p.grad is not None]


def _norm(xp: Any, array: Any, order: float) -> Any:
    flat = xp.abs(array).ravel()
    if flat.dtype.itemsize < 4:  # sums of half precision overflow
        flat = flat.astype(xp.float32)
    if order == float("inf"):
        return flat.max() if flat.size else flat.sum()
    if order == 2:
        return xp.sqrt(xp.dot(flat, flat))
    return (flat**order).sum() ** (1.0 / order)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients down together, so that their norm as one vector is at most `max_norm`.

    `.grad` is replaced, not written into: gradients may share memory with each other.

    Args:
        parameters: Whose gradients; those without are left out.
        max_norm: The largest norm allowed.
        norm_type: Order of the norm; `float("inf")` for the largest absolute value.
        error_if_nonfinite: Whether a norm that is infinite or NaN is an error.

    Returns:
        The norm before.

    Raises:
        AutogradError: for a norm that is not finite, if `error_if_nonfinite`.
        ArgumentError: for a `norm_type` that is not positive.
    """
    if not norm_type > 0:
        raise ArgumentError(f"norm_type must be positive, got {norm_type}")
    pairs = _with_gradients(parameters)
    if not pairs:
        return zeros(())
    xp = array_module([g._data for _, g in pairs])
    norms = xp.stack([xp.asarray(_norm(xp, g._data, norm_type)) for _, g in pairs])
    total = xp.asarray(_norm(xp, norms, norm_type))
    if error_if_nonfinite and not xp.isfinite(total):
        raise AutogradError(f"the norm of the gradients is {float(total)}")
    scale = xp.minimum(max_norm / (total + 1e-6), 1.0)
    for p, g in pairs:
        p.grad = Tensor._from_payload(g._data * scale.astype(g._data.dtype))
    return Tensor._from_payload(total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Move every element of every gradient into the range from -clip_value to clip_value."""
    with no_grad():
        for p, g in _with_gradients(parameters):
            p.grad = clamp(g, -clip_value, clip_value)
