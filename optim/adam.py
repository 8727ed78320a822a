"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..ir.errors import ArgumentError
from ..tensor import Tensor
from .optimizer import Group, Optimizer, require_at_least_zero, scaled


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps scaled by running means of gradients and their squares.

    Args:
        params: Tensors, or groups of them.
        lr: Size of the step.
        betas: How much of each running mean is kept at a step.
        eps: Added to the denominator.
        weight_decay: How much of the parameter is added to its gradient.
        amsgrad: Whether to divide by the largest running mean of squares so far.
        maximize: Whether to go up instead of down.

    Raises:
        ArgumentError: for options that are out of range.
    """

    decoupled = False  # whether weight decay acts on the parameter instead of the gradient

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        require_at_least_zero(lr=lr, eps=eps, weight_decay=weight_decay)
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ArgumentError(f"betas must be two numbers from 0 to below 1, got {betas}")
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, xp: Any, param: Any, grad: Any, state: dict[str, Any], group: Group) -> None:
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        if not state:
            state["step"] = 0
            names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sqs"] if group["amsgrad"] else [])]
            state.update({name: Tensor._from_payload(xp.zeros_like(param)) for name in names})
        state["step"] += 1
        step = state["step"]
        mean, square = state["exp_avg"]._data, state["exp_avg_sq"]._data
        if group["maximize"]:
            grad = -grad
        if decay and self.decoupled:
            param *= 1 - lr * decay
        elif decay:
            grad = scaled(xp, param, decay, plus=grad)

        # One temporary, `t`, serves the whole update.
        t = xp.empty_like(param)
        xp.subtract(grad, mean, out=t)
        t *= 1 - beta1
        mean += t
        xp.multiply(grad, grad, out=t)
        t *= 1 - beta2
        square *= beta2
        square += t
        if group["amsgrad"]:
            largest = state["max_exp_avg_sqs"]._data
            square = xp.maximum(largest, square, out=largest)
        xp.sqrt(square, out=t)
        t /= math.sqrt(1 - beta2**step)
        t += group["eps"]
        xp.divide(mean, t, out=t)
        t *= lr / (1 - beta1**step)
        param -= t


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Weight decay makes parameters smaller by the factor 1 - lr * weight_decay before each step. The
    arguments are those of `Adam`, with another default of `weight_decay`.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
