"""The interpreter that computes: NumPy or CuPy now, and the tape for later."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..ir.builder import result_types
from ..ir.dims import same_shape
from ..ir.errors import (
    ArgumentError,
    AutogradError,
    CaptureError,
    DTypeError,
    OutOfRangeError,
    ShapeError,
    VitrifyError,
)
from ..ir.graph import Value
from ..ir.op import Attrs, Op, set_default
from ..ir.types import bool_, float32, float64
from ..ops.arrays import numpy_dtype
from ..ops.leaf import constant
from ..ops.registry import check_tensors
from .device import creating_on, on_one_device, writable
from .grad_mode import is_grad_enabled, no_grad
from .tape import Stale, needs_grad, rebase, record
from .tensor import Tensor

_NO_SCOPE = nullcontext()
_BOOL = np.dtype(np.bool_)
_new = object.__new__


class Eager:
    """Runs each op at once on the tensors' arrays."""

    computes = True

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if op.ufunc is not None and len(args) == 2:
            result = _by_ufunc(op.ufunc, *args)
            if result is not None:
                return result
        if op is constant and len(args) == 2 and type(args[0]) is float:
            number = _float_constant(*args)
            if number is not None:
                return number
        try:
            return self.apply(op, *op.canonical(*args, **kwargs))
        except AttributeError:
            check_tensors(op, args, kwargs)
            raise

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Any:
        recorded = needs_grad(tensors)
        if op.eager is None or (recorded and op.vjp is None and op.body is not None):
            return self._run_body(op, tensors, attrs, recorded)
        arrays = [None if t is None else t._data for t in tensors]
        try:
            xp, arrays = on_one_device(arrays)
            result = op.eager(xp, *arrays, **attrs)
        except Exception as error:
            raise _explained(op, tensors, attrs, error) from None
        if op.many or op.view is not None:
            results = result if op.many else (result,)
            outputs = [_result(array, op, tensors, attrs, k) for k, array in enumerate(results)]
            if recorded:
                record(op, attrs, tensors, outputs)
            return tuple(outputs) if op.many else outputs[0]
        out = Tensor._from_payload(_unshared(result, arrays))
        if recorded:
            record(op, attrs, tensors, (out,))
        return out

    def _run_body(self, op: Op, tensors: Sequence[Any], attrs: Attrs, recorded: bool):
        assert op.body is not None
        own_vjp = recorded and op.vjp is not None
        first = next((t._data for t in tensors if t is not None), None)
        with creating_on(first), no_grad() if own_vjp else _NO_SCOPE:
            result = op.body(*op.arrange(tensors), **attrs)
        if own_vjp:
            # A body may hand an input back as it is: that tensor keeps its own history.
            results = result if op.many else (result,)
            outputs = [r._alias() if any(r is t for t in tensors) else r for r in results]
            record(op, attrs, tensors, outputs)
            return tuple(outputs) if op.many else outputs[0]
        return result

    def wrap(self, value: Value) -> Tensor:
        return Tensor._from_payload(value)

    def unwrap(self, tensor: Any) -> Value:
        if isinstance(tensor, Tensor) and isinstance(tensor._data, Value):
            return tensor._data
        raise CaptureError(f"expected a symbolic tensor, got {tensor!r}")

    def write(self, target: Tensor, value: Tensor) -> Tensor:
        """Copy `value` into `target`'s memory, and let its history take the target's place."""
        if is_grad_enabled():
            _check_writable(target, value)
        if value.dtype is not target.dtype:
            if value.dtype.category > target.dtype.category:
                raise DTypeError(f"{value.dtype.name} cannot be written into {target.dtype.name}")
            value = value.to(target.dtype)
        if value.device != target.device:
            value = value.to(device=target.device)
        if not same_shape(value.shape, target.shape):
            value = value.expand(target.shape)
        if not writable(target._data):
            raise ArgumentError(
                "this tensor's memory cannot be written to",
                why="it is expanded (elements share a place), or made from a read-only array",
                instead="x = x.clone()",
            )
        if needs_grad((target, value)):
            rebase(target, value)
        target._data[...] = value._data
        target._version[0] += 1
        return target

    def scope(self, module: Any) -> AbstractContextManager[Any]:
        return _NO_SCOPE

    def values(self, what: str, tensor: Tensor, instead: str) -> Any:
        self.refuse(what, tensor, instead)
        return tensor._data

    def refuse(self, what: str, tensor: Tensor | None, instead: str) -> None:
        if tensor is not None and isinstance(tensor._data, Value):
            raise CaptureError(
                f"{what}: this tensor has no values",
                why="it was made while a function was being captured, and outlived the capture",
            )


