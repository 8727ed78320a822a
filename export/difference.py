"""How far an array is from the expected one.

Two arrays are compared element by element in their own dtype. The default tolerances, by which an
element passes where `|got - expected| <= atol + rtol * |expected|`:

    dtype      rtol    atol
    float64    1e-9    1e-11
    float32    1e-4    1e-5
    float16    2e-2    2e-3
    bfloat16   6e-2    1e-2
    integers and bool must be equal

An ULP (unit in the last place) is the step from one number of a dtype to the next. Shapes, dtypes,
infinities and the places of NaNs must agree whatever the tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.types import DType, TensorType, bfloat16, float16, float32, float64
from ..ops.arrays import dtype_of

TOLERANCES: dict[DType, tuple[float, float]] = {
    float64: (1e-9, 1e-11),
    float32: (1e-4, 1e-5),
    float16: (2e-2, 2e-3),
    bfloat16: (6e-2, 1e-2),
}


@dataclass(frozen=True, slots=True)
class Worst:
    """The element that differs most, measured by what the tolerance allows it.

    Attributes:
        index: Where it is.
        expected: The value that it should have.
        got: The value that it has.
    """

    index: tuple[int, ...]
    expected: bool | int | float
    got: bool | int | float


@dataclass(frozen=True, slots=True)
class Difference:
    """What `measure` found.

    Attributes:
        problem: Why the arrays do not agree; empty where they do.
        max_abs: The largest absolute error; None where values could not be compared, here and in
            what follows.
        max_rel: The largest error relative to an expected value that is not zero; None for integers
            and bool.
        max_ulp: The largest error in ULPs; None for integers and bool.
        rtol: The relative tolerance.
        atol: The absolute tolerance.
        worst: The worst element; None where there is no difference at all.
    """

    problem: str = ""
    max_abs: int | float | None = None
    max_rel: float | None = None
    max_ulp: int | None = None
    rtol: float | None = None
    atol: float | None = None
    worst: Worst | None = None


def measure(
    expected: np.ndarray, got: np.ndarray, rtol: float | None = None, atol: float | None = None
) -> Difference:
    """The difference of two arrays of any shape and of a dtype that tensors can have.

    Args:
        expected: The values to hold against.
        got: The values to judge.
        rtol: Relative tolerance for floats, or that of the dtype.
        atol: Absolute tolerance for floats, or that of the dtype.
    """
    dtype = dtype_of(expected)
    if expected.dtype != got.dtype:
        return Difference(f"the dtype is {dtype_of(got).name}, not {dtype.name}")
    if expected.shape != got.shape:
        return Difference(f"the shape is {got.shape}, not {expected.shape}")
    if not dtype.is_floating_point:
        return _measure_integers(expected, got)
    default = TOLERANCES[dtype]
    rtol, atol = default[0] if rtol is None else rtol, default[1] if atol is None else atol
    return _measure_floats(expected, got, rtol, atol)


def _measure_floats(expected: np.ndarray, got: np.ndarray, rtol: float, atol: float) -> Difference:
    e, g = expected.astype(np.float64), got.astype(np.float64)
    nan = np.isnan(e)
    if (misplaced := nan != np.isnan(g)).any():
        worst = _worst(expected, got, misplaced)
        problem = f"NaN in {_count(misplaced)} on one side only{_at(expected, got, worst)}"
        return Difference(problem, rtol=rtol, atol=atol, worst=worst)
    with np.errstate(all="ignore"):
        error = np.where(nan | (e == g), 0.0, np.abs(g - e))
        allowed = atol + rtol * np.abs(e)
        # An infinity has an infinite tolerance, which must not excuse anything.
        failed = (error > allowed) | np.isinf(error)
        severity = np.where(error == 0, 0.0, np.where(np.isinf(error), np.inf, error / allowed))
        relative = np.where((e == 0) | (error == 0), 0.0, error / np.abs(e))
    # Infinity over infinity; the error itself is infinite there.
    relative[np.isnan(relative)] = np.inf
    worst = _worst(expected, got, severity) if error.any() else None
    return Difference(
        problem=f"{_count(failed)} beyond the tolerance{_at(expected, got, worst)}"
        if worst and failed.any()
        else "",
        max_abs=float(error.max(initial=0.0)),
        max_rel=float(relative.max(initial=0.0)),
        max_ulp=int(np.where(nan, np.uint64(0), ulps(expected, got)).max(initial=0)),
        rtol=rtol,
        atol=atol,
        worst=worst,
    )


def _measure_integers(expected: np.ndarray, got: np.ndarray) -> Difference:
    differs = expected != got
    # Modulo 2**64, the larger less the smaller is exact for every integer type.
    low, high = np.minimum(expected, got), np.maximum(expected, got)
    distance = high.astype(np.uint64) - low.astype(np.uint64)
    worst = _worst(expected, got, distance) if differs.any() else None
    problem = f"{_count(differs)} not equal{_at(expected, got, worst)}" if worst else ""
    return Difference(problem, int(distance.max(initial=0)), rtol=0.0, atol=0.0, worst=worst)


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many steps of their float dtype lie between the elements of two arrays; exact (uint64).

    Zeros of both signs are the same; the infinities come right after the largest numbers. What
    stands where either is NaN has no meaning.
    """
    unsigned = np.dtype(f"u{a.dtype.itemsize}")
    sign = 1 << (8 * a.dtype.itemsize - 1)

    def split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bits = np.ascontiguousarray(x).view(unsigned).reshape(x.shape).astype(np.uint64)
        return bits & np.uint64(sign - 1), (bits & np.uint64(sign)) != 0

    (size_a, negative_a), (size_b, negative_b) = split(a), split(b)
    apart = np.maximum(size_a, size_b) - np.minimum(size_a, size_b)
    return np.where(negative_a == negative_b, apart, size_a + size_b)


def _worst(expected: np.ndarray, got: np.ndarray, severity: np.ndarray) -> Worst:
    flat = int(np.argmax(severity))
    index = tuple(int(k) for k in np.unravel_index(flat, expected.shape))
    return Worst(index, _number(expected[index]), _number(got[index]))


def _number(scalar: Any) -> bool | int | float:
    """A NumPy scalar as a Python number; the item of bfloat16 is none."""
    return float(scalar) if scalar.dtype.kind in "fV" else scalar.item()


def _count(mask: np.ndarray) -> str:
    return f"{int(mask.sum())} of {mask.size} elements"


def _at(expected: np.ndarray, got: np.ndarray, worst: Worst) -> str:
    """The worst element in words, with as many digits as its dtype has."""
    where = f"at {list(worst.index)} " if worst.index else ""
    return f"; {where}{got[worst.index]!s}, expected {expected[worst.index]!s}"


def describe(array: np.ndarray) -> str:
    """dtype and shape as graphs print them: `f32[2, 10]`."""
    return str(TensorType(dtype_of(array), array.shape))
