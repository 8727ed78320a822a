"""Capture: the user's code, run on symbols, becomes a graph."""

from .arguments import Dynamic
from .capture import Captured, capture
from .pytree import TENSOR, TreeSpec, flatten, unflatten

__all__ = ["TENSOR", "Captured", "Dynamic", "TreeSpec", "capture", "flatten", "unflatten"]
