"""The page on soundness says what is so, and a size of 1 is as good an example as any other."""

from pathlib import Path

import pytest
from op_checks import Call, Row, assert_close, numpy_of, results, traced
from op_samples import ROWS
from pages import Section, measured_apart, run, sections

import vitrify as vt
from vitrify.examples.digits import Net

DYNAMIC = [
    pytest.param(row, call, id=f"{row.name}-{k}")
    for row in ROWS
    if not row.refused
    for k, call in enumerate(row.calls)
    if call.dynamic()
]

SCRIPTS = [section for section in sections("soundness.md") if len(section.blocks) == 2]


@pytest.mark.parametrize("section", SCRIPTS, ids=str)
def test_the_scripts_on_the_page_print_what_it_says(section: Section, tmp_path: Path):
    printed = run(section.block("python"), tmp_path)
    assert measured_apart(printed) == measured_apart(section.block("text"))
    assert "WRONG" not in printed


def program(row: Row, call: Call, size: int, dtype: vt.DType) -> vt.export.Program:
    """The program of a sample, captured with an example of that size."""
    tensors = [vt.tensor(array) for array in call.resized(size).arrays(dtype)]
    return traced(row, call, tensors, dynamic=True)


@pytest.mark.parametrize(("row", "call"), DYNAMIC)
def test_an_example_of_size_one_gives_the_program_of_size_seven(row: Row, call: Call):
    one, seven = (program(row, call, size, row.dtypes[-1]) for size in (1, 7))
    assert str(one.graph) == str(seven.graph)


@pytest.mark.parametrize(("row", "call"), DYNAMIC)
def test_onnx_runtime_is_right_at_sizes_never_traced(row: Row, call: Call, tmp_path: Path):
    dtype = next((d for d in (vt.float32, vt.int64, vt.bool) if d in row.dtypes), None)
    if row.onnx or dtype is None:
        pytest.skip(row.onnx or "no dtype of ONNX Runtime's")
    path = vt.export.onnx(program(row, call, 1, dtype), tmp_path / "sample.onnx")
    for size in (2, 5):
        other = call.resized(size)
        tensors = [vt.tensor(array) for array in other.arrays(dtype)]
        actual = vt.run(path, *tensors)
        outputs = list(actual.values()) if isinstance(actual, dict) else [actual]
        for y, wanted in zip(outputs, results(other.apply(row, tensors)), strict=True):
            assert y.dtype is wanted.dtype
            assert_close(numpy_of(y), numpy_of(wanted), 4 * row.atol, f"{row}{other}")


def test_the_example_model_is_the_same_for_one_image_as_for_seven():
    net = Net().eval()
    programs = [vt.trace(net, vt.zeros(n, 1, 8, 8), dynamic={"x": {0: "batch"}}) for n in (1, 7)]
    assert str(programs[0].graph) == str(programs[1].graph)
