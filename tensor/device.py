"""Devices and their array modules: NumPy for `cpu`, CuPy for `cuda`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, BackendError
from ..ir.op import Op
from ..ir.types import DType
from ..ops.registry import is_tensor

_cupy: Any = None  # set once the first cuda tensor is made


@dataclass(frozen=True, slots=True)
class Device:
    """Where a tensor's data lives.

    Attributes:
        type: `"cpu"` or `"cuda"`.
        index: Which of several; None for the cpu.
    """

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device({str(self)!r})"


CPU = Device("cpu")

_creating: ContextVar[Device] = ContextVar("creating", default=CPU)


def device(spec: str | Device, index: int | None = None) -> Device:
    """The device named `"cpu"`, `"cuda"` or `"cuda:1"`.

    Raises:
        ArgumentError: for another name.
    """
    if isinstance(spec, Device):
        return spec
    name, _, number = spec.partition(":")
    if name not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ArgumentError(f"no such device: {spec!r}", instead='vt.device("cpu") or "cuda:0"')
    if name == "cpu":
        return CPU
    return Device("cuda", int(number) if number else index or 0)


def destination(
    args: tuple[Any, ...], dtype: DType | None, device: Any
) -> tuple[DType | None, Any]:
    """The dtype and the device that the arguments of a `to` name; None where they name none.

    Raises:
        ArgumentError: for an argument that is neither, nor a tensor to be like.
    """
    for arg in args:
        if isinstance(arg, DType):
            dtype = arg
        elif is_tensor(arg):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, str | Device):
            device = arg
        else:
            raise ArgumentError(f"to() takes a dtype, a device or a tensor, not {arg!r}")
    return dtype, device


def cupy() -> Any:
    """The CuPy module.

    Raises:
        BackendError: where it is not installed or finds no GPU.
    """
    global _cupy
    if _cupy is None:
        try:
            module = importlib.import_module("cupy")
        except ImportError as error:
            raise BackendError(
                "cuda tensors need CuPy, which is not installed",
                instead='pip install "vitrify[cuda]"',
            ) from error
        try:
            count = module.cuda.runtime.getDeviceCount()
        except Exception as error:
            raise BackendError(f"CuPy found no usable GPU: {error}") from error
        if not count:
            raise BackendError("CuPy found no GPU on this machine")
        _cupy = module
    return _cupy


def device_of(array: Any) -> Device:
    """Where an array lives."""
    if _cupy is not None and isinstance(array, _cupy.ndarray):
        return Device("cuda", array.device.id)
    return CPU


def array_module(arrays: Sequence[Any]) -> Any:
    """numpy, or cupy where any of the arrays is on a GPU."""
    return np if all(device_of(a) == CPU for a in arrays) else _cupy


def on_one_device(arrays: list[Any]) -> tuple[Any, list[Any]]:
    """The module that computes with the arrays, and all of them on its device.

    0-d arrays on the cpu follow the others to a GPU, as in PyTorch.

    Raises:
        BackendError: where arrays with dims live on different devices.
    """
    if _cupy is None:
        return np, arrays
    given = [a for a in arrays if a is not None]
    if not given:
        return (_cupy if _creating.get().type == "cuda" else np), arrays
    places = {str(device_of(a)) for a in given if a.ndim}
    if len(places) > 1:
        raise BackendError(
            f"the inputs are on different devices: {' and '.join(sorted(places))}",
            instead='move one of them, for example x.to("cuda")',
        )
    if array_module(given) is np:
        return np, arrays
    return _cupy, [a if a is None else _cupy.asarray(a) for a in arrays]


def creating_on(array: Any) -> AbstractContextManager[Any]:
    """Inside, ops without inputs (zeros, constants) put their results where `array` lives."""
    return nullcontext() if _cupy is None else _placing(device_of(array))


@contextmanager
def _placing(where: Device) -> Iterator[None]:
    token = _creating.set(where)
    try:
        yield
    finally:
        _creating.reset(token)


def writable(array: Any) -> bool:
    """Whether each element has a place of its own that may be written to."""
    if isinstance(array, np.ndarray):
        return array.flags.writeable
    return all(step or size < 2 for step, size in zip(array.strides, array.shape, strict=True))


def move(array: Any, target: Device) -> Any:
    """The array on `target`; itself where it is there already."""
    if device_of(array) == target:
        return array
    if target.type == "cpu":
        return cupy().asnumpy(array)
    module = cupy()
    with module.cuda.Device(target.index or 0):
        return module.asarray(array)


def _canonical_transfer(input: Any, target: Device, source: Device | None = None) -> Any:
    return (input,), {"target": target, "source": source or device_of(input._data)}


# Not in the registry: programs know no devices, so no graph ever holds it.
transfer = Op(
    "transfer",
    canonical=_canonical_transfer,
    signature=inspect.signature(_canonical_transfer),
    infer=lambda x, target, source: x,
    eager=lambda xp, x, target, source: move(x, target),
    vjp=lambda g, _y, _x, target, source: (transfer(g, source, target),),
    doc="The tensor on another device.",
)
