"""What type rules and canonicalizers share: dims, broadcasting, promotion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index as as_int
from typing import Any

from ..ir.dims import Dim, Size, product, same
from ..ir.errors import ArgumentError, DTypeError, OutOfRangeError, ShapeError
from ..ir.types import DType, Shape, TensorType, float32, result_type, scalar_dtype
from .registry import REGISTRY, Tensor, is_tensor


def canonical_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front; a 0-d tensor counts as having one dim, as in PyTorch.

    Raises:
        OutOfRangeError: where there is no such dim.
        ArgumentError: where `dim` is not an integer.
    """
    span = max(ndim, 1)
    if not hasattr(dim, "__index__"):
        raise ArgumentError(f"dim must be an int, got {dim!r}")
    dim = as_int(dim)
    if not -span <= dim < span:
        raise OutOfRangeError(f"dim {dim} is out of range for a tensor of {ndim} dims")
    return dim % span


def canonical_dims(dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Dims counted from the front, ascending; None and () mean all of them.

    Raises:
        ArgumentError: where one is out of range, named twice or not an integer.
    """
    dims: list[Any] = [] if dim is None else [*dim] if isinstance(dim, tuple | list) else [dim]
    if not dims:
        return tuple(range(ndim))
    result = sorted(canonical_dim(d, ndim) for d in dims)
    if len(set(result)) != len(result):
        raise ArgumentError(f"dim {tuple(dims)} names a dim twice")
    return tuple(result) if ndim else ()


def is_size(value: object) -> bool:
    """Whether `value` may be a size: an int (not a bool) or a symbolic size."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int | Dim) or hasattr(value, "__index__")


def canonical_ints(args: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """The integers given as `f(2, 3)` or as `f((2, 3))`.

    Raises:
        ArgumentError: where one of them is not an integer.
    """
    numbers = args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args
    for number in numbers:
        if isinstance(number, Dim) or not is_size(number):
            raise ArgumentError(f"{name} must be integers, got {number!r}")
    return tuple(as_int(number) for number in numbers)


def canonical_shape(args: tuple[Any, ...], name: str = "shape", *, least: int = 0) -> Shape:
    """The sizes given as `f(2, 3)` or as `f((2, 3))`.

    Args:
        args: What the caller got.
        name: The parameter's name, for messages.
        least: -1 where that stands for a size to be filled in.

    Raises:
        ArgumentError: where one of them is not an integer, or is less than `least`.
    """
    sizes = args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args
    for size in sizes:
        if not is_size(size):
            raise ArgumentError(f"{name} must be integers, got {size!r}")
        if not isinstance(size, Dim) and size < least:
            raise ArgumentError(f"{name} may not hold the size {size}")
    return tuple(size if isinstance(size, Dim) else as_int(size) for size in sizes)


def shown(shape: Shape) -> str:
    """A shape as error messages print it."""
    return f"({', '.join(map(str, shape))})"


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting of shapes.

    Raises:
        ShapeError: where two sizes differ and none of them is 1.
        ConstraintError: where symbolic sizes leave it open.
    """
    ndim = max(map(len, shapes), default=0)
    result: list[Size] = []
    for k in range(-ndim, 0):
        size: Size = 1
        for shape in shapes:
            if -k > len(shape):
                continue
            other = shape[k]
            if same(other, 1) or same(other, size):
                continue
            if same(size, 1) or size == other:
                size = other
            else:
                all_shown = " and ".join(map(shown, shapes))
                raise ShapeError(f"shapes {all_shown} do not broadcast: {size} against {other}")
        result.append(size)
    return tuple(result)


def numel(shape: Shape) -> Size:
    """The number of elements of a shape."""
    return product(shape)


def promote(*operands: Any, to_float: bool = False) -> list[Tensor]:
    """The operands as tensors of one dtype, by PyTorch's rules; numbers become constants.

    Args:
        operands: Tensors and Python numbers (symbolic sizes count as ints).
        to_float: Whether integers and bools become the default float type.
    """
    dtype, whole = _common_dtype(operands)
    if dtype is None:
        tensors = [x for x in operands if is_tensor(x)]
        dtype = result_type(
            [t.dtype for t in tensors if t.ndim],
            [t.dtype for t in tensors if not t.ndim],
            [_number_dtype(x) for x in operands if not is_tensor(x)],
        )
    if to_float and dtype.kind != "float":
        dtype = float32
    elif whole:
        return list(operands)
    return [convert(x, dtype) for x in operands]


_NUMBER_CATEGORY = {bool: 0, int: 1, float: 2}


def _common_dtype(operands: tuple[Any, ...]) -> tuple[DType | None, bool]:
    """The dtype of all tensors, where it is one and no number is of a higher category.

    This finds, quickly, what `result_type` would in the cases that user code is full of.

    Returns:
        The dtype, or None for all other cases, and whether every operand is a tensor of it.
    """
    common: DType | None = None
    category = -1
    for x in operands:
        dtype = getattr(x, "dtype", None)
        if type(dtype) is DType:
            if common is None:
                common = dtype
            elif dtype is not common:
                return None, False
        elif (own := _NUMBER_CATEGORY.get(type(x))) is None:
            return None, False
        elif own > category:
            category = own
    if common is None or (category > 0 and common.category < category):
        return None, False
    return common, category < 0


def convert(x: Any, dtype: DType) -> Tensor:
    """A tensor of `dtype`: a recorded cast of a tensor, a constant for a number."""
    if not is_tensor(x):
        if dtype.is_integer and isinstance(x, int):
            x = wrapped(x, dtype)
        return REGISTRY["constant"](x, dtype)
    return x if x.dtype is dtype else REGISTRY["cast"](x, dtype)


def wrapped(value: int, dtype: DType) -> int:
    """What an integer type holds of `value`: its low bits, as in C."""
    value &= (1 << dtype.bits) - 1
    return value - (1 << dtype.bits) if dtype.kind == "int" and value >> (dtype.bits - 1) else value


def _number_dtype(x: Any) -> DType:
    if isinstance(x, Dim):
        return scalar_dtype(0)
    if isinstance(x, bool | int | float):
        return scalar_dtype(x)
    if hasattr(x, "ndim") and getattr(x, "ndim", None) == 0 and hasattr(x, "item"):
        return scalar_dtype(x.item())  # a NumPy scalar counts as a Python number
    raise DTypeError(
        f"expected a tensor or a number, got {type(x).__name__}",
        instead="vt.tensor(x)" if hasattr(x, "__array__") or isinstance(x, list) else "",
    )


def require(condition: bool, message: str) -> None:
    """Raise `ShapeError(message)` unless `condition`."""
    if not condition:
        raise ShapeError(message)


def require_float(op: str, *types: TensorType | None) -> None:
    """Raise `DTypeError` unless all given types are floating point."""
    for t in types:
        if t is not None and not t.dtype.is_floating_point:
            raise DTypeError(
                f"{op} needs a floating point tensor, got {t.dtype.name}",
                instead="convert it first, for example with .float()",
            )


def same_dtype(op: str, types: Iterable[TensorType | None]) -> DType:
    """The one dtype of all given types.

    Raises:
        DTypeError: where they differ.
    """
    dtypes = {t.dtype for t in types if t is not None}
    if len(dtypes) != 1:
        names = ", ".join(sorted(d.name for d in dtypes))
        raise DTypeError(f"{op} needs inputs of one dtype, got {names}")
    return dtypes.pop()
