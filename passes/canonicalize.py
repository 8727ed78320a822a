"""One form for what can be written in several, and nothing that does nothing.

Before:

    graph f(%x: f32[2, 3]) -> (f32[2, 3]) {
      %0 = constant 1.0 : f32[]
      %1 = mul(%x, %0) : f32[2, 3]
      %2 = permute(%1) {dims=(1, 0)} : f32[3, 2]
      %3 = permute(%2) {dims=(1, 0)} : f32[2, 3]
      %4 = neg(%3) : f32[2, 3]
      return %4
    }

After:

    graph f(%x: f32[2, 3]) -> (f32[2, 3]) {
      %0 = neg(%x) : f32[2, 3]
      return %0
    }

Every rule is exact for every element of every dtype, NaN, infinities and the sign of zero included.
So `x + 0.0` stays, which is 0.0 where x is -0.0, and `x * 0.0`, which is NaN where x is infinite;
`x - 0.0` and `x + -0.0` go. Sizes are compared by `same`: what is not proven is not done.
"""

from __future__ import annotations

from typing import Any

from ..ir.dims import same, same_shape
from ..ir.graph import Graph
from ..ir.types import DType
from ..ops import (
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    cast,
    cat,
    clone,
    div,
    expand,
    flip,
    floor_divide,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    mul,
    neg,
    permute,
    pow,
    reshape,
    slice_,
    squeeze,
    sub,
    unsqueeze,
    where,
)
from .rewrite import Rule, decline, rewrite, rule

# ---------------------------------------------------------------- dtypes


@rule(lambda x, dtype: cast(x, dtype))
def drop_cast(x: Any, dtype: DType) -> Any:
    return x if x.dtype is dtype else decline("it changes the dtype")


@rule(lambda x, first, second: cast(cast(x, first), second))
def compose_casts(x: Any, first: DType, second: DType) -> Any:
    if not _holds(first, x.dtype):
        return decline(f"not every {x.dtype.name} is a {first.name}")
    kinds = {x.dtype.is_floating_point, first.is_floating_point, second.is_floating_point}
    if second is not x.dtype and len(kinds) > 1:
        return decline("kernels may round a direct conversion between int and float in two steps")
    return cast(x, second)


_SIGNIFICAND = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _holds(wide: DType, narrow: DType) -> bool:
    """Whether every number of `narrow` is one of `wide`."""
    if wide is narrow or narrow.kind == "bool":
        return True
    if narrow.is_floating_point:
        return wide.is_floating_point and wide.bits > narrow.bits
    magnitude = narrow.bits - (narrow.kind == "int")
    if wide.is_floating_point:
        return magnitude <= _SIGNIFICAND[wide.name]
    return wide.bits - (wide.kind == "int") >= magnitude and (
        wide.kind == "int" or narrow.kind == "uint"
    )


# ---------------------------------------------------------------- shapes


@rule(lambda x, dims: permute(x, dims))
def drop_permute(x: Any, dims: tuple[int, ...]) -> Any:
    return x if dims == tuple(range(len(dims))) else decline("it changes the order")


@rule(lambda x, p, q: permute(permute(x, p), q))
def compose_permutes(x: Any, p: tuple[int, ...], q: tuple[int, ...]) -> Any:
    return permute(x, tuple(p[i] for i in q))


@rule(lambda x, shape: reshape(x, shape))
def drop_reshape(x: Any, shape: Any) -> Any:
    return x if same_shape(x.shape, shape) else decline("it changes the shape")


@rule(lambda x, first, shape: reshape(reshape(x, first), shape))
def compose_reshapes(x: Any, first: Any, shape: Any) -> Any:
    return reshape(x, shape)


@rule(lambda x, dim, shape: reshape(squeeze(x, dim), shape))
def reshape_unsqueezed(x: Any, dim: Any, shape: Any) -> Any:
    return reshape(x, shape)


