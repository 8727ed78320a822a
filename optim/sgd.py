"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ir.errors import ArgumentError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, require_at_least_zero, scaled


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Args:
        params: Tensors, or groups of them.
        lr: Size of the step.
        momentum: How much of the last step is kept.
        dampening: How much less the gradient counts when it is added to the momentum.
        weight_decay: How much of the parameter is added to its gradient.
        nesterov: Whether to look one step of momentum ahead.
        maximize: Whether to go up instead of down.

    Raises:
        ArgumentError: for options that are out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        require_at_least_zero(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ArgumentError("nesterov needs a momentum, and no dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, xp: Any, param: Any, grad: Any, state: dict[str, Any], group: Group) -> None:
        momentum, dampening, decay = group["momentum"], group["dampening"], group["weight_decay"]
        if group["maximize"]:
            grad = -grad
        if decay:
            grad = scaled(xp, param, decay, plus=grad)
        if momentum:
            if "momentum_buffer" in state:
                buffer = state["momentum_buffer"]._data
                buffer *= momentum
                buffer += scaled(xp, grad, 1 - dampening) if dampening else grad
            else:
                buffer = grad.copy()
                state["momentum_buffer"] = Tensor._from_payload(buffer)
            grad = scaled(xp, buffer, momentum, plus=grad) if group["nesterov"] else buffer
        param -= scaled(xp, grad, group["lr"])
