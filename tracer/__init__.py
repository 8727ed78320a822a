"""Capture: the user's code, run on symbols, becomes a graph."""

from .arguments import Dynamic, is_array
from .capture import Captured, capture, output_names
from .pytree import TreeSpec, flatten, unflatten

__all__ = [
    "Captured",
    "Dynamic",
    "TreeSpec",
    "capture",
    "flatten",
    "is_array",
    "output_names",
    "unflatten",
]
