"""Elementwise arithmetic, comparisons, logic and bits."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from ...ir.graph import Node
from ...ir.types import BY_NAME, DType, bool_, float32, float64, int32
from .registry import Declined, Simple, rule, table
from .writer import Ref, Writer

table(
    {
        "abs": Simple("Abs"),
        "sqrt": Simple("Sqrt"),
        "reciprocal": Simple("Reciprocal"),
        "exp": Simple("Exp"),
        "log": Simple("Log"),
        "sin": Simple("Sin"),
        "cos": Simple("Cos"),
        "tanh": Simple("Tanh"),
        "add": Simple("Add"),
        "sub": Simple("Sub"),
        "mul": Simple("Mul"),
        "div": Simple("Div"),
        "pow": Simple("Pow"),
        "fmod": Simple("Mod", fixed={"fmod": 1}),
        "maximum": Simple("Max"),
        "minimum": Simple("Min"),
        "where": Simple("Where", typed=1),
        "eq": Simple("Equal"),
        "lt": Simple("Less"),
        "le": Simple("LessOrEqual"),
        "gt": Simple("Greater"),
        "ge": Simple("GreaterOrEqual"),
        "logical_and": Simple("And"),
        "logical_or": Simple("Or"),
        "logical_xor": Simple("Xor"),
        "logical_not": Simple("Not"),
        "isnan": Simple("IsNaN"),
        "isinf": Simple("IsInf"),
    }
)


# ---------------------------------------------------------------- unary


@rule("neg")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Sub", b.like(0, x), x) if x.dtype.kind == "uint" else b.op("Neg", x)


@rule("sign")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    """ONNX Runtime's Sign of NaN depends on the dtype; ours is 0."""
    if not x.dtype.is_floating_point:
        return b.op("Sign", x)
    nan = b.op("IsNaN", x, out=bool_)
    return b.op("Where", nan, b.like(0.0, x), b.op("Sign", x), typed=1)


@rule("square")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Mul", x, x)


@rule("rsqrt")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.cast(b.op("Reciprocal", b.op("Sqrt", b.widen(x))), x.dtype)


@rule("floor")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Floor", x) if x.dtype.is_floating_point else x


@rule("ceil")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Ceil", x) if x.dtype.is_floating_point else x


@rule("trunc")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if not x.dtype.is_floating_point:
        return x
    # The sign of a zero in between comes out right, too; that of ONNX Runtime's Where does not.
    return b.op("Mul", b.op("Sign", x), b.op("Floor", b.op("Abs", x)))


@rule("round")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if not x.dtype.is_floating_point:
        return x
    decimals = node.attrs["decimals"]
    if not decimals:
        return b.op("Round", x)
    wide = b.widen(x)
    scale = b.like(10.0 ** abs(decimals), wide)
    up, down = ("Mul", "Div") if decimals > 0 else ("Div", "Mul")
    return b.cast(b.op(down, b.op("Round", b.op(up, wide, scale)), scale), x.dtype)


@rule("exp2")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.op("Pow", b.like(2.0, x), x)


@rule("log2")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    wide = b.widen(x)
    return b.cast(b.op("Div", b.op("Log", wide), b.like(math.log(2.0), wide)), x.dtype)


@rule("log10")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    wide = b.widen(x)
    return b.cast(b.op("Div", b.op("Log", wide), b.like(math.log(10.0), wide)), x.dtype)


@rule("expm1")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    """Near 0, where exp(x) - 1 cancels, 2 t / (1 - t) with t = tanh(x / 2)."""
    wide = b.widen(x)
    one = b.like(1.0, wide)
    t = b.op("Tanh", b.op("Mul", wide, b.like(0.5, wide)))
    near = b.op("Div", b.op("Add", t, t), b.op("Sub", one, t))
    far = b.op("Sub", b.op("Exp", wide), one)
    is_near = b.op("Less", b.op("Abs", wide), one, out=bool_)
    return b.cast(b.op("Where", is_near, near, far, typed=1), x.dtype)


@rule("log1p")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    """log(u) with u = 1 + x; near 0 less (u - 1 - x) / u, what the rounding of u added."""
    wide = b.widen(x)
    one = b.like(1.0, wide)
    u = b.op("Add", wide, one)
    far = b.op("Log", u)
    error = b.op("Sub", b.op("Sub", u, one), wide)
    near = b.op("Sub", far, b.op("Div", error, u))
    is_near = b.op("Less", b.op("Abs", wide), b.like(0.5, wide), out=bool_)
    return b.cast(b.op("Where", is_near, near, far, typed=1), x.dtype)


