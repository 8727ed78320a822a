"""Tensors from data, from sizes, and from random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..ir.dims import Dim
from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import current
from ..ir.types import DType, float32, int64
from ..ops.arrays import dtype_of, numpy_dtype
from ..ops.rules import canonical_shape
from .device import CPU, Device, creating_on, cupy, device_of, move
from .device import device as find_device
from .tensor import Tensor

Placement = str | Device | None


def _placed(array: Any, device: Placement, requires_grad: bool) -> Tensor:
    out = Tensor._from_payload(array if device is None else move(array, find_device(device)))
    return out.requires_grad_() if requires_grad else out


def _array(data: Any, dtype: DType | None, copy: bool) -> Any:
    """The array that `data` means; floats in Python lists become float32, ints int64."""
    if isinstance(data, Tensor):
        data = data._values("vt.tensor(tensor)", "x.clone()")
    elif isinstance(data, list | tuple) and any(isinstance(item, Tensor) for item in data):
        instead = "vt.stack([...])  # of 0-d tensors"
        data = [
            item._values("vt.tensor([tensor])", instead).tolist()
            if isinstance(item, Tensor)
            else item
            for item in data
        ]
    try:
        array: Any = np.asarray(data) if device_of(data) == CPU else data
    except ValueError as error:
        raise ArgumentError(f"no tensor can be made of this: {error}") from None
    try:
        wanted = dtype_of(array)
    except (KeyError, TypeError):
        raise DTypeError(
            f"no tensor can hold {array.dtype}", why=f"it was made of {type(data).__name__}"
        ) from None
    if dtype is not None:
        wanted = dtype
    elif not hasattr(data, "dtype"):
        wanted = {"float": float32, "int": int64}.get(wanted.kind, wanted)
    with np.errstate(all="ignore"):
        return array.astype(numpy_dtype(wanted), copy=copy)


def _has_size(data: Any) -> bool:
    """Whether symbolic sizes stand in the (nested) list."""
    return isinstance(data, Dim) or (isinstance(data, list | tuple) and any(map(_has_size, data)))


def _of_sizes(data: Any, dtype: DType | None) -> Tensor:
    """The tensor of (nested lists of) numbers, some of which are symbolic sizes."""
    if not isinstance(data, list | tuple):
        return ops.full((), data, dtype=dtype)
    parts = [_of_sizes(item, dtype) for item in data]
    wanted = max((part.dtype for part in parts), key=lambda d: d.category)
    return ops.stack([part.to(wanted) for part in parts])


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: A number or a symbolic size, nested lists of these, an array.
        dtype: By default the array's own; float32 for Python floats, int64 for ints.
        device: Where it is to live.
        requires_grad: Whether gradients of it are wanted.

    Raises:
        ArgumentError, DTypeError: where `data` has no regular shape or no numeric type.
    """
    if _has_size(data):
        return _made(_of_sizes(data, dtype), device, requires_grad)
    return _placed(_array(data, dtype, copy=True), device, requires_grad)


def as_tensor(data: Any, *, dtype: DType | None = None, device: Placement = None) -> Tensor:
    """A tensor that shares memory with `data` where it can; a tensor is returned as it is."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    if _has_size(data):
        return tensor(data, dtype=dtype, device=device)
    return _placed(_array(data, dtype, copy=False), device, False)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares memory with a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy takes a NumPy array, not {type(array).__name__}")
    return as_tensor(array)


def from_dlpack(source: Any) -> Tensor:
    """A tensor that shares memory with an array of another library, by DLPack."""
    kind, _ = source.__dlpack_device__()
    if kind in (2, 3):  # kDLCUDA, kDLCUDAHost
        return Tensor._from_payload(cupy().from_dlpack(source))
    return as_tensor(np.from_dlpack(source))


def zeros(
    *size: Any, dtype: DType = float32, device: Placement = None, requires_grad: bool = False
) -> Tensor:
    """Zeros of the given shape."""
    return _made(ops.zeros(*size, dtype=dtype), device, requires_grad)


def ones(
    *size: Any, dtype: DType = float32, device: Placement = None, requires_grad: bool = False
) -> Tensor:
    """Ones of the given shape."""
    return _made(ops.ones(*size, dtype=dtype), device, requires_grad)


def full(
    size: Any,
    fill_value: bool | int | float,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of shape `size` with every element `fill_value`."""
    return _made(ops.full(size, fill_value, dtype=dtype), device, requires_grad)


