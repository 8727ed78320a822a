"""Every row of the table of op samples, through every test that a row buys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from op_checks import (
    Row,
    Weighted,
    assert_close,
    assert_gradient,
    assert_same,
    canonical_call,
    numpy_of,
    op_calls,
    results,
    traced,
    wide,
)
from op_samples import ROWS

import vitrify as vt
from vitrify.ir.builder import result_types
from vitrify.ir.parser import parse_graph
from vitrify.ops import REGISTRY

ROW_DTYPES = [
    pytest.param(row, dtype, id=f"{row.name}-{dtype.short}") for row in ROWS for dtype in row.dtypes
]
DIFFERENTIABLE = [pytest.param(row, id=row.name) for row in ROWS if row.grad]

CAPTURED = [row for row in ROWS if not row.refused]
EXPORTED = [
    pytest.param(row, dtype, id=f"{row.name}-{dtype.short}")
    for row in CAPTURED
    for dtype in row.dtypes
    if dtype in (vt.float32, vt.int64, vt.bool) and not row.onnx
]

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


@pytest.mark.parametrize("row", CAPTURED, ids=repr)
def test_a_program_computes_what_eager_does(row: Row) -> None:
    for call in row.calls:
        for dtype in (row.dtypes[0], row.dtypes[-1]):
            tensors = [vt.tensor(a) for a in call.arrays(dtype)]
            program = traced(row, call, tensors)
            assert_same(program(*tensors), call.apply(row, tensors), f"{row}{call}")


@pytest.mark.parametrize("row", CAPTURED, ids=repr)
def test_a_program_computes_what_eager_does_for_every_size(row: Row) -> None:
    for call in row.calls:
        if not call.dynamic():
            continue
        dtype = row.dtypes[-1]
        program = traced(row, call, [vt.tensor(a) for a in call.arrays(dtype)], dynamic=True)
        for size in (1, 2, 5):
            other = call.resized(size)
            tensors = [vt.tensor(a) for a in other.arrays(dtype)]
            assert_same(program(*tensors), other.apply(row, tensors), f"{row}{other}")


@pytest.mark.parametrize("row", CAPTURED, ids=repr)
def test_the_text_of_a_program_parses_to_itself(row: Row) -> None:
    for call in row.calls:
        tensors = [vt.tensor(a) for a in call.arrays(row.dtypes[-1])]
        text = str(traced(row, call, tensors, dynamic=bool(call.dynamic())).graph)
        assert str(parse_graph(text, REGISTRY)) == text


@pytest.mark.parametrize(("row", "dtype"), EXPORTED)
def test_onnx_runtime_computes_what_eager_does(row: Row, dtype: vt.DType, tmp_path: Path) -> None:
    for k, call in enumerate(row.calls):
        tensors = [vt.tensor(a) for a in call.arrays(dtype)]
        path = tmp_path / f"{k}.onnx"
        vt.export.onnx(traced(row, call, tensors, dynamic=bool(call.dynamic())), path)
        actual = vt.run(path, *tensors)
        outputs = list(actual.values()) if isinstance(actual, dict) else [actual]
        for y, wanted in zip(outputs, results(call.apply(row, tensors)), strict=True):
            assert y.dtype is wanted.dtype, f"{row}{call}"
            assert_close(numpy_of(y), numpy_of(wanted), 4 * row.atol, f"{row}{call}")


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in CAPTURED if row.onnx])
def test_what_onnx_cannot_express_is_refused(row: Row, tmp_path: Path) -> None:
    (call,) = row.calls
    program = traced(row, call, [vt.tensor(a) for a in call.arrays(vt.float32)])
    with pytest.raises(vt.errors.UnsupportedOpError):
        vt.export.onnx(program, tmp_path / "refused.onnx")
