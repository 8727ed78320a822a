"""A comparison finds planted errors, names them, and does not disturb what it compares."""

import json

import numpy as np
import pytest

import vitrify as vt
from vitrify import nn


def scaled(x):
    return x * 2.0


@pytest.fixture
def x():
    return vt.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))


@pytest.fixture
def file(tmp_path, x):
    path = tmp_path / "scaled.onnx"
    vt.export.onnx(vt.trace(scaled, x, dynamic={"x": {0: "n"}}), path)
    return path


def test_eager_reference_and_onnx_runtime(file, x):
    report = vt.compare(scaled, file, inputs=(x,))
    assert report.passed and bool(report)
    assert report.judge == "scaled, eager"
    assert [row.candidate for row in report.rows] == ["reference", "scaled.onnx in ONNX Runtime"]
    assert [row.output for row in report.rows] == ["output", "output"]
    assert "2 comparisons, all passed" in str(report)


def test_a_single_tensor_an_array_and_keywords_are_inputs(file, x):
    assert vt.compare(scaled, file, inputs=x).passed
    assert vt.compare(scaled, file, inputs=x.numpy()).passed
    assert vt.compare(scaled, file, inputs=(), kwargs={"x": x}).passed


def test_programs_archives_and_functions_can_be_candidates_and_judges(tmp_path, file, x):
    program = vt.trace(scaled, x)
    archive = program.save(tmp_path / "scaled.vt")
    report = vt.compare(scaled, program, archive, lambda x: x + x, file, inputs=(x,))
    assert report.passed
    assert [row.candidate for row in report.rows] == [
        "reference", "scaled.vt by reference", "<lambda>, eager", "scaled.onnx in ONNX Runtime",
    ]  # fmt: skip
    for judge in (program, archive, file):
        assert vt.compare(judge, str(file), program, inputs=(x,)).passed
    report = vt.compare(program, program, inputs=(x,))
    assert (report.judge, report.rows[0].candidate) == ("reference", "reference (2)")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: x * 2.001, "elements beyond the tolerance; at ["),
        (lambda x: (x * 2).to(vt.float64), "the dtype is float64, not float32"),
        (lambda x: x[:, 1:] * 2, "the shape is (3, 3), not (3, 4)"),
        (lambda x: vt.where(x > 0.5, float("nan"), x * 2), "NaN in 3 of 12 elements"),
        (lambda x: (x * 2, x), "this output is not expected"),
        (lambda x: (), "there is no such output"),
        (lambda x: (x * 2, 3), "it is 3, not no Python value"),
    ],
)
def test_planted_errors_are_found_and_named(x, wrong, said):
    report = vt.compare(scaled, wrong, inputs=(x,))
    reference, *rest = report.rows
    assert reference.passed
    assert not report.passed and not report
    assert said in str(report)
    assert sum(not row.passed for row in rest) == 1
    assert "FAILED" in str(report)


def test_a_wrong_value_is_shown_with_its_place(x):
    def wrong(x):
        y = x * 2
        return vt.where((x == x[1, 2]), y + 1, y)

    row = vt.compare(scaled, wrong, inputs=(x,)).rows[-1]
    assert row.difference.worst is not None
    assert row.difference.worst.index == (1, 2)
    assert row.difference.max_abs == pytest.approx(1, rel=1e-6)


def test_tolerances_can_be_given(x):
    def near(x):
        return x * 2.001

    assert not vt.compare(scaled, near, inputs=(x,)).passed
    assert vt.compare(scaled, near, inputs=(x,), rtol=1e-2).passed
    assert vt.compare(scaled, near, inputs=(x,), atol=1e-2).passed


def test_outputs_are_matched_by_name_else_by_order(x):
    def model(x):
        return {"a": x, "b": x + 1}

    def swapped(x):
        return {"b": x + 1, "a": x}

    def renamed(x):
        return (x, x + 1)

    assert vt.compare(model, swapped, renamed, inputs=(x,)).passed
    report = vt.compare(model, lambda x: {"b": x, "a": x + 1}, inputs=(x,))
    assert [row.passed for row in report.rows[-2:]] == [False, False]


def test_nested_arguments_and_results(tmp_path, x):
    def model(pair, scale=2.0):
        return {"sum": pair["a"] + pair["b"], "both": [pair["a"] * scale, pair["b"]]}

    pair = {"a": x, "b": x + 1}
    path = tmp_path / "pair.onnx"
    vt.export.onnx(vt.trace(model, pair), path)
    report = vt.compare(model, path, inputs=(pair,))
    assert report.passed
    assert [row.output for row in report.rows[:3]] == ["sum", "both.0", "both.1"]


def test_empty_outputs_pass(file):
    report = vt.compare(scaled, lambda x: x * 2, inputs=(vt.zeros(0, 4),))
    assert report.passed
    assert report.rows[0].type == "f32[0, 4]"


def test_a_refused_capture_is_said(x, file):
    def branching(x):
        return x * 2 if x.sum() < 100 else x

    report = vt.compare(branching, file, inputs=(x,))
    assert report.passed
    assert len(report.rows) == 1
    assert "capture is refused" in report.notes[0]
    assert "test_comparison.py" in report.notes[0]


def test_inputs_that_one_model_writes_to_are_whole_for_the_next(x):
    def writing(x):
        x += 1
        return x * 2

    before = x.numpy().copy()
    assert vt.compare(writing, lambda x: (x + 1) * 2, inputs=(x,)).passed
    np.testing.assert_array_equal(x.numpy(), before)


def test_training_mode_is_warned_of_or_refused(x):
    plain = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    report = vt.compare(plain, plain.forward, inputs=(x,))
    assert report.passed
    assert "training mode" in str(report)
    norm = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    means = norm[1].running_mean.numpy().copy()
    with pytest.raises(vt.errors.ArgumentError, match=r"(?s)training mode.*model\.eval\(\)"):
        vt.compare(norm, inputs=(x,))
    np.testing.assert_array_equal(norm[1].running_mean.numpy(), means)
    assert vt.compare(norm.eval(), inputs=(x,)).passed


def test_nothing_to_compare_is_an_error_not_a_pass(x, tmp_path):
    program = vt.trace(scaled, x)
    with pytest.raises(vt.errors.ArgumentError, match="nothing to compare"):
        vt.compare(program, inputs=(x,))
    with pytest.raises(vt.errors.ArgumentError, match="returns no tensors"):
        vt.compare(lambda x: None, inputs=(x,))
    with pytest.raises(vt.errors.ArgumentError, match=r"\.onnx or \.vt"):
        vt.compare(scaled, "model.pt", inputs=(x,))
    with pytest.raises(vt.errors.ArgumentError, match="cannot run a int"):
        vt.compare(scaled, 3, inputs=(x,))
    with pytest.raises(vt.errors.FormatError, match="no file"):
        vt.compare(scaled, tmp_path / "missing.onnx", inputs=(x,))


def test_the_report_is_json_data(x):
    report = vt.compare(scaled, lambda x: vt.where(x > 0.9, float("inf"), x * 2), inputs=(x,))
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["passed"] is False
    good, bad = data["rows"]
    assert good["passed"] and good["max_ulp"] == 0
    assert bad["max_abs"] == "inf"
    assert bad["worst"] == {"index": [2, 3], "expected": 2.0, "got": "inf"}
    assert bad["candidate"] == "<lambda>, eager"


def test_reports_add_up(x):
    good = vt.compare(scaled, inputs=(x,))
    bad = vt.compare(scaled, lambda x: x, inputs=(x[:1],))
    both = good + bad
    assert len(both.rows) == 3
    assert not both.passed
