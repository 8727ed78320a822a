"""Layers that drop values at random in training."""

from __future__ import annotations

from ..ir.errors import ArgumentError
from ..tensor import Tensor
from . import functional as F
from .module import Module


class Dropout(Module):
    """In training, sets elements to zero with probability `p` and scales the rest by 1 / (1 - p).

    Args:
        p: The probability, from 0 to 1.
        inplace: Whether the result is written into the input.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"a probability is from 0 to 1, got p={p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        output = F.dropout(input, self.p, self.training)
        return input.copy_(output) if self.inplace else output

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
