"""Elementwise arithmetic and transcendental functions: one output element from one of each input.

Gradients of broadcast inputs are summed back to the input's shape by autograd, not here.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, DTypeError
from ..ir.op import Op
from ..ir.types import DType, TensorType, bool_
from . import special
from .arrays import Kernel, numpy_dtype, quiet, quiet_ufunc
from .create import zeros_like
from .registry import Tensor, primitive
from .rules import broadcast_shapes, promote, require_float, same_dtype


def _is_whole(x: Any) -> bool:
    return x.dtype.kind in "iub"


def refuse_kinds(op: str, dtype: DType, kinds: tuple[str, ...], instead: str = "") -> None:
    """Raise `DTypeError` where `dtype` is of one of the kinds."""
    if dtype.kind in kinds:
        raise DTypeError(f"{op} is not defined for {dtype.name}", instead=instead)


# ---------------------------------------------------------------- unary


def unary(
    name: str,
    eager: Kernel,
    vjp: Any = None,
    *,
    to_float: bool = False,
    refuses: tuple[str, ...] = (),
    instead: str = "",
    doc: str,
) -> Op:
    """Declare a unary primitive.

    Args:
        name: The op's name.
        eager: `(xp, x) -> array`.
        vjp: `(g, y, x) -> (gradient,)`.
        to_float: Whether integers and bools are converted to float first (sin, exp, ...).
        refuses: Kinds of dtypes that it is not defined for.
        instead: What to use for these.
        doc: What it computes.
    """

    def infer(x: TensorType) -> TensorType:
        if to_float:
            require_float(name, x)
        return x

    def canonical(input: Tensor) -> Any:
        (x,) = promote(input, to_float=to_float)
        if refuses:
            refuse_kinds(name, x.dtype, refuses, instead)
        return (x,), {}

    return primitive(infer=infer, eager=eager, vjp=vjp, name=name, doc=doc)(canonical)


def _float_unary(name: str, eager: Kernel, vjp: Any, doc: str) -> Op:
    return unary(name, quiet(eager), vjp, to_float=True, doc=doc)


def _rounding(name: str, function: str, doc: str) -> Op:
    def eager(xp: Any, x: Any) -> Any:
        return x if _is_whole(x) else getattr(xp, function)(x)

    return unary(name, eager, lambda g, _y, _x: (zeros_like(g),), refuses=("bool",), doc=doc)


def _eager_sign(xp: Any, x: Any) -> Any:
    if x.dtype.kind in "bu":
        return (x != 0).astype(x.dtype)
    # PyTorch's sign of NaN is 0, NumPy's is NaN.
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


neg = unary(
    "neg",
    quiet(lambda xp, x: xp.negative(x)),
    lambda g, _y, _x: (-g,),
    refuses=("bool",),
    instead="use ~x or logical_not",
    doc="-x",
)
abs = unary(
    "abs",
    lambda xp, x: xp.abs(x),
    lambda g, _y, x: (g * sign(x),),
    refuses=("bool",),
    doc="|x|",
)
sign = unary(
    "sign",
    quiet(_eager_sign),
    lambda g, _y, _x: (zeros_like(g),),
    doc="-1, 0 or 1 by the sign of x; 0 for NaN",
)
floor = _rounding("floor", "floor", "the largest whole number that is not above x")
ceil = _rounding("ceil", "ceil", "the smallest whole number that is not below x")
trunc = _rounding("trunc", "trunc", "x without its fractional part")

sqrt = _float_unary(
    "sqrt", lambda xp, x: xp.sqrt(x), lambda g, y, _x: (g / (2.0 * y),), "root of x"
)
rsqrt = _float_unary(
    "rsqrt",
    lambda xp, x: xp.reciprocal(xp.sqrt(x)),
    lambda g, y, _x: (g * (-0.5 * y * y * y),),
    "1 / sqrt(x)",
)
reciprocal = _float_unary(
    "reciprocal", lambda xp, x: xp.reciprocal(x), lambda g, y, _x: (-g * y * y,), "1 / x"
)
exp = _float_unary("exp", lambda xp, x: xp.exp(x), lambda g, y, _x: (g * y,), "e to the x")
exp2 = _float_unary(
    "exp2",
    lambda xp, x: xp.exp2(x),
    lambda g, y, _x: (g * (y * 0.6931471805599453),),
    "2 to the x",
)
expm1 = _float_unary(
    "expm1",
    lambda xp, x: xp.expm1(x),
    lambda g, y, _x: (g * (y + 1.0),),
    "exp(x) - 1, exact near 0",
)
log = _float_unary("log", lambda xp, x: xp.log(x), lambda g, _y, x: (g / x,), "natural logarithm")
log2 = _float_unary(
    "log2",
    lambda xp, x: xp.log2(x),
    lambda g, _y, x: (g / (x * 0.6931471805599453),),
    "logarithm to base 2",
)
log10 = _float_unary(
    "log10",
    lambda xp, x: xp.log10(x),
    lambda g, _y, x: (g / (x * 2.302585092994046),),
    "logarithm to base 10",
)
log1p = _float_unary(
    "log1p",
    lambda xp, x: xp.log1p(x),
    lambda g, _y, x: (g / (x + 1.0),),
    "log(1 + x), exact near 0",
)
sin = _float_unary("sin", lambda xp, x: xp.sin(x), lambda g, _y, x: (g * cos(x),), "sine")
cos = _float_unary("cos", lambda xp, x: xp.cos(x), lambda g, _y, x: (-g * sin(x),), "cosine")
tanh = _float_unary(
    "tanh", lambda xp, x: xp.tanh(x), lambda g, y, _x: (g * (1.0 - y * y),), "hyperbolic tangent"
)
erf = _float_unary(
    "erf",
    special.erf,
    lambda g, _y, x: (g * (1.1283791670955126 * exp(-(x * x))),),
    "the error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x",
)


@primitive(
    infer=lambda x: x,
    eager=quiet(lambda xp, x: x * x),
    vjp=lambda g, _y, x: (g * (2.0 * x),),
)
def square(input: Tensor) -> Any:
    """x * x; of bools as int64."""
    return (promote(input, 2)[0],), {}


def _canonical_round(input: Tensor, *, decimals: int = 0) -> Any:
    refuse_kinds("round", input.dtype, ("bool",))
    return (input,), {"decimals": int(decimals)}


def _eager_round(xp: Any, x: Any, decimals: int) -> Any:
    if _is_whole(x):
        return x
    if decimals == 0:
        return xp.rint(x)
    scale = x.dtype.type(10.0 ** builtins.abs(decimals))
    return xp.rint(x * scale) / scale if decimals > 0 else xp.rint(x / scale) * scale


round = primitive(
    name="round",
    infer=lambda x, decimals: x,
    eager=_eager_round,
    vjp=lambda g, _y, _x, decimals: (zeros_like(g),),
    doc="The nearest whole number (or number of `decimals`), halves to even.",
)(_canonical_round)


def _canonical_cast(input: Tensor, dtype: DType) -> Any:
    return (input,), {"dtype": dtype}


cast = primitive(
    name="cast",
    infer=lambda x, dtype: TensorType(dtype, x.shape),
    eager=quiet(lambda xp, x, dtype: x.astype(numpy_dtype(dtype))),
    vjp=lambda g, _y, _x, dtype: (cast(g, _x.dtype),),
    doc="The elements converted to `dtype`; floats are truncated towards zero, NaN is nonzero.",
)(_canonical_cast)


# ---------------------------------------------------------------- binary


def binary(
    name: str,
    eager: Kernel,
    vjp: Any = None,
    *,
    to_float: bool = False,
    result: DType | None = None,
    refuses: tuple[str, ...] = (),
    instead: str = "",
    ufunc: Any = None,
    doc: str,
) -> Op:
    """Declare a binary primitive with broadcasting and promotion.

    Args:
        name: The op's name.
        eager: `(xp, x, y) -> array`.
        vjp: `(g, z, x, y) -> (gradient of x, gradient of y)`.
        to_float: Whether integers and bools are converted to float first.
        result: The result's dtype where it is not that of the inputs (comparisons).
        refuses: Kinds of dtypes that it is not defined for.
        instead: What to use for these.
        ufunc: The NumPy ufunc that does the same, see `ir.op.Op`.
        doc: What it computes.
    """

    def infer(x: TensorType, y: TensorType) -> TensorType:
        dtype = same_dtype(name, (x, y))
        if to_float:
            require_float(name, x)
        return TensorType(result or dtype, broadcast_shapes(x.shape, y.shape))

    def canonical(input: Tensor, other: Tensor) -> Any:
        x, y = promote(input, other, to_float=to_float)
        if refuses:
            refuse_kinds(name, x.dtype, refuses, instead)
        return (x, y), {}

    short = None if ufunc is None else quiet_ufunc(ufunc)
    declare = primitive(infer=infer, eager=eager, vjp=vjp, ufunc=short, name=name, doc=doc)
    return declare(canonical)


def _division(name: str, function: str) -> Kernel:
    """NumPy's function, but integers may not be divided by 0 (on a GPU that goes unchecked)."""

    def eager(xp: Any, x: Any, y: Any) -> Any:
        if xp is np and x.dtype.kind in "iu" and not y.all():
            raise ArgumentError(f"{name}: an integer is divided by zero")
        return getattr(xp, function)(x, y)

    return quiet(eager)


