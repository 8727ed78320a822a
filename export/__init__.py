"""Programs, and the files they are written to and read from."""

from .program import Program, load, trace

__all__ = ["Program", "load", "trace"]