def empty(
    *size: Any, dtype: DType = float32, device: Placement = None, requires_grad: bool = False
) -> Tensor:
    """Zeros: memory that was never written would make results depend on chance."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


def arange(
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` to before `end` in steps of `step`; from 0 with one bound."""
    return _made(ops.arange(start, end, step, dtype=dtype), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: DType = float32,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, equally far apart."""
    return _made(ops.linspace(start, end, steps, dtype=dtype), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType = float32,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an n by m matrix, zeros elsewhere."""
    return _made(ops.eye(n, m, dtype=dtype), device, requires_grad)


def _made(out: Tensor, device: Placement, requires_grad: bool) -> Tensor:
    if device is not None:
        out = out.to(device=device)
    return out.requires_grad_() if requires_grad else out


def full_like(
    input: Tensor,
    fill_value: bool | int | float,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """`fill_value` in the shape, and on the device, of `input`; in its dtype by default."""
    with creating_on(input._data):
        return _made(ops.full_like(input, fill_value, dtype=dtype), device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """Zeros in the shape, and on the device, of `input`; in its dtype by default."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor,
    *,
    dtype: DType | None = None,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones in the shape, and on the device, of `input`; in its dtype by default."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


empty_like = zeros_like


# ---------------------------------------------------------------- random numbers


class Generator:
    """A stream of random numbers.

    Args:
        seed: Start of the stream; by default taken from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._numpy = np.random.default_rng(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream again at `seed`."""
        self._numpy = np.random.default_rng(seed)
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default stream of random numbers at `seed`."""
    return default_generator.manual_seed(seed)


def _draws(name: str, generator: Generator | None) -> np.random.Generator:
    """The NumPy generator to draw from; drawing is refused while a function is captured."""
    current().refuse(f"vt.{name}", None, "pass the random numbers in as an input, or call .eval()")
    return (generator or default_generator)._numpy


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType = float32,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform random numbers from 0 to below 1."""
    drawn = _draws("rand", generator).random(canonical_shape(size, "size"))
    return _placed(np.asarray(drawn).astype(numpy_dtype(dtype)), device, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: DType = float32,
    device: Placement = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal random numbers of mean 0 and variance 1."""
    drawn = _draws("randn", generator).standard_normal(canonical_shape(size, "size"))
    return _placed(np.asarray(drawn).astype(numpy_dtype(dtype)), device, requires_grad)


def randint(
    low: int,
    high: int | None = None,
    size: Sequence[int] = (),
    *,
    generator: Generator | None = None,
    dtype: DType = int64,
    device: Placement = None,
) -> Tensor:
    """Random whole numbers from `low` to below `high` (from 0 to below `low` with one bound)."""
    if isinstance(high, tuple | list):
        size, high = high, None
    low, high = (0, low) if high is None else (low, high)
    drawn = _draws("randint", generator).integers(low, high, tuple(size))
    return _placed(np.asarray(drawn).astype(numpy_dtype(dtype)), device, False)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: DType = int64, device: Placement = None
) -> Tensor:
    """The whole numbers below `n` in random order."""
    drawn = _draws("randperm", generator).permutation(n)
    return _placed(drawn.astype(numpy_dtype(dtype)), device, False)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in `input`, else zeros."""
    drawn = _draws("bernoulli", generator).random(input.shape)
    chosen = np.asarray(drawn).astype(np.float64) < input.detach().cpu().numpy()
    return _placed(chosen.astype(numpy_dtype(input.dtype)), input.device, False)


def rand_like(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Uniform random numbers in the shape and dtype of `input`."""
    return rand(*input.shape, generator=generator, dtype=input.dtype, device=input.device)


def randn_like(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Normal random numbers in the shape and dtype of `input`."""
    return randn(*input.shape, generator=generator, dtype=input.dtype, device=input.device)