def _eager_pow(xp: Any, x: Any, y: Any) -> Any:
    if xp is np:
        if y.ndim == 0 and y == 2:
            return x * x
        if y.dtype.kind == "i" and (y < 0).any():
            raise ArgumentError(
                "integers have no negative integer powers", instead="x.double() ** y"
            )
    return xp.power(x, y)


def _share(g: Tensor, loses: Tensor, ties: Tensor) -> Tensor:
    """The gradient of max and min: none for the loser, half for each of two equals."""
    return where(loses, 0.0, where(ties, 0.5 * g, g))


def _vjp_pow(g: Tensor, z: Tensor, x: Tensor, y: Tensor) -> Any:
    def base() -> Tensor:
        return where(y == 0, 0.0, g * (y * x ** (y - 1.0)))

    def exponent() -> Tensor:
        # x ** y is 0 for every y > 0 where x is 0, so it does not change with y.
        flat = (x == 0) & (y >= 0)
        return where(flat, 0.0, g * (z * log(where(flat, 1.0, x))))

    return base, exponent


add = binary(
    "add",
    quiet(lambda xp, x, y: xp.add(x, y)),
    lambda g, _z, _x, _y: (g, g),
    ufunc=np.add,
    doc="x + y",
)
sub = binary(
    "sub",
    quiet(lambda xp, x, y: xp.subtract(x, y)),
    lambda g, _z, _x, _y: (g, lambda: -g),
    refuses=("bool",),
    instead="use x ^ y or logical_xor",
    ufunc=np.subtract,
    doc="x - y",
)
mul = binary(
    "mul",
    quiet(lambda xp, x, y: xp.multiply(x, y)),
    lambda g, _z, x, y: (lambda: g * y, lambda: g * x),
    ufunc=np.multiply,
    doc="x * y",
)
true_divide = binary(
    "div",
    quiet(lambda xp, x, y: xp.true_divide(x, y)),
    lambda g, z, _x, y: (lambda: g / y, lambda: -g * z / y),
    to_float=True,
    ufunc=np.true_divide,
    doc="x / y",
)
floor_divide = binary(
    "floor_divide",
    _division("floor_divide", "floor_divide"),
    lambda g, _z, _x, _y: (zeros_like(g), lambda: zeros_like(g)),
    refuses=("bool",),
    doc="x / y rounded down",
)
remainder = binary(
    "remainder",
    _division("remainder", "remainder"),
    lambda g, _z, x, y: (g, lambda: -g * floor_divide(x, y)),
    refuses=("bool",),
    doc="What is left of x after dividing by y; has the sign of y, as Python's %.",
)
fmod = binary(
    "fmod",
    _division("fmod", "fmod"),
    lambda g, _z, x, y: (g, lambda: -g * trunc(x / y)),
    refuses=("bool",),
    doc="What is left of x after dividing by y; has the sign of x, as C's fmod.",
)
pow = binary("pow", quiet(_eager_pow), _vjp_pow, refuses=("bool",), doc="x to the power of y")
maximum = binary(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    lambda g, _z, x, y: (lambda: _share(g, x < y, x == y), lambda: _share(g, y < x, x == y)),
    ufunc=np.maximum,
    doc="The larger of x and y; NaN where either is.",
)
minimum = binary(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    lambda g, _z, x, y: (lambda: _share(g, x > y, x == y), lambda: _share(g, y > x, x == y)),
    ufunc=np.minimum,
    doc="The smaller of x and y; NaN where either is.",
)
atan2 = binary(
    "atan2",
    quiet(lambda xp, x, y: xp.arctan2(x, y)),
    lambda g, _z, x, y: (lambda: g * y / (x * x + y * y), lambda: -g * x / (x * x + y * y)),
    to_float=True,
    doc="The angle of the point (y, x), in radians.",
)


# ---------------------------------------------------------------- select


def _infer_where(condition: TensorType, x: TensorType, y: TensorType) -> TensorType:
    if condition.dtype is not bool_:
        raise DTypeError(f"where needs a bool condition, got {condition.dtype.name}")
    shape = broadcast_shapes(condition.shape, x.shape, y.shape)
    return TensorType(same_dtype("where", (x, y)), shape)


def _vjp_where(g: Tensor, _z: Tensor, c: Tensor, _x: Tensor, _y: Tensor) -> Any:
    return None, lambda: where(c, g, 0.0), lambda: where(c, 0.0, g)


@primitive(infer=_infer_where, eager=lambda xp, c, x, y: xp.where(c, x, y), vjp=_vjp_where)
def where(condition: Tensor, input: Tensor, other: Tensor) -> Any:
    """`input` where `condition` holds, else `other`, with broadcasting and promotion."""
    if condition.dtype is not bool_:
        raise DTypeError(f"where needs a bool condition, got {condition.dtype.name}")
    x, y = promote(input, other)
    return (condition, x, y), {}