@rule(lambda x, dim, shape: reshape(unsqueeze(x, dim), shape))
def reshape_squeezed(x: Any, dim: int, shape: Any) -> Any:
    return reshape(x, shape)


@rule(lambda x: squeeze(x, ()))
def drop_squeeze(x: Any) -> Any:
    return x


@rule(lambda x, d: squeeze(unsqueeze(x, d), (d,)))
def squeeze_unsqueezed(x: Any, d: int) -> Any:
    return x


@rule(lambda x, d: unsqueeze(squeeze(x, (d,)), d))
def unsqueeze_squeezed(x: Any, d: int) -> Any:
    return x


@rule(lambda x, shape: expand(x, shape))
def drop_expand(x: Any, shape: Any) -> Any:
    return x if same_shape(x.shape, shape) else decline("it changes the shape")


@rule(lambda x, first, shape: expand(expand(x, first), shape))
def compose_expands(x: Any, first: Any, shape: Any) -> Any:
    return expand(x, shape)


@rule(lambda x, dim, start, stop: slice_(x, dim, start, stop, 1))
def drop_slice(x: Any, dim: int, start: Any, stop: Any) -> Any:
    whole = same(start, 0) and same(stop, x.shape[dim])
    return x if whole else decline("it leaves elements out")


@rule(lambda x, dims: flip(flip(x, dims), dims))
def flip_flipped(x: Any, dims: Any) -> Any:
    return x


@rule(lambda x, dim: cat([x], dim))
def drop_cat(x: Any, dim: int) -> Any:
    return x


@rule(lambda x: clone(x))
def drop_clone(x: Any) -> Any:
    return x


# ---------------------------------------------------------------- arithmetic


@rule(lambda x: neg(neg(x)))
def negate_negated(x: Any) -> Any:
    return x


@rule(lambda x: logical_not(logical_not(x)))
def invert_inverted(x: Any) -> Any:
    return x


@rule(lambda x: bitwise_not(bitwise_not(x)))
def invert_inverted_bits(x: Any) -> Any:
    return x


@rule(lambda x: mul(x, 1))
def drop_mul(x: Any) -> Any:
    return x


@rule(lambda x: div(x, 1))
def drop_div(x: Any) -> Any:
    return x


@rule(lambda x: floor_divide(x, 1))
def drop_floor_divide(x: Any) -> Any:
    return x if x.dtype.is_integer else decline("floats are rounded down")


@rule(lambda x: sub(x, 0))
def drop_sub(x: Any) -> Any:
    return x


@rule(lambda x: add(x, -0.0))
def drop_add_of_negative_zero(x: Any) -> Any:
    return x


@rule(lambda x: add(x, 0))
def drop_add(x: Any) -> Any:
    return decline("-0.0 + 0.0 is 0.0") if x.dtype.is_floating_point else x


@rule(lambda x: pow(x, 1))
def drop_pow(x: Any) -> Any:
    return x if x.dtype.category else decline("pow is not defined for bool")


@rule(lambda x: maximum(x, x))
def drop_maximum(x: Any) -> Any:
    return x


@rule(lambda x: minimum(x, x))
def drop_minimum(x: Any) -> Any:
    return x


@rule(lambda x: logical_and(x, x))
def drop_and(x: Any) -> Any:
    return x


@rule(lambda x: logical_or(x, x))
def drop_or(x: Any) -> Any:
    return x


@rule(lambda x: bitwise_and(x, x))
def drop_bitwise_and(x: Any) -> Any:
    return x


@rule(lambda x: bitwise_or(x, x))
def drop_bitwise_or(x: Any) -> Any:
    return x


@rule(lambda condition, x: where(condition, x, x))
def drop_where(condition: Any, x: Any) -> Any:
    return x


RULES: tuple[Rule, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Rule))


def canonicalize(graph: Graph) -> Graph:
    """The graph in the form that no rule above changes."""
    return rewrite(graph, *RULES)
