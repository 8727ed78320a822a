"""Kernels of special functions that NumPy lacks."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev


@cache
def _polynomials(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Power series on [-1, 1] of erf(x)/x on |x| <= 2 and of exp(x*x) * erfc(x) on 2..6.

    Chebyshev interpolation of the C library's erf; the degrees are where the error meets the
    rounding of the element type.
    """
    inner_degree, outer_degree = (11, 9) if bits == 32 else (22, 18)

    def inner(t: np.ndarray) -> list[float]:
        roots = np.sqrt(2.0 * (t + 1.0))
        return [math.erf(x) / x if x else 2.0 / math.sqrt(math.pi) for x in roots]

    def outer(t: np.ndarray) -> list[float]:
        return [math.erfc(x) * math.exp(x * x) for x in 2.0 * t + 4.0]

    return tuple(
        chebyshev.cheb2poly(chebyshev.chebinterpolate(lambda t, f=f: np.array(f(t)), degree))
        for f, degree in ((inner, inner_degree), (outer, outer_degree))
    )  # type: ignore[return-value]


def _horner(coefficients: np.ndarray, t: np.ndarray) -> np.ndarray:
    result = np.full_like(t, coefficients[-1])
    for c in coefficients[-2::-1]:
        result *= t
        result += t.dtype.type(c)
    return result


def erf(xp: Any, x: Any) -> Any:
    """The error function of a float array, to a few units in the last place."""
    if xp is not np:
        from cupyx.scipy.special import erf as cupy_erf

        return cupy_erf(x)
    if x.dtype.itemsize < 4:
        return erf(xp, x.astype(np.float32)).astype(x.dtype)
    inner, outer = _polynomials(x.dtype.itemsize * 8)
    size = np.minimum(np.abs(x), x.dtype.type(6.0))
    result = x * _horner(inner, np.minimum(size * size / 2, 2) - 1)
    far = size > 2.0
    if far.any():
        s = size[far]
        tail = 1 - _horner(outer, s / 2 - 2) * np.exp(-s * s)
        result = np.asarray(result)
        result[far] = np.copysign(tail, x[far])
    return np.where(np.isnan(x), x, result)
