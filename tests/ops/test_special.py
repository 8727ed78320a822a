"""Special functions against SciPy."""

import numpy as np
import pytest
from scipy import special

import vitrify as vt
from vitrify.ops.special import erf

EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, 3.9, 4.0, 6.0, 30.0, np.inf, -np.inf, np.nan, 1e-40, 1e-300]


def points(dtype):
    dense = np.linspace(-7, 7, 200_001)
    small = np.logspace(-35, 0, 10_001)
    with np.errstate(under="ignore"):
        return np.concatenate([dense, small, -small, EDGES]).astype(dtype)


@np.errstate(all="ignore")
def test_erf_is_right_to_the_last_place_in_float32():
    x = points(np.float32)
    y, expected = erf(np, x), special.erf(x.astype(np.float64))
    assert y.dtype == np.float32
    error = np.abs(y - expected) / np.spacing(np.abs(expected).astype(np.float32))
    assert np.nanmax(error) < 0.6
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    np.testing.assert_array_equal(np.signbit(y), np.signbit(x))


@np.errstate(all="ignore")
def test_erf_in_float64():
    x = points(np.float64)
    y, expected = erf(np, x), special.erf(x)
    assert np.nanmax(np.abs(y - expected)) < 1e-15
    np.testing.assert_allclose(y, expected, rtol=1e-15, equal_nan=True)


@pytest.mark.parametrize("dtype", [vt.float16, vt.bfloat16])
def test_erf_of_short_floats_is_that_of_float32_rounded(dtype):
    x = vt.tensor(np.linspace(-4, 4, 1001)).to(dtype)
    np.testing.assert_array_equal(
        vt.erf(x).float().numpy(), vt.erf(x.float()).to(dtype).float().numpy()
    )


def test_erf_of_any_layout():
    x = np.linspace(-3, 3, 24).reshape(4, 6)
    np.testing.assert_allclose(erf(np, x.T[::2]), special.erf(x.T[::2]), rtol=1e-14)
    assert erf(np, np.array(0.5)).shape == ()
    assert erf(np, np.zeros((0, 3))).shape == (0, 3)
