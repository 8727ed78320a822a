"""One row per op: what it is called with and what that should give. A row buys every test of an op.

`tests/ops/test_samples.py` runs each row eagerly, through type inference, to second-order
gradients, through a capture, the text form and ONNX Runtime. To add an op, add a row.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from op_checks import ANY, BOOL, FLOAT, INT, NUMERIC, Call, Fixed, Row, T, const, ids, mask
from op_references import (
    amax,
    amin,
    cat,
    clamp,
    extreme,
    gather,
    index_put,
    layout,
    log_softmax,
    scatter,
    softmax,
    split,
    sum_to,
    triangle,
)
from op_samples_nn import NN
from scipy import special

import vitrify as vt

nan, inf = float("nan"), float("inf")

# ---------------------------------------------------------------- elementwise

UNARY_SHAPES = ((3, 4), (), (0, 3))


def unary(
    name: str,
    reference: Any,
    low: float = -3.0,
    high: float = 3.0,
    *,
    odd: tuple[float, ...] = (nan, inf, -inf, 0.0),
    **options: Any,
) -> Row:
    """A row for a function of one tensor, on random elements of a range, and on odd ones."""
    calls = [Call(T(shape, low, high)) for shape in UNARY_SHAPES]
    if options.get("dtypes", NUMERIC) == FLOAT and odd:
        calls.append(Call(const(*odd)))
    return Row(name, reference, tuple(calls), **options)


smooth = partial(unary, dtypes=FLOAT)

UNARY = [
    unary("neg", np.negative),
    unary("abs", np.abs),
    unary("sign", lambda x: x if x.dtype == bool else np.sign(x), dtypes=ANY),
    unary("square", np.square),
    unary("floor", np.floor),
    unary("ceil", np.ceil),
    unary("trunc", np.trunc),
    unary("frac", lambda x: x - np.trunc(x)),
    Row(
        "round",
        lambda x, decimals=0: np.round(x, decimals),
        (Call(T((3, 4))), Call(const(0.5, 1.5, 2.5, -0.5)), Call(T((3,)), decimals=1)),
    ),
    smooth("sqrt", np.sqrt, 0.2, 4.0),
    smooth("rsqrt", lambda x: 1 / np.sqrt(x), 0.2, 4.0),
    smooth("reciprocal", np.reciprocal, 0.3, 3.0),
    smooth("exp", np.exp, odd=(nan, inf, -inf, 800.0, -800.0)),
    smooth("exp2", np.exp2),
    smooth("expm1", np.expm1, odd=(nan, inf, -inf, 1e-6)),
    smooth("log", np.log, 0.2, 4.0),
    smooth("log2", np.log2, 0.2, 4.0),
    smooth("log10", np.log10, 0.2, 4.0),
    smooth("log1p", np.log1p, -0.8, 3.0, odd=(nan, inf, -1.0, 1e-6)),
    smooth("sin", np.sin),
    smooth("cos", np.cos),
    smooth("tanh", np.tanh),
    smooth("tan", np.tan, -1.2, 1.2, odd=(nan, 0.0, 2.0)),
    smooth("erf", special.erf, odd=(nan, inf, -inf, 0.0, 1.999, 2.001, 5.9, -7.0)),
    smooth("sigmoid", special.expit),
    smooth("logsigmoid", special.log_expit),
    smooth("relu", lambda x: np.where(np.isnan(x), x, np.maximum(x, 0))),
    smooth("silu", lambda x: x * special.expit(x), odd=(nan, inf, 0.0)),
    smooth("mish", lambda x: x * np.tanh(np.logaddexp(0, x)), odd=(nan, inf, 0.0)),
    smooth("relu6", lambda x: np.clip(x, 0, 6), -3.0, 9.0),
    smooth("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, -5.0, 5.0),
    smooth("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, -5.0, 5.0, odd=(nan, 0.0)),
    Row(
        "gelu",
        lambda x, approximate="none": (
            x * special.ndtr(x)
            if approximate == "none"
            else 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        ),
        (Call(T((3, 4))), Call(T()), Call(T((5,)), approximate="tanh")),
        FLOAT,
    ),
    Row(
        "leaky_relu",
        lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
        (Call(T((3, 4))), Call(T((4,)), negative_slope=0.2)),
        FLOAT,
    ),
    Row(
        "elu",
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        (Call(T((3, 4))), Call(T((4,)), alpha=0.5)),
        FLOAT,
    ),
    Row(
        "softplus",
        lambda x, beta=1.0, threshold=20.0: np.logaddexp(0, beta * x) / beta,
        (Call(T((3, 4))), Call(T((4,)), beta=2.0), Call(const(30.0, -30.0))),
        FLOAT,
    ),
    Row(
        "hardtanh",
        lambda x, low=-1.0, high=1.0: np.clip(x, low, high),
        (Call(T((3, 4))), Call(T((4,)), -0.5, 2.0)),
        FLOAT,
    ),
    Row(
        "clone",
        np.copy,
        (Call(T((3, 4))), Call(T())),
        ANY,
    ),
    Row(
        "cast",
        lambda x, dtype: np.trunc(x) if dtype is vt.int32 else x,
        (
            Call(T((3, 4), grad=False), vt.float32),
            Call(T((4,)), vt.float64),
            Call(T((4,), 0, 9), vt.int32),
        ),
        ANY,
    ),
]


def binary(name: str, reference: Any, other: T | None = None, **options: Any) -> Row:
    """A row for a function of two tensors that broadcast; the second drawn like `other`."""
    y = other or T()

    def shaped(*shape: int) -> T:
        return T(shape, y.low, y.high)

    calls = (
        Call(T((3, 4)), shaped(3, 4)),
        Call(T((3, 1, 4)), shaped(2, 1)),
        Call(T((3, 4)), shaped()),
        Call(T((3, 4)), 2),
        Call(T((0, 4)), shaped(4)),
    )
    return Row(name, reference, options.pop("calls", calls), **options)


POSITIVE = T(low=1.0, high=4.0)
logical = partial(binary, dtypes=ANY, grad=False)
bits = partial(binary, dtypes=INT + BOOL, grad=False)

BINARY = [
    binary("add", np.add, dtypes=ANY),
    binary("sub", np.subtract),
    binary("rsub", lambda x, y: y - x),
    binary("mul", np.multiply, dtypes=ANY),
    binary("div", np.true_divide, POSITIVE),
    binary("floor_divide", np.floor_divide, POSITIVE),
    binary("remainder", np.remainder, POSITIVE),
    binary("fmod", np.fmod, POSITIVE),
    binary(
        "pow",
        np.power,
        calls=(
            Call(T((3, 4), 1.0, 3.0), T((3, 4), 0.0, 3.0)),
            Call(T((3, 1), 1.0, 3.0), T((4,), 0.0, 3.0)),
            Call(T((3, 4)), 2),
            Call(T((3, 4)), 3),
            Call(2, T((3,), 0.0, 3.0)),
        ),
        atol=4.0,
    ),
    binary("maximum", np.maximum, dtypes=ANY),
    binary("minimum", np.minimum, dtypes=ANY),
    binary("atan2", np.arctan2, POSITIVE, dtypes=FLOAT),
    logical("eq", np.equal),
    logical("ne", np.not_equal),
    logical("lt", np.less),
    logical("le", np.less_equal),
    logical("gt", np.greater),
    logical("ge", np.greater_equal),
    logical("logical_and", np.logical_and),
    logical("logical_or", np.logical_or),
    logical("logical_xor", np.logical_xor),
    Row("logical_not", np.logical_not, (Call(T((3, 4))), Call(T())), ANY, grad=False),
    Row(
        "lerp",
        lambda x, y, w: x + w * (y - x),
        (Call(T((3, 4)), T((3, 4)), 0.25), Call(T((3, 1)), T((4,)), T((3, 4)))),
        FLOAT,
        atol=9.0,
    ),
    bits("bitwise_and", np.bitwise_and),
    bits("bitwise_or", np.bitwise_or),
    bits("bitwise_xor", np.bitwise_xor),
    bits("bitwise_left_shift", np.left_shift, T(low=0, high=3), dtypes=INT),
    bits("bitwise_right_shift", np.right_shift, T(low=0, high=3), dtypes=INT),
    Row("bitwise_not", np.invert, (Call(T((3, 4))), Call(T())), INT + BOOL, grad=False),
    Row("isnan", np.isnan, (Call(T((3, 4))), Call(const(nan, inf, 1.0))), FLOAT, grad=False),
    Row("isinf", np.isinf, (Call(T((3, 4))), Call(const(nan, inf, -inf))), FLOAT, grad=False),
    Row("isfinite", np.isfinite, (Call(T((3,))), Call(const(nan, inf, 1.0))), FLOAT, grad=False),
    Row(
        "isclose",
        lambda x, y, **kw: np.isclose(x, y, **kw),
        (
            Call(const(1.0, 2.0, inf, nan), const(1.0, 2.5, inf, nan)),
            Call(const(1.0, 2.0, nan), const(1.25, 2.5, nan), rtol=0.3, equal_nan=True),
            Call(const(1.0, 2.0), const(1.5, 2.5), rtol=0.0, atol=0.75),
        ),
        FLOAT,
        grad=False,
    ),
    Row(
        "where",
        np.where,
        (
            Call(mask(3, 4), T((3, 4)), T((3, 4))),
            Call(mask(3, 1), T((4,)), 2),
            Fixed(mask(4), 0, T((3, 4))),
        ),
        ANY,
    ),
    Row(
        "clamp",
        clamp,
        (
            Call(T((3, 4)), 1, 2),
            Call(T((3, 4)), min=1),
            Call(T((3, 4)), max=T((4,))),
            Call(T((3, 4)), T((4,), 0, 1), T((3, 1), 1, 2)),
        ),
    ),
]

# ---------------------------------------------------------------- reductions

REDUCTIONS = (
    Call(T((3, 4, 2))),
    Call(T((3, 4, 2)), 1),
    Call(T((3, 4, 2)), -1, True),
    Call(T((3, 4, 2)), (0, -1)),
    Call(T((3, 4, 2)), dim=(2, 0), keepdim=True),
    Call(T((3, 0, 2)), 0),
    Call(T()),
)
EMPTY = (Call(T((3, 0, 2), grad=False), 1), Call(T((0,), grad=False)))


def reduction(name: str, reference: Any, *, empty: bool = True, **options: Any) -> Row:
    """A row for a reduction; `reference` is called as NumPy's are."""

    def called(x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return reference(x, axis=dim, keepdims=keepdim, **kwargs)

    calls = options.pop("calls", REDUCTIONS) + (EMPTY if empty else ())
    return Row(name, called, calls, **options)


SEARCHES = (
    Call(T((3, 4))),
    Call(T((3, 4)), 0),
    Call(T((3, 4)), -1, True),
    Call(T()),
    Call(const(1.0, 3.0, 3.0, 0.0)),
)
VARIANCES = (
    Call(T((3, 4, 2))),
    Call(T((3, 4, 2)), (0, -1), keepdim=True),
    Call(T((3, 4)), 1, correction=0),
    Call(T((3, 4)), 0, False),
)


def variance(function: Any) -> Any:
    def reference(
        x: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: int = 1
    ) -> Any:
        return function(x, axis=dim, keepdims=keepdim, ddof=correction if unbiased else 0)

    return reference


EXTREMES = (
    Call(T((3, 4))),
    Call(T((3, 4)), 1),
    Call(T((3, 4)), -2, True),
    Call(T((3, 4)), T((4,))),
)

REDUCE = [
    reduction("sum", np.sum, dtypes=ANY, atol=20.0),
    reduction("prod", np.prod, dtypes=ANY, atol=50.0),
    reduction("mean", np.mean, empty=False, dtypes=FLOAT, atol=4.0),
    reduction("amax", amax, empty=False, dtypes=ANY),
    reduction("amin", amin, empty=False, dtypes=ANY),
    reduction("any", np.any, dtypes=ANY, grad=False),
    reduction("all", np.all, dtypes=ANY, grad=False),
    reduction("argmax", np.argmax, calls=SEARCHES, empty=False, grad=False),
    reduction("argmin", np.argmin, calls=SEARCHES, empty=False, grad=False),
    reduction("count_nonzero", np.count_nonzero, dtypes=ANY, grad=False),
    Row("var", variance(np.var), VARIANCES, FLOAT, atol=9.0),
    Row("std", variance(np.std), VARIANCES, FLOAT, atol=9.0),
    Row(
        "var_mean",
        lambda x, dim=None, correction=1, keepdim=False: (
            x.var(dim, ddof=correction, keepdims=keepdim),
            x.mean(dim, keepdims=keepdim),
        ),
        (Call(T((3, 4)), 1), Call(T((3, 4)), correction=0, keepdim=True)),
        FLOAT,
        atol=9.0,
    ),
    Row("max", extreme(np.max, np.argmax, np.maximum), EXTREMES),
    Row("min", extreme(np.min, np.argmin, np.minimum), EXTREMES),
    Row(
        "norm",
        lambda x, p=2.0, dim=None, keepdim=False: np.linalg.norm(
            x.reshape(-1) if dim is None else x, p, dim, keepdim
        ),
        (
            Call(T((3, 4))),
            Call(T((3, 4)), 1.0, 1),
            Call(T((3, 4)), inf, 0, True),
            Call(T((3, 4)), -inf, 1),
            Call(T((3, 4)), 3.0, 1),
            Call(T((3, 4)), 0.0, 1),
        ),
        FLOAT,
        atol=9.0,
    ),
    reduction("logsumexp", special.logsumexp, empty=False, dtypes=FLOAT, atol=4.0),
    Row(
        "cumsum",
        lambda x, dim: np.cumsum(x, dim) if x.ndim else x,
        (Call(T((3, 4)), 0), Call(T((3, 4)), -1), Call(T((0, 3)), 0), Call(T(), 0)),
        ANY,
        atol=4.0,
    ),
    Row(
        "softmax",
        softmax,
        (Call(T((3, 4)), 1), Call(T((3, 4)), 0), Call(T(), 0), Call(const(900.0, 0.0, -inf), 0)),
        FLOAT,
    ),
    Row(
        "log_softmax",
        log_softmax,
        (Call(T((3, 4)), 1), Call(T((3, 4)), 0), Call(T(), 0), Call(const(900.0, 0.0), 0)),
        FLOAT,
        atol=4.0,
    ),
]

# ---------------------------------------------------------------- shape

pure = partial(Row, dtypes=ANY)

SHAPE = [
    pure(
        "reshape",
        lambda x, *shape: x.reshape(*shape),
        (
            Fixed(T((3, 4)), 3, 2, 2),
            Call(T((3, 4)), (-1, 2)),
            Call(T((3, 4)), -1),
            Call(T((1, 1)), ()),
            Fixed(T((0, 4)), 4, 0),
        ),
    ),
    pure(
        "flatten",
        lambda x, start=0, end=-1: x.reshape(
            *x.shape[:start], -1, *(x.shape[end + 1 :] if end != -1 else ())
        ),
        (Call(T((3, 2, 2))), Call(T((3, 2, 2)), 1), Call(T((3, 2, 2)), 0, 1), Call(T())),
    ),
    pure(
        "unflatten",
        lambda x, dim, sizes: x.reshape(
            *x.shape[: dim % x.ndim], *sizes, *x.shape[dim % x.ndim + 1 :]
        ),
        (Call(T((3, 4)), 1, (2, 2)), Call(T((3, 4)), -1, (2, -1))),
    ),
    pure(
        "squeeze",
        lambda x, dim=None: (
            x.squeeze(
                dim if dim is None else tuple(d for d in np.atleast_1d(dim) if x.shape[d] == 1)
            )
            if x.ndim
            else x
        ),
        (
            Fixed(T((3, 1, 2, 1))),
            Call(T((3, 1)), 1),
            Fixed(T((3, 1)), -2),
            Fixed(T((3, 1)), (0, 1)),
        ),
    ),
    pure("unsqueeze", np.expand_dims, (Call(T((3, 4)), 0), Call(T((3, 4)), -1), Call(T(), 0))),
    pure(
        "permute",
        lambda x, *dims: np.transpose(x, dims[0] if isinstance(dims[:1][0], tuple) else dims),
        (Call(T((3, 4, 2)), 2, 0, 1), Call(T((3, 4, 2)), (0, -1, 1)), Call(T((3, 0)), 1, 0)),
    ),
    pure("transpose", np.swapaxes, (Call(T((3, 4, 2)), 0, -1), Call(T((3, 4)), 1, 0))),
    pure(
        "movedim",
        np.moveaxis,
        (Call(T((3, 4, 2)), 0, -1), Call(T((3, 4, 2)), (0, 1), (2, 0))),
    ),
    pure(
        "expand",
        lambda x, *shape: np.broadcast_to(
            x, [x.shape[k - len(shape)] if n == -1 else n for k, n in enumerate(shape)]
        ),
        (
            Fixed(T((3, 1)), 3, 4),
            Call(T((3, 1)), 2, -1, 5),
            Call(T(), 2, 3),
            Fixed(T((3, 1)), 3, 0),
        ),
    ),
    Row(
        "sum_to",
        sum_to,
        (Fixed(T((3, 4)), (1, 4)), Call(T((2, 3, 4)), (3, 1)), Call(T((3, 4)), ())),
        FLOAT,
        atol=9.0,
    ),
    pure(
        "slice",
        lambda x, dim=0, start=None, stop=None, step=1: np.moveaxis(
            np.moveaxis(x, dim, 0)[start:stop:step], 0, dim
        ),
        (
            Call(T((3, 6)), 1, 1, -1, 2),
            Call(T((3, 6)), -1, -4),
            Call(T((3, 6)), 1, 4, 2),
            Call(T((3, 6)), 1, None, 99),
        ),
        function=vt.ops.slice_,
    ),
    pure(
        "slice_scatter",
        layout(
            lambda x, src, dim=0, start=None, stop=None, step=1: np.moveaxis(x, dim, 0).__setitem__(
                slice(start, stop, step), np.moveaxis(src, dim, 0)
            )
        ),
        (
            Call(T((3, 6)), T((3, 2)), 1, 1, -1, 2),
            Call(T((3, 6)), T((3, 2)), -1, 0, 2),
            Fixed(T((4, 2)), T((1, 2)), 0, 3),
        ),
    ),
    pure(
        "narrow",
        lambda x, dim, start, length: x.take(range(start, start + length), dim),
        (Call(T((3, 6)), 1, 2, 3), Call(T((3, 6)), -1, 0, 0)),
    ),
    pure(
        "select",
        lambda x, dim, index: x.take(index, dim),
        (Call(T((3, 6)), 1, 2), Call(T((3, 6)), -1, -1)),
    ),
    pure("unbind", lambda x, dim=0: tuple(np.moveaxis(x, dim, 0)), (Call(T((3, 2)), 1),)),
    pure(
        "split",
        split,
        (Call(T((3, 5)), 2, 1), Call(T((3, 5)), [1, 4], -1), Call(T((3, 0)), 2, 1)),
    ),
    pure("split_with_sizes", split, (Call(T((3, 5)), (2, 0, 3), 1), Call(T((3, 5)), (5,), -1))),
    pure(
        "chunk",
        lambda x, chunks, dim=0: split(x, -(-x.shape[dim] // chunks), dim),
        (Call(T((3, 5)), 2, 1), Call(T((3, 6)), 4, -1)),
    ),
    pure(
        "cat",
        cat,
        (
            Call([T((3, 2)), T((3, 3))], 1),
            Call([T((3, 2)), T((3, 0)), T((3, 2))], -1),
            Call([T((3,))]),
            Call([T((0,)), T((2, 3))]),
        ),
    ),
    pure(
        "stack",
        np.stack,
        (Call([T((3, 2)), T((3, 2))]), Call([T((3, 2)), T((3, 2))], -1), Call([T(), T()])),
    ),
    pure(
        "flip",
        lambda x, *dims: np.flip(x, dims[0] if isinstance(dims[:1][0], tuple) else dims),
        (Call(T((3, 4)), 0), Call(T((3, 4)), (0, -1)), Call(T((0, 2)), 1)),
    ),
    pure(
        "repeat",
        lambda x, *n: np.tile(x, n),
        (Call(T((3, 2)), 2, 1), Call(T((3, 2)), 2, 1, 3), Fixed(T((3,)), 0), Call(T(), 2)),
    ),
    pure("tile", lambda x, *n: np.tile(x, n), (Call(T((3, 2)), 2), Call(T((3,)), 2, 2))),
    pure(
        "repeat_interleave",
        np.repeat,
        (Call(T((3, 2)), 2), Call(T((3, 2)), 3, 0), Call(T((3, 2)), 2, -1)),
    ),
    pure(
        "roll",
        np.roll,
        (Call(T((3, 4)), 1), Fixed(T((3, 4)), -2, 0), Call(T((3, 4)), (6,), (1,))),
    ),
    pure("tril", triangle(np.tril), (Call(T((3, 4))), Call(T((2, 3, 4)), 1), Call(T((3, 4)), -1))),
    pure("triu", triangle(np.triu), (Call(T((3, 4))), Call(T((2, 3, 4)), 1), Call(T((3, 4)), -1))),
]

# ---------------------------------------------------------------- making tensors


def numbers(dtype: Any) -> Any:
    return {"float": np.float64, "bool": np.bool_}.get(dtype.kind, np.int64)


create = partial(Row, dtypes=(vt.float32,), grad=False)

CREATE = [
    create(
        "full",
        lambda shape, value, dtype=None: np.full(shape, value, numbers(dtype) if dtype else None),
        (
            Call((2, 3), 1.5),
            Call((), 7),
            Call((2,), True),
            Call((0, 2), inf),
            Call((2,), 3, dtype=vt.float16),
            Call((2,), 2.7, dtype=vt.int64),
        ),
    ),
    create("zeros", lambda *shape: np.zeros(shape), (Call(2, 3), Call())),
    create("ones", lambda *shape: np.ones(shape), (Call(2, 3), Call())),
    create("full_like", np.full_like, (Call(T((3, 2)), 2),)),
    create("zeros_like", np.zeros_like, (Call(T((3, 2))),)),
    create("ones_like", np.ones_like, (Call(T((3, 2))),)),
    create(
        "arange",
        lambda *a, dtype=None: np.arange(*a),
        (
            Call(5),
            Call(2, 9, 3),
            Call(5, 0, -2),
            Call(3, 3),
            Call(0.0, 1.0, 0.3),
            Call(4, dtype=vt.float64),
        ),
    ),
    create("eye", np.eye, (Call(3), Call(2, 4), Call(0))),
    create("linspace", np.linspace, (Call(0.0, 1.0, 5), Call(-2.0, 3.0, 1), Call(1.0, 2.0, 0))),
    create(
        "constant",
        lambda value, dtype=None: np.array(value),
        (Call(1.5), Call(3), Call(True), Call(2, vt.float64), Call(nan)),
    ),
]

# ---------------------------------------------------------------- indices

INDEX = [
    pure(
        "index",
        lambda x, indices, dims: x[
            tuple(indices[dims.index(d)] if d in dims else slice(None) for d in range(x.ndim))
        ],
        (
            Fixed(T((3, 4)), [ids(2, 0, 2)], (0,)),
            Fixed(T((3, 4, 2)), [ids(1, 3), ids(0, -1)], (1, 2)),
            Fixed(T((3, 4, 2)), [ids([[1], [2]]), ids(0, 1)], (0, 2)),
        ),
    ),
    pure(
        "index_put",
        index_put,
        (
            Fixed(T((4, 3)), T((2, 3)), [ids(2, 0)], (0,)),
            Fixed(T((4, 3)), T(()), [ids(2, 0), ids(0, 1)], (0, 1)),
            Fixed(T((4, 3)), T((3, 3)), [ids(2, 0, 2)], (0,), True),
        ),
        dtypes=NUMERIC,
    ),
    pure(
        "index_select",
        lambda x, dim, index: np.take(x, index, dim),
        (Fixed(T((3, 4)), 0, ids(2, 0, 2)), Fixed(T((3, 4)), -1, ids(1, 1))),
    ),
    pure(
        "gather",
        gather,
        (
            Fixed(T((3, 4)), 1, ids([[0, 3], [1, 1]])),
            Fixed(T((3, 4)), 0, ids([[0, 2, 1, 1]])),
            Fixed(T((3,)), -1, ids(2, 0)),
        ),
    ),
    pure(
        "take_along_dim",
        lambda x, i, dim=None: np.take_along_axis(x, i, dim),
        (Fixed(T((3, 4)), ids([[0, 3]]), 1), Fixed(T((3, 4)), ids(2, 11))),
    ),
    pure(
        "scatter_add",
        partial(scatter, add=True),
        (
            Fixed(T((3, 4)), 1, ids([[0, 0], [1, 3]]), T((2, 2))),
            Fixed(T((3, 4)), 0, ids([[0, 2, 1, 1]]), T((1, 4))),
            Fixed(T((4,)), 0, ids(3, 3), const(1, 2, 3)),
        ),
        dtypes=NUMERIC,
    ),
    pure(
        "scatter",
        scatter,
        (
            Fixed(T((3, 4)), 1, ids([[0, 2], [1, 3]]), T((2, 2))),
            Fixed(T((3, 4)), -1, ids([[0], [2], [3]]), 1),
        ),
    ),
    Row(
        "one_hot",
        lambda i, n: np.eye(n, dtype=np.int64)[i],
        (Fixed(ids(0, 2, 1), 3), Fixed(ids([[0, 2], [1, 1]]), 4)),
        (vt.int64,),
        grad=False,
    ),
    pure(
        "embedding",
        lambda i, w: w[i],
        (Fixed(ids([[0, 2], [1, 1]]), T((3, 4))), Fixed(ids(2), T((3, 4)))),
        dtypes=FLOAT,
    ),
    pure(
        "masked_fill",
        lambda x, m, value: np.where(m, np.asarray(value).astype(x.dtype), x),
        (Call(T((3, 4)), mask(3, 4), 1), Call(T((3, 4)), mask(4), T(()))),
    ),
    pure(
        "nonzero",
        lambda x, as_tuple=False: np.nonzero(x) if as_tuple else np.argwhere(x),
        (Call(mask(3, 4)), Call(T((3, 4)), as_tuple=True), Call(T((0, 2)))),
        grad=False,
        refused="the result's size depends on values",
    ),
    pure(
        "masked_select",
        lambda x, m: x[np.broadcast_to(m, x.shape)],
        (Call(T((3, 4)), mask(3, 4)), Call(T((3, 4)), mask(4))),
        refused="the result's size depends on values",
    ),
]

# ---------------------------------------------------------------- products

product = partial(Row, dtypes=FLOAT, atol=20.0)

LINALG = [
    product(
        "matmul",
        np.matmul,
        (
            Call(T((3, 4)), T((4, 2))),
            Call(T((4,)), T((4,))),
            Fixed(T((4,)), T((2, 4, 5))),
            Call(T((3, 2, 4)), T((4,))),
            Call(T((3, 1, 2, 4)), T((5, 4, 2))),
            Call(T((3, 0)), T((0, 2))),
        ),
        dtypes=NUMERIC,
    ),
    product("mm", np.matmul, (Call(T((3, 4)), T((4, 2))),)),
    product("bmm", np.matmul, (Call(T((3, 2, 4)), T((3, 4, 5))),)),
    product("dot", np.dot, (Call(T((4,)), T((4,))),)),
    product(
        "addmm",
        lambda c, a, b, beta=1, alpha=1: beta * c + alpha * (a @ b),
        (
            Fixed(T((2,)), T((3, 4)), T((4, 2))),
            Call(T((3, 2)), T((3, 4)), T((4, 2)), beta=0.5, alpha=2.0),
        ),
    ),
    product(
        "einsum",
        np.einsum,
        (
            Call("ij,jk->ik", T((3, 4)), T((4, 2))),
            Call("bhqd,bhkd->bhqk", T((3, 2, 4, 5)), T((3, 2, 6, 5))),
            Call("ij,ij->", T((3, 4)), T((3, 4))),
            Call("i,j", T((3,)), T((4,))),
            Call("...ij,jk->...ik", T((3, 2, 4)), T((4, 5))),
            Call("ij,jk,kl->il", T((3, 4)), T((4, 2)), T((2, 5))),
            Call("bij->bji", T((3, 4, 2))),
            Call("bii->b", T((3, 4, 4))),
            Call("bij->b", T((3, 4, 2))),
            Call("bi,bj,bk->bk", T((3, 4)), T((3, 2)), T((3, 5))),
        ),
    ),
    product("outer", np.outer, (Call(T((3,)), T((4,))),)),
    product(
        "linear",
        lambda x, w, b=None: x @ w.T + (0 if b is None else b),
        (
            Call(T((3, 4)), T((2, 4)), T((2,))),
            Call(T((3, 5, 4)), T((2, 4))),
            Fixed(T((4,)), T((2, 4)), T((2,))),
        ),
    ),
]

ROWS: tuple[Row, ...] = (
    *UNARY, *BINARY, *REDUCE, *SHAPE, *CREATE, *INDEX, *LINALG, *NN,
)  # fmt: skip
