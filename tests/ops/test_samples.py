"""Every row of the table of op samples, through every test that a row buys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_checks import (
    Row,
    Weighted,
    assert_close,
    assert_gradient,
    canonical_call,
    numpy_of,
    op_calls,
    results,
    wide,
)
from op_samples import ROWS

import vitrify as vt
from vitrify.ir.builder import result_types
from vitrify.ops import REGISTRY

ROW_DTYPES = [
    pytest.param(row, dtype, id=f"{row.name}-{dtype.short}") for row in ROWS for dtype in row.dtypes
]
DIFFERENTIABLE = [pytest.param(row, id=row.name) for row in ROWS if row.grad]

# No samples: it has data only inside a program.
WITHOUT_ROWS = {"parameter"}


def test_every_op_has_a_row() -> None:
    missing = set(REGISTRY) - {row.name for row in ROWS} - WITHOUT_ROWS
    assert not missing, f"add rows to tests/op_samples.py for {sorted(missing)}"


@pytest.mark.parametrize(("row", "dtype"), ROW_DTYPES)
def test_eager_agrees_with_the_reference(row: Row, dtype: vt.DType) -> None:
    for call in row.calls:
        arrays = call.arrays(dtype)
        actual = results(call.apply(row, [vt.tensor(a) for a in arrays]))
        with np.errstate(all="ignore"):
            expected = results(call.apply(row.reference, [wide(a) for a in arrays]))
        assert len(actual) == len(expected)
        for y, wanted in zip(actual, expected, strict=True):
            assert_close(numpy_of(y), wanted, row.atol, f"{row}{call} in {dtype.name}")


@pytest.mark.parametrize(("row", "dtype"), ROW_DTYPES)
def test_inference_agrees_with_eager(row: Row, dtype: vt.DType) -> None:
    for call in row.calls:
        for bound in op_calls(row, call, dtype):
            if bound.op.name == "nonzero":
                continue  # its size depends on values: inference refuses it
            types = [None if t is None else t.type for t in bound.inputs]
            inferred = result_types(bound.op, types, bound.attrs)
            assert inferred == tuple(y.type for y in bound.outputs), (bound.op, call)


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_a_canonical_call_is_canonical(row: Row) -> None:
    for call in row.calls:
        for bound in op_calls(row, call, row.dtypes[-1]):
            args, kwargs = canonical_call(bound.op, bound.inputs, bound.attrs)
            again, attrs = bound.op.canonical(*args, **kwargs)
            assert len(again) == len(bound.inputs), (bound.op, call)
            assert all(a is b for a, b in zip(again, bound.inputs, strict=True)), (bound.op, call)
            assert repr(attrs) == repr(bound.attrs), (bound.op, call)


@pytest.mark.parametrize("row", ROWS, ids=repr)
def test_a_composites_kernel_agrees_with_its_body(row: Row) -> None:
    for call in row.calls:
        for op, inputs, attrs, outputs in map(_parts, op_calls(row, call, row.dtypes[-1])):
            if op.body is None or op.eager is None:
                continue
            by_body = results(op.body(*op.arrange(inputs), **attrs))
            for y, wanted in zip(outputs, by_body, strict=True):
                assert_close(numpy_of(y), numpy_of(wanted), row.atol, f"{op}{call}")


def _parts(bound: Any) -> tuple[Any, Any, Any, Any]:
    return bound.op, bound.inputs, bound.attrs, bound.outputs


@pytest.mark.parametrize("row", DIFFERENTIABLE)
def test_gradients_agree_with_finite_differences(row: Row) -> None:
    for call in row.calls:
        weighted = Weighted(row, call)
        if weighted.wanted:
            assert_gradient(weighted, weighted.value, "first-order")
            assert_gradient(weighted, weighted.slope, "second-order")
