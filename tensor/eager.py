"""The interpreter that computes: NumPy or CuPy now, and the tape for later."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..ir.builder import result_types
from ..ir.dims import same_shape
from ..ir.errors import AutogradError, CaptureError, DTypeError, ShapeError, VitrifyError
from ..ir.graph import Value
from ..ir.op import Attrs, Op, set_default
from .autograd import is_grad_enabled, needs_grad, no_grad, record
from .device import array_module, same_device
from .tensor import Tensor

_NO_SCOPE = nullcontext()


class Eager:
    """Runs each op at once on the tensors' arrays."""

    computes = True

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.apply(op, *op.canonical(*args, **kwargs))

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Any:
        recorded = needs_grad(tensors)
        if op.eager is not None and (op.body is None or not recorded or op.vjp is not None):
            outputs = self._compute(op, tensors, attrs)
        elif recorded and op.vjp is not None:
            with no_grad():
                outputs = _body(op, tensors, attrs)
        else:
            result = _body(op, tensors, attrs)
            return result if op.many else result[0]
        if recorded:
            record(op, attrs, tensors, outputs)
        return tuple(outputs) if op.many else outputs[0]

    def _compute(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> list[Tensor]:
        assert op.eager is not None
        arrays = [t if t is None else t._data for t in tensors]
        try:
            arrays = same_device(arrays)
            result = op.eager(array_module(arrays), *arrays, **attrs)
        except Exception as error:
            raise _explained(op, tensors, attrs, error) from None
        results = result if op.many else (result,)
        if op.view is not None:
            return [_view(array, tensors[0], op, attrs, k) for k, array in enumerate(results)]
        return [Tensor._from_payload(array) for array in results]

    def wrap(self, value: Value) -> Tensor:
        return Tensor._from_payload(value)

    def unwrap(self, tensor: Any) -> Value:
        if isinstance(tensor, Tensor) and isinstance(tensor._data, Value):
            return tensor._data
        raise CaptureError(f"expected a symbolic tensor, got {tensor!r}")

    def write(self, target: Tensor, value: Tensor) -> Tensor:
        """Copy `value` into `target`'s memory, and let its history take the target's place."""
        recorded = needs_grad((target, value))
        if recorded:
            _check_writable(target)
        if value.dtype is not target.dtype:
            if value.dtype.category > target.dtype.category:
                raise DTypeError(f"{value.dtype.name} cannot be written into {target.dtype.name}")
            value = value.to(target.dtype)
        if not same_shape(value.shape, target.shape):
            value = value.expand(target.shape)
        if not target._data.flags.writeable:
            raise ShapeError(
                "this tensor's memory cannot be written to",
                why="it is expanded (elements share a place), or made from a read-only array",
                instead="x = x.clone()",
            )
        if recorded:
            target._rebase(value)
        target._data[...] = same_device([target._data, value._data])[1]
        target._version[0] += 1
        return target

    def scope(self, module: Any) -> AbstractContextManager[Any]:
        return _NO_SCOPE

    def refuse(self, what: str, tensor: Tensor, instead: str) -> None:
        if isinstance(tensor._data, Value):
            raise CaptureError(
                f"{what}: this tensor has no values",
                why="it was made while a function was being captured, and outlived the capture",
            )


def _body(op: Op, tensors: Sequence[Any], attrs: Attrs) -> Sequence[Tensor]:
    assert op.body is not None
    result = op.body(*op.arrange(tensors), **attrs)
    return result if op.many else (result,)


def _view(array: Any, base: Tensor, op: Op, attrs: Attrs, output: int) -> Tensor:
    """The result of a view op; a copy where the array library had to make one."""
    out = Tensor._from_payload(array)
    source = base._data
    if array is source:
        array = array[...]
        out._data = array
    if array.base is not None and (array.base is source or array.base is source.base):
        out._version = base._version
        out._view = (base, op, attrs, output)
        out._seen = base._version[1]
    return out


def _check_writable(target: Tensor) -> None:
    base = target
    while base._view is not None:
        base = base._view[0]
    if base._requires_grad and base._grad_fn is None and is_grad_enabled():
        what = "a leaf" if base is target else "a view of a leaf"
        raise AutogradError(
            f"an in-place write to {what} that requires gradients",
            why="its gradient is asked for as it is now; a write would replace it",
            instead="with vt.no_grad(): ...  # to update a parameter",
        )


def _explained(
    op: Op, tensors: Sequence[Any], attrs: Attrs, error: Exception
) -> Exception:
    """A kernel's failure in our own words, from the op's type rule, where that finds it."""
    if isinstance(error, VitrifyError | MemoryError):
        return error
    if any(t is not None and isinstance(t._data, Value) for t in tensors):
        return CaptureError(
            f"{op.name} got a tensor without values",
            why="it was made while a function was being captured, and outlived the capture",
        )
    try:
        result_types(op, [None if t is None else t.type for t in tensors], attrs)
    except VitrifyError as explained:
        return explained
    shown = ", ".join("None" if t is None else str(t.type) for t in tensors)
    kind = ShapeError if isinstance(error, ValueError) else DTypeError
    if not isinstance(error, ValueError | TypeError | np.exceptions.AxisError):
        return error
    return kind(f"{op.name}({shown}): {error}")


eager = Eager()
set_default(eager)
