"""Tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class Parameter(Tensor):
    """A tensor that a module learns: `self.weight = nn.Parameter(vt.randn(3))` registers it.

    Args:
        data: Its first value, whose memory it shares.
        requires_grad: Whether gradients of it are wanted.

    Raises:
        DTypeError: where gradients are wanted of a dtype that is not floating point.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        super().__init__(data)
        self._version = data._version
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a module keeps but does not learn, like a running mean.

    Args:
        data: Its first value, whose memory it shares.
        persistent: Whether it is part of the module's `state_dict`.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Tensor, persistent: bool = True) -> None:
        super().__init__(data)
        self._version = data._version
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        out = super().__deepcopy__(memo)
        assert isinstance(out, Buffer)
        out.persistent = self.persistent
        return out