@rule("erf")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if x.dtype is not float64:
        return b.op("Erf", x)
    return _erf_float64(b, x)


@cache
def _erf_series() -> tuple[np.ndarray, np.ndarray]:
    """Power series on [-1, 1]: erf(x)/x for |x| <= 2, and exp(x*x) * erfc(x) for x in 2..6."""

    def inner(t: np.ndarray) -> Any:
        roots = np.sqrt(2.0 * (t + 1.0))
        return np.array([math.erf(r) / r if r else 2.0 / math.sqrt(math.pi) for r in roots])

    def outer(t: np.ndarray) -> Any:
        return np.array([math.erfc(r) * math.exp(r * r) for r in 2.0 * t + 4.0])

    return (
        chebyshev.cheb2poly(chebyshev.chebinterpolate(inner, 22)),
        chebyshev.cheb2poly(chebyshev.chebinterpolate(outer, 18)),
    )


def _polynomial(b: Writer, t: Ref, coefficients: np.ndarray) -> Ref:
    """The sum of c_k t^k: all powers along a new last dim, times the coefficients."""
    powers = b.op("Pow", b.op("Unsqueeze", t, b.ints([-1])), b.like(range(len(coefficients)), t))
    return b.op("MatMul", powers, b.like(coefficients, t))


def _erf_float64(b: Writer, x: Ref) -> Ref:
    """ONNX Runtime has no float64 Erf, and float32 would lose half of the digits."""
    inner, outer = _erf_series()
    one, two = b.like(1.0, x), b.like(2.0, x)
    size = b.op("Min", b.op("Abs", x), b.like(6.0, x))
    square = b.op("Mul", size, size)
    t = b.op("Sub", b.op("Min", b.op("Div", square, two), two), one)
    near = b.op("Mul", x, _polynomial(b, t, inner))
    s = b.op("Max", b.op("Sub", b.op("Div", size, two), two), b.like(-1.0, x))
    tail = b.op("Mul", _polynomial(b, s, outer), b.op("Exp", b.op("Neg", square)))
    far = b.op("Mul", b.op("Sign", x), b.op("Sub", one, tail))
    return b.op("Where", b.op("Greater", size, two, out=bool_), far, near, typed=1)


@rule("cast")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    return b.cast(x, node.attrs["dtype"])


# ---------------------------------------------------------------- division


@rule("floor_divide")
def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
    if x.dtype.kind == "uint" or x.dtype is bool_:
        return b.op("Div", x, y)
    if x.dtype.is_integer:
        # Div rounds to zero: one too many where the two remainders differ.
        toward_zero = b.op("Mod", x, y, fmod=1)
        even = b.op("Equal", b.op("Mod", x, y), toward_zero, out=bool_)
        return b.op("Sub", b.op("Div", x, y), b.cast(b.op("Not", even), x.dtype))
    u, v = b.widen(x), b.widen(y)
    rest, differs = _c_remainder(b, u, v)
    quotient = b.op("Div", b.op("Sub", u, rest), v)
    down = b.op("Round", b.op("Sub", quotient, b.cast(differs, u.dtype)))
    by_zero = b.op("Equal", v, b.like(0.0, v), out=bool_)
    return b.cast(b.op("Where", by_zero, b.op("Div", u, v), down, typed=1), x.dtype)


@rule("remainder")
def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
    if not x.dtype.is_floating_point:
        return b.op("Mod", x, y)
    u, v = b.widen(x), b.widen(y)
    rest, differs = _c_remainder(b, u, v)
    return b.cast(b.op("Where", differs, b.op("Add", rest, v), rest, typed=1), x.dtype)


def _c_remainder(b: Writer, x: Ref, y: Ref) -> tuple[Ref, Ref]:
    """C's fmod, and where its sign is not the divisor's (Mod takes floats only with fmod=1)."""
    zero = b.like(0.0, x)
    rest = b.op("Mod", x, y, fmod=1)
    signs = [b.op("Less", v, zero, out=bool_) for v in (rest, y)]
    nonzero = b.op("Not", b.op("Equal", rest, zero, out=bool_))
    return rest, b.op("And", nonzero, b.op("Xor", *signs))


