"""The part of a module that changes its dtype and device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from ..ir import types
from ..ir.errors import DTypeError
from ..ir.op import current
from ..ir.types import DType
from ..tensor import Tensor, device, no_grad
from ..tensor.device import destination

C = TypeVar("C", bound="Conversions")


class Conversions:
    """Methods that convert the tensors of a module in place."""

    def _tensors(self) -> Iterable[Tensor]:
        """What is converted."""
        raise NotImplementedError

    def to(self: C, *args: Any, dtype: DType | None = None, device: Any = None) -> C:
        """Convert parameters and buffers in place; a dtype counts for floating point ones only.

        Args:
            args: A dtype, a device or a tensor to be like.
            dtype: A floating point dtype.
            device: Where to move them.

        Raises:
            DTypeError: for a dtype that is not floating point.
            ArgumentError: for an argument of another kind.
        """
        dtype, device = destination(args, dtype, device)
        if dtype is not None and not dtype.is_floating_point:
            raise DTypeError(f"a module can only become floating point, not {dtype.name}")
        _convert(self._tensors(), dtype, device)
        return self

    def float(self: C) -> C:
        return self.to(types.float32)

    def double(self: C) -> C:
        return self.to(types.float64)

    def half(self: C) -> C:
        return self.to(types.float16)

    def bfloat16(self: C) -> C:
        return self.to(types.bfloat16)

    def cpu(self: C) -> C:
        return self.to("cpu")

    def cuda(self: C) -> C:
        return self.to("cuda")


def _convert(tensors: Iterable[Tensor], dtype: DType | None, where: Any) -> None:
    """Give tensors another dtype (floating point ones only) or device, in place."""
    target = None if where is None else device(where)
    with no_grad():
        for tensor in tensors:
            wanted = dtype if tensor.dtype.is_floating_point else None
            if wanted in (None, tensor.dtype) and target in (None, tensor.device):
                continue
            current().refuse("converting a module", tensor, "convert it before the capture")
            tensor.data = tensor.to(dtype=wanted, device=target)
            tensor._version[0] += 1  # what was saved for gradients is stale
            if tensor.grad is not None:
                tensor.grad = tensor.grad.to(dtype=wanted, device=target)
