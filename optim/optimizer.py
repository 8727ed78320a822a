"""What all optimizers share: parameter groups, state, and the step around the update."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ir.errors import ArgumentError, StateError
from ..ir.op import current
from ..ops import zeros_like
from ..tensor import Tensor, as_tensor, enable_grad
from ..tensor.device import array_module

Group = dict[str, Any]


class Optimizer:
    """Changes parameters by their gradients.

    A subclass defines `_update`, which works on the arrays in place.

    Args:
        params: Tensors, or dicts with `"params"` and options that differ from the defaults.
        defaults: Options of groups that do not give their own.

    Attributes:
        param_groups: Dicts of `"params"` and options. Options may be changed between steps.
        state: What is remembered about each parameter.

    Raises:
        ArgumentError: where there is no parameter, or one that cannot be updated, or one twice.
    """

    def __init__(
        self, params: Iterable[Tensor] | Iterable[Group], defaults: dict[str, Any]
    ) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        if isinstance(params, Tensor):
            raise ArgumentError("params must be several tensors, got one", instead="[tensor]")
        items: list[Any] = list(params)
        if not items:
            raise ArgumentError(
                "there are no parameters to optimize",
                why="params is empty; an iterator that was used before has nothing left",
            )
        for group in items if isinstance(items[0], dict) else [{"params": items}]:
            self.add_param_group(group)

    def add_param_group(self, group: Group) -> None:
        """Optimize more parameters, with options of their own.

        Args:
            group: `"params"`, and options that differ from the defaults.

        Raises:
            ArgumentError: for what cannot be updated, or is in a group already.
        """
        if not isinstance(group, dict) or "params" not in group:
            raise ArgumentError('a group is a dict with "params"', instead='{"params": [tensor]}')
        given = group["params"]
        params = [given] if isinstance(given, Tensor) else list(given)
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise ArgumentError(
                    f"only tensors can be optimized, not {type(p).__name__}",
                    instead="net.parameters()",
                )
            if not p.is_leaf:
                raise ArgumentError("a tensor that was computed from others cannot be optimized")
            if id(p) in known:
                raise ArgumentError("a parameter is given twice")
            known.add(id(p))
        self.param_groups.append({**self.defaults, **group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or make them zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    # Gradients may share memory with each other, so nothing is written into them.
                    p.grad = None if set_to_none else zeros_like(p.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: Computes the loss and its gradients anew; called first, with gradients on.

        Returns:
            What `closure` returned.
        """
        current().refuse(
            "optimizer.step()",
            self.param_groups[0]["params"][0],
            "capture the forward pass; compute gradients and step outside, eagerly",
        )
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state.setdefault(p, {})
                    self._update(array_module([p._data]), p._data, p.grad._data, state, group)
                    p._version[0] += 1
        return loss

    def _update(self, xp: Any, param: Any, grad: Any, state: dict[str, Any], group: Group) -> None:
        """Update one parameter.

        Args:
            xp: numpy or cupy.
            param: The parameter's array, to write to.
            grad: The gradient's array, to read only: it may be shared or read-only.
            state: What is remembered about the parameter; empty at first.
            group: The options.
        """
        raise NotImplementedError

    # ------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Options and state, with parameters as numbers and arrays as tensors, sharing memory."""
        number: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                number[id(p)] = len(number)
            groups.append({**group, "params": [number[id(p)] for p in group["params"]]})
        state = {number[id(p)]: dict(values) for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state, copied; the parameters are matched by their order.

        Args:
            state_dict: As from `state_dict`.

        Raises:
            StateError: where it is for other groups or other parameters. Nothing is changed then.
        """
        saved = state_dict.get("param_groups")
        if not isinstance(saved, list) or "state" not in state_dict:
            raise StateError("an optimizer's state is a dict of 'state' and 'param_groups'")
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved]
        if sizes != saved_sizes:
            raise StateError(
                f"the state is for groups of {saved_sizes} parameters, this optimizer has {sizes}"
            )
        by_number = {
            number: p
            for old, new in zip(saved, self.param_groups, strict=True)
            for number, p in zip(old["params"], new["params"], strict=True)
        }
        state: dict[Tensor, dict[str, Any]] = {}
        for number, values in state_dict["state"].items():
            if number not in by_number:
                raise StateError(f"the state names a parameter {number}, which no group has")
            p = by_number[number]
            state[p] = {key: _restored(key, value, p) for key, value in values.items()}
        self.state = state
        for old, new in zip(saved, self.param_groups, strict=True):
            new.update({key: value for key, value in old.items() if key != "params"})

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for k, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {k}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _restored(key: str, value: Any, param: Tensor) -> Any:
    """A saved value, copied to where the parameter lives."""
    if not (isinstance(value, Tensor) or hasattr(value, "__array__")):
        return value
    source = as_tensor(value).detach()
    if not source.ndim and param.ndim:
        return source.item()
    if source.shape != param.shape:
        raise StateError(f"{key} has shape {source.shape}, its parameter {param.shape}")
    return source.to(dtype=param.dtype, device=param.device).clone()


def require_at_least_zero(**options: float) -> None:
    """Raise `ArgumentError` for an option that is negative or NaN."""
    for name, value in options.items():
        if not value >= 0:
            raise ArgumentError(f"{name} must be at least 0, got {value}")


def scaled(xp: Any, array: Any, factor: float, plus: Any = None) -> Any:
    """array * factor + plus as a new array of the same dtype; NumPy alone would widen bfloat16."""
    result = xp.empty_like(array)
    xp.multiply(array, factor, out=result)
    if plus is not None:
        result += plus
    return result
