"""Every row of the table of op samples, as an ONNX model in ONNX Runtime, against eager."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from op_checks import TOLERANCE, Call, Row, numpy_of, results, traced
from op_samples import ROWS

import vitrify as vt
from vitrify.backends.onnx import to_model
from vitrify.errors import CaptureError, UnsupportedOpError
from vitrify.export.session import Session

DTYPES = (vt.float32, vt.float16, vt.float64, vt.int64, vt.int8, vt.uint8, vt.bool)
ROW_DTYPES = [
    pytest.param(row, dtype, id=f"{row.name}-{dtype.short}")
    for row in ROWS
    for dtype in row.dtypes
    if dtype in DTYPES and not row.refused
]
DYNAMIC = [
    pytest.param(row, id=row.name)
    for row in ROWS
    if vt.float32 in row.dtypes and not row.refused and any(call.dynamic() for call in row.calls)
]

# What ONNX Runtime has no float64 kernel for, and no way around it is written.
WITHOUT_FLOAT64 = {"conv_transpose", "conv_weight_grad"}


def session(program: vt.Program, path: Path) -> Session:
    """The program, without any pass, as an ONNX model that passes ONNX's own checks."""
    model = to_model(program.graph, program.state_dict(), program.output_names)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return Session(path)


def assert_close(row: Row, dtype: vt.DType, got: Sequence[Any], expected: Sequence[Any]) -> None:
    for y, wanted in zip(got, expected, strict=True):
        assert y.type == wanted.type, row
        a, b = numpy_of(y), numpy_of(wanted)
        if wanted.dtype.is_floating_point:
            tolerance = 2 * TOLERANCE.get(dtype, 1e-5)
            atol = tolerance * (1 + row.atol)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=atol, err_msg=str(row))
        else:
            np.testing.assert_array_equal(a, b, err_msg=str(row))


@pytest.mark.parametrize(("row", "dtype"), ROW_DTYPES)
def test_onnx_agrees_with_eager(row: Row, dtype: vt.DType, tmp_path: Path) -> None:
    """All calls of a row are one model."""
    calls = [(call, [vt.tensor(a) for a in call.arrays(dtype)]) for call in row.calls]

    def together(*tensors: Any) -> tuple[Any, ...]:
        rest, found = iter(tensors), []
        for call, given in calls:
            found += results(call.apply(row, [next(rest) for _ in given]))
        return tuple(found)

    tensors = [t for _, given in calls for t in given]
    program = vt.trace(together, *tensors)
    if dtype is vt.float64 and row.name in WITHOUT_FLOAT64:
        with pytest.raises(UnsupportedOpError, match="float64"):
            session(program, tmp_path / "model.onnx")
        return
    run = session(program, tmp_path / "model.onnx")
    got = run(**dict(zip((port.name for port in run.inputs), tensors, strict=True)))
    assert_close(row, dtype, list(got.values()), together(*tensors))


@pytest.mark.parametrize("row", DYNAMIC)
def test_onnx_agrees_at_other_sizes(row: Row, tmp_path: Path) -> None:
    for k, call in enumerate(row.calls):
        if call.dynamic():
            check_sizes(row, call, tmp_path / f"{k}.onnx")


def check_sizes(row: Row, call: Call, path: Path) -> None:
    tensors = [vt.tensor(a) for a in call.arrays(vt.float32)]
    try:
        program = traced(row, call, tensors, dynamic=True)
    except CaptureError:
        return  # the op's result depends on the size: tests of the capture say which
    run = session(program, path)
    for size in (None, 1, 5):
        sized = call if size is None else call.resized(size)
        given = [vt.tensor(a) for a in sized.arrays(vt.float32)]
        try:
            expected = results(sized.apply(row, given))
        except vt.VitrifyError:
            continue  # not a size that this call can have
        got = run(**dict(zip((port.name for port in run.inputs), given, strict=True)))
        assert_close(row, vt.float32, list(got.values()), expected)