def _by_ufunc(ufunc: Any, x: Any, y: Any) -> Tensor | None:
    """The result for two plain float tensors of one dtype, or one and a number; else None.

    This is what most eager code does most of the time, and dispatch would cost more than the sum
    of small arrays does.
    """
    a, b = x, y
    if type(x) is Tensor:
        dtype, a = x._dtype, x._data
        if x._requires_grad or x._grad_fn is not None or x._view is not None:
            return None
        if type(a) is not np.ndarray:
            return None
    elif type(x) is float and type(y) is Tensor:
        dtype = y._dtype
    else:
        return None
    if type(y) is Tensor:
        b = y._data
        if y._requires_grad or y._grad_fn is not None or y._view is not None:
            return None
        if y._dtype is not dtype or type(b) is not np.ndarray:
            return None
    elif type(y) is not float:
        return None
    if dtype is not float32 and dtype is not float64:
        return None
    try:
        result = ufunc(a, b)
    except ValueError:  # shapes that do not fit: the long way says so in our words
        return None
    if type(result) is not np.ndarray:  # NumPy makes 0-d results scalars
        return Tensor._from_payload(result)
    out = _new(Tensor)
    out._data = result
    out._dtype = bool_ if result.dtype is _BOOL else dtype
    out._grad_fn = out._view = out.grad = None
    out._index = out._seen = 0
    out._requires_grad = False
    out._version = [0, 0]
    return out


def _float_constant(value: float, dtype: Any) -> Tensor | None:
    """The 0-d tensor that most Python numbers in user code become, without the detour."""
    if dtype.kind != "float" or not -6e4 < value < 6e4:  # all float types hold these
        return None
    array = np.array(value, numpy_dtype(dtype))
    return Tensor._from_payload(on_one_device([])[0].asarray(array))


def _result(array: Any, op: Op, tensors: Sequence[Tensor], attrs: Attrs, output: int) -> Tensor:
    """A result of an op that may be a view; a copy where the array library had to make one."""
    if op.view is None:
        return Tensor._from_payload(_unshared(array, [t._data for t in tensors if t is not None]))
    base = tensors[0]
    source = base._data
    if array is source:
        array = array[...]
    out = Tensor._from_payload(array)
    if _shares(array, source):
        out._version = base._version
        out._view = (base, op, attrs, output)
        out._seen = base._version[1]
    return out


def _shares(array: Any, source: Any) -> bool:
    """Whether `array`, just made from `source`, is a view of the same memory."""
    base = getattr(array, "base", None)
    return base is not None and (base is source or base is source.base)


def _unshared(array: Any, inputs: Sequence[Any]) -> Any:
    """The array, copied where a kernel gave back an input or a part of its memory."""
    for source in inputs:
        if array is source:
            return array.copy()
    if getattr(array, "base", None) is not None and any(
        source is not None and _shares(array, source) for source in inputs
    ):
        return array.copy()
    return array


def _check_writable(target: Tensor, value: Tensor) -> None:
    """Refuse a write that would make a gradient wrong.

    Raises:
        AutogradError: for a leaf that requires gradients, a view of one, or a view that was made
            under `no_grad` of a tensor with history.
    """
    root = target
    while root._view is not None:
        root = root._view[0]
    for leaf, what in ((root, "a view of a leaf"), (target, "a leaf")):
        if leaf._requires_grad and leaf.is_leaf:
            what = "a leaf" if leaf is target else what
            raise AutogradError(
                f"an in-place write to {what} that requires gradients",
                why="its gradient is asked for as it is now; a write would replace it",
                instead="with vt.no_grad(): ...  # to update a parameter",
            )
    if root is not target and root.requires_grad and not target.requires_grad:
        raise AutogradError(
            "an in-place write to a view that was made under no_grad",
            why="it does not know its history, so gradients of what it views would be wrong",
            instead="make the view outside of no_grad, or write under no_grad too",
        )


def _explained(op: Op, tensors: Sequence[Any], attrs: Attrs, error: Exception) -> Exception:
    """A kernel's failure in our own words, from the op's type rule, where that finds it."""
    if isinstance(error, VitrifyError | MemoryError):
        return error
    for t in tensors:
        if t is not None and isinstance(t._data, Stale):
            return t._data.error
    if any(t is not None and isinstance(t._data, Value) for t in tensors):
        return CaptureError(
            f"{op.name} got a tensor without values",
            why="it was made while a function was being captured, and outlived the capture",
        )
    try:
        result_types(op, [None if t is None else t.type for t in tensors], attrs)
    except VitrifyError as explained:
        return explained
    if not isinstance(error, ValueError | TypeError | IndexError):
        return error
    shown = ", ".join("None" if t is None else str(t.type) for t in tensors)
    if isinstance(error, IndexError) and not isinstance(error, ValueError):
        return OutOfRangeError(f"{op.name}({shown}): {error}")
    kind = ShapeError if isinstance(error, ValueError) else DTypeError
    return kind(f"{op.name}({shown}): {error}")


eager = Eager()
set_default(eager)