@rule("atan2")
def _(b: Writer, node: Node, y: Ref, x: Ref) -> Ref:
    """atan(y / x), half a turn further where x is negative; with care for zeros and infinities."""
    u, v = b.widen(y), b.widen(x)
    zero = b.like(0.0, u)
    # In the larger of the two as unit, so that nothing overflows; an infinity counts as 1.
    unit = b.op("Max", b.op("Abs", u), b.op("Abs", v))
    origin = b.op("Equal", unit, zero, out=bool_)
    unit = b.op("Where", origin, b.like(1.0, u), unit, typed=1)
    u, v = (
        b.op("Where", b.op("IsInf", w, out=bool_), b.op("Sign", w), b.op("Div", w, unit), typed=1)
        for w in (u, v)
    )
    v_negative = _is_negative(b, v)
    # At the origin the sign of x's zero decides, which 1 / x shows.
    unit_v = b.op("Where", v_negative, b.like(-1.0, v), b.like(1.0, v), typed=1)
    v = b.op("Where", origin, unit_v, v, typed=1)
    slope = b.op("Div", u, v)
    if u.dtype is float64:
        slope = b.cast(slope, float32)  # there is no float64 Atan
    half_turn = b.op(
        "Where", _is_negative(b, u), b.like(-math.pi, slope), b.like(math.pi, slope), typed=1
    )
    turn = b.op("Where", v_negative, half_turn, b.like(0.0, slope), typed=1)
    angle = b.op("Add", b.op("Atan", slope), turn)
    if u.dtype is float64:
        # What the point's direction is still off, by the sine of the difference of two angles.
        angle = b.cast(angle, float64)
        sine, cosine = b.op("Sin", angle), b.op("Cos", angle)
        across = b.op("Sub", b.op("Mul", u, cosine), b.op("Mul", v, sine))
        along = b.op("Add", b.op("Mul", v, cosine), b.op("Mul", u, sine))
        angle = b.op("Add", angle, b.op("Div", across, along))
    return b.cast(angle, x.dtype)


def _is_negative(b: Writer, x: Ref) -> Ref:
    """Whether the sign is negative, also that of a zero."""
    zero = b.like(0.0, x)
    below = b.op("Less", b.op("Reciprocal", x), zero, out=bool_)
    return b.op("Or", b.op("Less", x, zero, out=bool_), below)


# ---------------------------------------------------------------- comparisons and logic


@rule("ne")
def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
    return b.op("Not", b.op("Equal", x, y, out=bool_))


@rule("bitwise_not")
def _(b: Writer, node: Node, x: Ref) -> Ref:
    if x.dtype is bool_:
        return b.op("Not", x)
    if x.dtype.kind == "int":
        return b.op("Sub", b.like(-1, x), x)
    return b.op("Sub", b.like(2**x.dtype.bits - 1, x), x)


def _bits(name: str, of_bools: str, of_ints: str) -> None:
    @rule(name)
    def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
        if x.dtype is bool_:
            return b.op(of_bools, x, y)
        if b.opset < 18:
            raise Declined(f"{of_ints} came with opset 18", "export with opset=18 or later")
        return b.op(of_ints, x, y)


_bits("bitwise_and", "And", "BitwiseAnd")
_bits("bitwise_or", "Or", "BitwiseOr")
_bits("bitwise_xor", "Xor", "BitwiseXor")


def _unsigned(dtype: DType) -> DType:
    return BY_NAME[f"uint{dtype.bits}"] if dtype.kind == "int" else dtype


@rule("bitwise_left_shift")
def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
    if x.dtype is bool_:
        x, y = b.cast(x, int32), b.cast(y, int32)
    bits = _unsigned(x.dtype)
    shifted = b.op("BitShift", b.cast(x, bits), b.cast(y, bits), direction="LEFT")
    return b.cast(shifted, node.output.type.dtype)


@rule("bitwise_right_shift")
def _(b: Writer, node: Node, x: Ref, y: Ref) -> Ref:
    """A negative x is shifted as -1 - x, which has the inverted bits."""
    if x.dtype is bool_:
        x, y = b.cast(x, int32), b.cast(y, int32)
    bits = _unsigned(x.dtype)
    if bits is x.dtype:
        return b.op("BitShift", x, y, direction="RIGHT")
    minus_one = b.like(-1, x)
    negative = b.op("Less", x, b.like(0, x), out=bool_)
    size = b.op("Where", negative, b.op("Sub", minus_one, x), x, typed=1)
    shifted = b.op("BitShift", b.cast(size, bits), b.cast(y, bits), direction="RIGHT")
    back = b.cast(shifted, x.dtype)
    result = b.op("Where", negative, b.op("Sub", minus_one, back), back, typed=1)
    return b.cast(result, node.output.type.dtype)
