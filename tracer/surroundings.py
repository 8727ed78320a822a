"""What the user's code can change outside of the program that capture makes of it."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np

from ..ir.errors import CaptureError
from ..ir.location import user_location

_ABSENT = object()


class Surroundings:
    """The random states, and the Python values in a module and those below it, as they are now.

    Code that moves these with every call may do something else at some later call, though two runs
    in a row recorded the same.

    Args:
        owner: The module; None for code without one.
    """

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._random = _random_states()
        self._attributes = self._plain()

    def changes(self) -> list[CaptureError]:
        """What is no longer as it was; nobody knows the line, so the one that asks is shown."""
        at = user_location()
        now = _random_states()
        found = [
            CaptureError(
                f"{whose} random numbers were drawn while the code ran",
                at=at,
                why="they, or what was decided by them, would be fixed at capture",
                instead="pass the numbers in as an input",
            )
            for whose, state in self._random.items()
            if now[whose] != state
        ]
        for (path, name), value in self._plain().items():
            old = self._attributes.get((path, name), _ABSENT)
            if old is not _ABSENT and repr(old) != repr(value):
                where = path or type(self._owner).__name__
                found.append(
                    CaptureError(
                        f"self.{name} of {where} changed from {old!r} to {value!r} "
                        "while the code ran",
                        at=at,
                        why="it would be fixed at capture, as a Python value",
                        instead="pass it in as an input, and return the new value as an output",
                    )
                )
        return found

    def _plain(self) -> dict[tuple[str, str], Any]:
        """The plain attributes by module path and name."""
        modules = () if self._owner is None else self._owner.named_modules()
        return {
            (path, name): value
            for path, module in modules
            for name, value in vars(module).items()
            if _is_plain(value)
        }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


def _random_states() -> dict[str, Any]:
    # Not imported for this: code that has not imported it either has drawn nothing.
    legacy = sys.modules.get("numpy.random")
    numpy_state = None if legacy is None else _frozen(legacy.get_state(legacy=False))
    return {"Python's": random.getstate(), "NumPy's": numpy_state}


def _frozen(state: Any) -> Any:
    """A copy that can be compared with `==`."""
    if isinstance(state, dict):
        return tuple(map(_frozen, state.values()))
    return state.tobytes() if isinstance(state, np.ndarray) else state
