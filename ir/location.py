"""Where in the user's own code something happened."""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from types import TracebackType

_ROOT = __name__.split(".", 1)[0]
# The examples ship with the package but are written as a user would write them.
_USER_PACKAGES = {f"{_ROOT}.examples"}

_paths: dict[str, str] = {}  # displayed file -> file on disk, to find source lines again


@dataclass(frozen=True, slots=True)
class Location:
    """A line of user code and the module instance that was running it.

    Attributes:
        file: As displayed: relative to the working directory where it lies below it, else its name.
        line: Line number, from 1.
        module: Dotted path of the module instance (`"encoder.layers.0"`), or empty.
    """

    file: str
    line: int
    module: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" in {self.module}" if self.module else "")

    def source(self) -> str:
        """The text of the line, stripped; empty where the file cannot be read."""
        path = _paths.get(self.file, self.file)
        linecache.checkcache(path)  # it may have been edited since it was read
        return linecache.getline(path, self.line).strip()


def user_location(module: str = "") -> Location | None:
    """The innermost line on the call stack that is not Vitrify's own, or None."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not _is_library(name):
            return Location(_displayed(frame.f_code.co_filename), frame.f_lineno, module)
        frame = frame.f_back
    return None


def called_by_user(through: int = 0) -> bool:
    """Whether the function that asks was called from code that is not Vitrify's own.

    Args:
        through: How many of our own functions lie between the two, known to pass the call on.
    """
    return not _is_library(sys._getframe(2 + through).f_globals.get("__name__", ""))


def traceback_location(traceback: TracebackType | None) -> Location | None:
    """The innermost line of a traceback that is not Vitrify's own, or None."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if not _is_library(frame.f_globals.get("__name__", "")):
            found = Location(_displayed(frame.f_code.co_filename), traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _is_library(name: str) -> bool:
    if not name.startswith(_ROOT):
        return False
    if name != _ROOT and name[len(_ROOT)] != ".":
        return False
    return not any(name == p or name.startswith(p + ".") for p in _USER_PACKAGES)


def _displayed(path: str) -> str:
    below = os.path.relpath(path) if os.path.isabs(path) else path
    shown = os.path.basename(path) if below.startswith("..") else below
    shown = shown.replace("\n", " ")
    _paths[shown] = path
    return shown
