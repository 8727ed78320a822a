"""The command line: `vitrify --help`."""

from .commands import main

__all__ = ["main"]
