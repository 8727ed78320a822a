"""Every error that Vitrify raises on purpose.

All derive from `VitrifyError`. Those that concern the user's own code say where (file, line and
source text), what was met, why it cannot be done, and what to write instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from .location import Location


class VitrifyError(Exception):
    """Base of every error that Vitrify raises on purpose.

    Args:
        message: What happened, in one line.
        at: The user's line that it concerns, if there is one.
        why: Why it cannot be done.
        instead: What to write or do instead; may be code of several lines.
    """

    def __init__(
        self,
        message: str,
        *,
        at: Location | None = None,
        why: str = "",
        instead: str = "",
    ) -> None:
        self.message = message
        self.at = at
        self.why = why
        self.instead = instead
        super().__init__(self._text())

    def _text(self) -> str:
        lines = []
        if self.at is None:
            lines.append(self.message)
        else:
            lines.append(f"{self.at}: {self.message}")
            if source := self.at.source():
                lines.append(f"    {source}")
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.instead:
            first, *rest = self.instead.splitlines()
            lines.append(f"  instead: {first}")
            lines.extend(f"           {line}" for line in rest)
        return "\n".join(lines)


class CaptureError(VitrifyError):
    """The user's code cannot be captured faithfully.

    Attributes:
        problems: All that was found in one run; the error itself where it is the only one.
    """

    _problems: tuple[VitrifyError, ...] = ()

    @property
    def problems(self) -> tuple[VitrifyError, ...]:
        return self._problems or (self,)

    @classmethod
    def of(cls, problems: Sequence[VitrifyError]) -> CaptureError:
        """One error for several problems, each of which it shows in full."""
        error = cls(f"{len(problems)} problems", at=None)
        error._problems = tuple(problems)
        blocks = [f"{k}. {problem}" for k, problem in enumerate(problems, 1)]
        error.args = ("\n".join([f"{error.message}:", *blocks]),)
        return error


class CaptureWarning(UserWarning):
    """Something was baked into a program that is captured with `strict=False`."""


class ConstraintError(VitrifyError):
    """A size or an input that the captured program forbids, or cannot decide."""


class UnsupportedOpError(VitrifyError):
    """A backend or a file format has no way to express an op."""


class ExportError(VitrifyError):
    """A program cannot be written in the form asked for."""


class FormatError(VitrifyError):
    """A file is damaged, hostile, or not what it claims to be."""


class BackendError(VitrifyError):
    """A compiler, a device or an optional package is missing or failed."""


class GraphError(VitrifyError):
    """A graph breaks a rule of the IR; the message shows the fault inside the printed graph."""


class ShapeError(VitrifyError, ValueError):
    """The shapes of an op's inputs do not fit together."""


class DTypeError(VitrifyError, TypeError):
    """The dtypes of an op's inputs do not fit together, or the op is not defined for them."""


class ArgumentError(VitrifyError, ValueError):
    """An argument is out of its range or of the wrong kind."""


class OutOfRangeError(ArgumentError, IndexError):
    """A dim or an index lies outside of what the tensor has."""


class AutogradError(VitrifyError, RuntimeError):
    """A gradient was asked for that does not exist, or that a write has made stale."""


class StateError(VitrifyError, KeyError):
    """A state dict does not fit the module, or names what is not there."""

    def __str__(self) -> str:  # KeyError would show the repr of the text
        return self._text()
