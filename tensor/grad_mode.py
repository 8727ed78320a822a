"""Whether what is computed is recorded for gradients: per thread and task, on by default."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)

is_grad_enabled = _enabled.get


class _GradMode:
    """A context manager and decorator; one instance may be entered again while it is open."""

    mode: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_enabled.get())
        _enabled.set(self.mode)

    def __exit__(self, *exc: object) -> None:
        _enabled.set(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode = self.mode

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            before = _enabled.get()
            _enabled.set(mode)
            try:
                return function(*args, **kwargs)
            finally:
                _enabled.set(before)

        return call


class no_grad(_GradMode):
    """Nothing inside is recorded for gradients: `with no_grad(): ...` or `@no_grad()`."""

    mode = False


class enable_grad(_GradMode):
    """Recording inside a `no_grad` block."""

    mode = True


class set_grad_enabled(_GradMode):
    """Turns recording on or off: at once if called alone, for the block after `with`.

    Args:
        mode: Whether to record.
    """

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self.mode = bool(mode)
        self._outside = _enabled.get()
        _enabled.set(self.mode)

    def __enter__(self) -> None:
        self._before.append(self._outside)
        _enabled.set(self.mode)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _enabled.set(self._outside)  # a decorator changes nothing until the function is called
        return super().__call__(function)
