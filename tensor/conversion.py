"""What a tensor is to Python and to other array libraries."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import ops
from ..ir.errors import ArgumentError, AutogradError, DTypeError
from ..ir.location import called_by_user
from ..ir.op import current
from ..ir.types import Shape
from .device import CPU, Device
from .display import refuse_text


class Conversions:
    """The part of `Tensor` that gives out its values."""

    __slots__ = ()

    _data: Any

    if TYPE_CHECKING:  # what `Tensor` has

        @property
        def shape(self) -> Shape: ...
        @property
        def device(self) -> Device: ...
        @property
        def requires_grad(self) -> builtins.bool: ...

    def _values(self, what: str, instead: str = "") -> Any:
        """The array, for a use of its values outside the graph; a capture refuses that."""
        return current().values(what, self, instead)

    def _single(self, what: str, instead: str = "keep it a tensor") -> bool | int | float:
        """The only element as a Python number."""
        data = self._values(what, instead)
        if data.size != 1:
            raise ArgumentError(f"{what} needs a single element, this has shape {self.shape}")
        value = data.item()
        return value if isinstance(value, bool | int | float) else float(value)  # bfloat16

    def item(self) -> bool | int | float:
        """The only element, as a Python number."""
        return self._single(".item()", "keep it a tensor: its value is not known during capture")

    def tolist(self) -> Any:
        """The elements as nested Python lists; of a 0-d tensor, the number."""
        data = self._values(".tolist()", "keep it a tensor; x.unbind() are its parts, as tensors")
        known = data.dtype.kind in "biuf"
        return data.tolist() if known else data.astype(np.float32).tolist()

    def numpy(self) -> np.ndarray:
        """The NumPy array, sharing memory.

        Raises:
            AutogradError: for a tensor that requires gradients; use `detach().numpy()`.
            ArgumentError: for a tensor that is not on the cpu; use `cpu().numpy()`.
        """
        data = self._values(".numpy()", "write it with vitrify's own functions")
        self._refuse_history("numpy()")
        if self.device != CPU:
            raise ArgumentError(f"numpy() of a tensor on {self.device}", instead="x.cpu().numpy()")
        return data

    def _refuse_history(self, what: str) -> None:
        if self.requires_grad:
            raise AutogradError(
                f"{what} of a tensor that requires gradients would lose them",
                instead=f"x.detach().{what}",
            )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"{array.dtype} cannot become {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        data = self._values("DLPack")
        self._refuse_history("__dlpack__()")
        return data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._values("DLPack").__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> Any:
        if self.device == CPU:
            raise AttributeError("a tensor on the cpu has no CUDA array interface")
        self._refuse_history("__cuda_array_interface__")
        return self._values("the CUDA array interface").__cuda_array_interface__

    def __bool__(self) -> builtins.bool:
        data = self._values("bool(tensor)", "vt.where(condition, a, b)  # instead of an if")
        if data.size != 1:
            raise ArgumentError(
                f"the truth of a tensor of shape {self.shape} is ambiguous",
                instead="(x > 0).all() or (x > 0).any()",
            )
        return builtins.bool(data.item())

    def __float__(self) -> builtins.float:
        return builtins.float(self._single("float(tensor)"))

    def __int__(self) -> builtins.int:
        return builtins.int(self._single("int(tensor)"))

    def __complex__(self) -> complex:
        return complex(self._single("complex(tensor)"))

    def __index__(self) -> builtins.int:
        data = self._values(
            "a tensor as a Python index",
            "x[tensor] picks an element; as a dim or a size, pass an int",
        )
        if data.dtype.kind not in "iu" or data.size != 1:
            raise DTypeError("only a single integer can be an index")
        return builtins.int(data.item())

    def __format__(self, spec: str) -> str:
        """A 0-d tensor formats as its number, `f"{loss:.3f}"`; others only without a format."""
        if not self.shape and spec:
            return format(self._single("format()"), spec)
        if called_by_user():  # `__repr__` would see only that we call it
            refuse_text(self)
        return object.__format__(self, spec)

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise DTypeError("a 0-d tensor cannot be iterated over", instead="x.item()")
        return iter(ops.unbind(self))

    def __contains__(self, value: Any) -> builtins.bool:
        return builtins.bool(ops.any(ops.eq(self, value)))
