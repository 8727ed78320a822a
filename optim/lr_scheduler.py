"""Learning rates that change from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..ir.errors import ArgumentError, StateError
from .optimizer import Optimizer


class LRScheduler:
    """Sets the `lr` of an optimizer's groups; call `step` once an epoch, after the optimizer's.

    A subclass defines `_next`, the rate at epoch `last_epoch` from the one before, so that several
    schedulers of one optimizer act together.

    Args:
        optimizer: Whose groups to change.

    Attributes:
        base_lrs: The rates at the start, one for each group.
        last_epoch: How often `step` was called.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = -1
        self.step()

    def step(self) -> None:
        """Go on to the next epoch."""
        self.last_epoch += 1
        groups = self.optimizer.param_groups
        for k, (group, base) in enumerate(zip(groups, self.base_lrs, strict=True)):
            group["lr"] = self._next(k, group["lr"], base)

    def get_last_lr(self) -> list[float]:
        """The rates now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _next(self, k: int, lr: float, base: float) -> float:
        """The rate of group `k` now, from the one before and the one at the start."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later, beside the optimizer's own state."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where the scheduler that this state is from was.

        Raises:
            StateError: where it is for another number of groups.
        """
        if len(state_dict.get("base_lrs", ())) != len(self.base_lrs):
            raise StateError(f"the state is not for a scheduler of {len(self.base_lrs)} groups")
        self.last_epoch = int(state_dict["last_epoch"])
        self.base_lrs = [float(lr) for lr in state_dict["base_lrs"]]


class LambdaLR(LRScheduler):
    """The rate at the start, times a function of the epoch.

    Args:
        optimizer: Whose groups to change.
        lr_lambda: The function, or one for each group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
    ) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * count if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != count:
            raise ArgumentError(f"{len(self.lr_lambdas)} functions for {count} groups")
        super().__init__(optimizer)

    def _next(self, k: int, lr: float, base: float) -> float:
        return base * self.lr_lambdas[k](self.last_epoch)


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def _next(self, k: int, lr: float, base: float) -> float:
        return lr * self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else lr


class LinearLR(LRScheduler):
    """The rate times a factor that goes from `start_factor` to `end_factor` and stays there.

    Args:
        optimizer: Whose groups to change.
        start_factor: The factor at epoch 0.
        end_factor: The factor from epoch `total_iters` on.
        total_iters: How many epochs the change takes.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ArgumentError("the factors must be from 0 to 1, and the first not 0")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def _factor(self, epoch: int) -> float:
        change = self.end_factor - self.start_factor
        return self.start_factor + change * epoch / self.total_iters

    def _next(self, k: int, lr: float, base: float) -> float:
        if self.last_epoch == 0:
            return lr * self.start_factor
        if self.last_epoch > self.total_iters:
            return lr
        return lr * (self._factor(self.last_epoch) / self._factor(self.last_epoch - 1))


class CosineAnnealingLR(LRScheduler):
    """The rate falls to `eta_min` along half a cosine in `T_max` epochs, then rises again.

    Args:
        optimizer: Whose groups to change.
        T_max: Epochs of one half of the cosine.
        eta_min: The lowest rate.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def _height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def _next(self, k: int, lr: float, base: float) -> float:
        if self.last_epoch == 0:
            return lr
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:  # rising from eta_min
            return self.eta_min + (base - self.eta_min) * self._height(self.last_epoch) / 2
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return self.eta_min + (lr - self.eta_min) * ratio
