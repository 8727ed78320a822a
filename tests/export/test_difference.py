"""Errors are measured as NumPy measures them, and nothing that differs passes unseen."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vitrify.export.difference import TOLERANCES, describe, measure, ulps
from vitrify.ops.arrays import numpy_dtype

FLOATS = [np.float16, np.float32, np.float64, ml_dtypes.bfloat16]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("start", [0.0, -0.0, 1.0, -1.0, 0.999, 6e4, 1e-7])
def test_ulps_count_the_steps_of_nextafter(dtype, start):
    x = np.array(start, dtype)
    y = x
    for steps in range(1, 5):
        y = np.nextafter(y, np.array(np.inf, dtype))
        assert ulps(x, y) == ulps(y, x) == steps


@given(
    hnp.arrays(np.float64, 4, elements=st.floats(allow_nan=False)),
    hnp.arrays(np.float64, 4, elements=st.floats(allow_nan=False)),
)
def test_ulps_are_exact_for_all_doubles(a, b):
    def place(x: float) -> int:
        bits = int(np.float64(x).view(np.uint64))
        return bits if bits < 1 << 63 else (1 << 63) - bits

    assert ulps(a, b).tolist() == [abs(place(x) - place(y)) for x, y in zip(a, b, strict=True)]


def test_ulps_across_the_largest_distance():
    low, high = np.float64(-np.inf).reshape(1), np.float64(np.inf).reshape(1)
    assert int(ulps(low, high)[0]) == 2 * int(high.view(np.uint64)[0])


def test_errors_are_those_of_numpy():
    rng = np.random.default_rng(0)
    expected = rng.standard_normal((3, 4)).astype(np.float32)
    got = (expected * (1 + 1e-3 * rng.standard_normal((3, 4)))).astype(np.float32)
    found = measure(expected, got)
    exact = np.abs(got.astype(np.float64) - expected)
    assert found.max_abs == exact.max()
    assert found.max_rel == (exact / np.abs(expected.astype(np.float64))).max()
    assert found.max_ulp == max(ulps(expected, got).reshape(-1).tolist())
    assert found.problem
    assert not measure(expected, got, rtol=1e-2, atol=0).problem


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_the_tolerance_is_that_of_the_dtype(dtype):
    rtol, atol = TOLERANCES[dtype]
    expected = np.zeros(2, numpy_dtype(dtype))
    assert not measure(expected, (expected + 0.9 * atol).astype(expected.dtype)).problem
    assert measure(expected, (expected + 1.1 * atol).astype(expected.dtype)).problem
    big = np.full(2, 1024, numpy_dtype(dtype))
    assert not measure(big, (big * (1 + 0.9 * rtol)).astype(big.dtype)).problem
    assert measure(big, (big * (1 + 1.2 * rtol)).astype(big.dtype)).problem


def test_the_worst_element_is_the_one_farthest_beyond_its_tolerance():
    expected = np.array([[1000.0, 0.0], [1.0, 2.0]], np.float32)
    got = expected + np.array([[0.05, 0.0], [0.0, 0.01]], np.float32)
    worst = measure(expected, got).worst
    assert worst is not None
    assert (worst.index, worst.expected) == ((1, 1), 2.0)
    assert worst.got == float(np.float32(2.01))
    assert "at [1, 1] 2.01, expected 2.0" in measure(expected, got).problem


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([1.0, np.nan], [1.0, 2.0]),
        ([1.0, 2.0], [np.nan, 2.0]),
        ([np.inf, 1.0], [3e38, 1.0]),
        ([1.0, 1.0], [np.inf, 1.0]),
        ([np.inf, 1.0], [-np.inf, 1.0]),
        ([1.0, 1.0], [1.0]),
        ([[1.0], [1.0]], [1.0, 1.0]),
        ([1.0], 1.0),
    ],
)
@pytest.mark.parametrize("rtol", [None, 0.0, 1e30])
def test_no_tolerance_excuses_these(expected, got, rtol):
    a, b = np.array(expected, np.float32), np.array(got, np.float32)
    assert measure(a, b, rtol=rtol).problem


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_equal_passes_without_tolerance(dtype):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5], dtype)
    found = measure(x, x.copy(), rtol=0, atol=0)
    assert not found.problem
    assert (found.max_abs, found.max_rel, found.max_ulp, found.worst) == (0, 0, 0, None)
    assert not measure(x[:0], x[:0]).problem
    assert not measure(x[5], x[5].copy()).problem


def test_a_wrong_dtype_is_named():
    found = measure(np.zeros(2, np.float32), np.zeros(2, np.float64))
    assert found.problem == "the dtype is float64, not float32"
    assert found.max_abs is None


def test_integers_and_bool_must_be_equal():
    extremes = np.array([-(2**63), 2**63 - 1, 5])
    assert not measure(extremes, extremes.copy()).problem
    found = measure(extremes, np.array([2**63 - 1, 2**63 - 1, 5]), rtol=1, atol=1e30)
    assert found.max_abs == 2**64 - 1
    assert found.problem.startswith("1 of 3 elements not equal; at [0] 92233")
    found = measure(np.array([True, False]), np.array([True, True]))
    assert found.max_abs == 1
    assert found.worst is not None and found.worst.got is True
    assert not measure(np.zeros((0, 2), np.int8), np.zeros((0, 2), np.int8)).problem


def test_types_are_shown_as_graphs_show_them():
    assert describe(np.zeros((2, 0), ml_dtypes.bfloat16)) == "bf16[2, 0]"
