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


# ---------------------------------------------------------------- other sizes


def test_dims_compares_at_each_size(file, x):
    report = vt.compare(scaled, file, inputs=(x,), dims="n=1,3,7")
    assert report.passed
    assert [(row.candidate, row.type) for row in report.rows] == [
        (f"{name}, n={size}", f"f32[{size}, 4]")
        for size in (1, 3, 7)
        for name in ("reference", "scaled.onnx in ONNX Runtime")
    ]


@pytest.mark.parametrize("dims", ["n=1,2 m=4, 5", "n=1,2,m=4,5", "n = 1, 2; m = 4,5"])
def test_dims_of_several_names_are_combined(dims):
    program = vt.trace(scaled, vt.ones(2, 4), dynamic={"x": {0: "n", 1: "m"}})
    types = ["f32[1, 4]", "f32[1, 5]", "f32[2, 4]", "f32[2, 5]"]
    for given in (dims, {"n": [1, 2], "m": (4, 5)}):
        report = vt.compare(scaled, program, inputs=(vt.ones(2, 4),), dims=given)
        assert [row.type for row in report.rows] == types
    assert report.rows[1].candidate == "reference, n=1, m=5"


def test_sizes_that_are_expressions_follow(tmp_path):
    def model(x, mask):
        return x.reshape(-1, 2, 3).sum((1, 2)) * mask

    n = vt.dim("n")
    args = (vt.ones(4, 3), vt.ones(2))
    program = vt.trace(model, *args, dynamic={"x": {0: 2 * n}, "mask": {0: n}})
    path = vt.export.onnx(program, tmp_path / "model.onnx")
    for candidate in (program, path):
        report = vt.compare(model, candidate, inputs=args, dims={"n": [1, 5]})
        assert report.passed
        assert {row.type for row in report.rows} == {"f32[1]", "f32[5]"}


def test_what_was_baked_in_is_found(x):
    def baked(x):
        return x + vt.arange(3, dtype=vt.float32)[:, None][: x.shape[0]]

    def right(x):
        return x + vt.arange(x.shape[0], dtype=vt.float32)[:, None]

    program = vt.trace(right, x, dynamic={"x": {0: "n"}})
    report = vt.compare(right, program, baked, inputs=(x,), dims="n=2,3,4")
    failed = [row for row in report.rows if not row.passed]
    assert [row.candidate for row in failed] == ["baked, eager, n=4"]
    assert "refused: " in failed[0].difference.problem


def test_resized_inputs_vary_and_stay_in_the_range_of_the_example():
    seen = []

    def model(x, tokens, flags):
        seen.append((x.numpy(), tokens.numpy(), flags.numpy()))
        return x * 1

    example = (
        vt.tensor([[1.0, 4.0], [2.0, 9.0]]),
        vt.tensor([[3, 7], [5, 4]]),
        vt.tensor([True, True]),
    )
    dynamic = {"x": {0: "n"}, "tokens": {0: "n", 1: "m"}, "flags": {0: "n"}}
    program = vt.trace(lambda x, tokens, flags: x * 1, *example, dynamic=dynamic)
    for _ in range(2):
        assert vt.compare(model, program, inputs=example, dims="n=50 m=3").passed
    (x, tokens, flags), again = seen
    for a, b in zip((x, tokens, flags), again, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(x[:2], example[0].numpy())
    assert len(np.unique(x, axis=0)) == 50
    assert x.min() > 0 and x.max() <= 9
    assert tokens.shape == (50, 3)
    assert set(np.unique(tokens)) == {3, 4, 5, 6, 7}
    np.testing.assert_array_equal(tokens[:2, :2], example[1].numpy())
    assert flags.all()


@pytest.mark.parametrize("dtype", [vt.float16, vt.bfloat16, vt.float64, vt.uint8, vt.bool])
def test_every_dtype_can_be_resized(dtype):
    x = vt.zeros(2, 3, dtype=dtype)
    program = vt.trace(lambda x: x.flip(0), x, dynamic={"x": {0: vt.dim("n", min=0)}})
    assert vt.compare(lambda x: x.flip(0), program, inputs=(x,), dims="n=0,1,5").passed


def test_a_placeholder_of_zeros_is_varied():
    rows = []
    program = vt.trace(scaled, vt.zeros(1, 3), dynamic={"x": {0: "n"}})

    def model(x):
        rows.append(x.numpy())
        return x * 2

    assert vt.compare(model, program, inputs=(vt.zeros(1, 3),), dims="n=9").passed
    assert len(np.unique(rows[0], axis=0)) == 9


def branching(x):
    return x + 1 if x.shape[0] == 4 else x


def asserting(x):
    assert x.shape[0] != 4, "not four"
    return x * 2.0


def test_a_refusal_fails_unless_the_judge_refuses_too(tmp_path, x):
    program = vt.trace(branching, x, dynamic={"x": {0: "n"}})
    path = vt.export.onnx(program, tmp_path / "branching.onnx")
    report = vt.compare(branching, program, path, inputs=(x,), dims="n=3,4")
    assert [row.passed for row in report.rows] == [True, True, False, False]
    assert "n != 4" in report.rows[-1].difference.problem
    assert "test_comparison.py" in str(report)
    program = vt.trace(asserting, x, dynamic={"x": {0: "n"}})
    report = vt.compare(asserting, program, scaled, inputs=(x,), dims="n=4,5")
    assert [row.passed for row in report.rows] == [True, False, True, True]
    assert [row.type for row in report.rows[:2]] == ["refused", "refused"]
    assert "computes what asserting, eager refuses: AssertionError: not four" in str(report)
    with pytest.raises(AssertionError, match="not four"):
        vt.compare(asserting, program, inputs=(x,), dims="n=4")


def test_dims_of_nested_arguments_and_keywords(tmp_path):
    def model(pair, scale=2.0, *, bias):
        return pair["a"] * scale + pair["b"] + bias

    pair = {"a": vt.ones(2, 3), "b": vt.ones(3)}
    example = {"inputs": (pair,), "kwargs": {"bias": vt.ones(2, 1)}}
    program = vt.trace(model, pair, bias=vt.ones(2, 1), dynamic={
        "pair.a": {0: "n"}, "bias": {0: "n"},
    })  # fmt: skip
    path = vt.export.onnx(program, tmp_path / "model.onnx")
    for candidate in (program, path):
        assert vt.compare(model, candidate, **example, dims="n=1,6").passed
    renamed = vt.export.onnx(program, tmp_path / "renamed.onnx", input_names=["p", "q", "r"])
    arrays = (pair["a"], pair["b"], vt.ones(2, 1))
    assert vt.compare(path, renamed, inputs=arrays, dims="n=1,6").passed


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ("rows=3", r"(?s)no dim is called 'rows'.*one of: n"),
        ("n", "cannot read the sizes 'n'"),
        ("n=-1", "cannot read the sizes"),
        ("n=1,2 n=3", "dims gives n twice"),
        ("", "dims names no dim"),
        ({}, "dims names no dim"),
        ({"n": []}, "sizes of 0 or more"),
        ({"n": [-1]}, "sizes of 0 or more"),
        ({"n": 1.5}, "n is given 1.5"),
        ({"n": "1"}, "n is given '1'"),
        (3, "dims cannot be a int"),
        ({"n": range(65)}, "65 combinations, more than 64"),
    ],
)
def test_dims_that_mean_nothing_are_refused(file, x, dims, said):
    with pytest.raises(vt.errors.ArgumentError, match=said):
        vt.compare(scaled, file, inputs=(x,), dims=dims)


def test_dims_without_anyone_who_knows_their_names(x):
    with pytest.raises(vt.errors.ArgumentError, match="a candidate whose dims have names"):
        vt.compare(scaled, scaled, inputs=(x,), dims="n=1")
    with pytest.raises(vt.errors.ArgumentError, match="a candidate whose dims have names"):
        vt.compare(scaled, vt.trace(scaled, x), inputs=(x,), dims="n=1")


def test_an_example_that_does_not_fit_is_refused(file, x):
    with pytest.raises(vt.errors.ArgumentError, match="x has 1 dims, the candidate takes 2"):
        vt.compare(scaled, file, inputs=(vt.ones(3),), dims="n=1")
    with pytest.raises(vt.errors.ArgumentError, match="there is nothing to make more from"):
        vt.compare(scaled, file, inputs=(vt.ones(0, 4),), dims="n=1")
    with pytest.raises(vt.errors.ArgumentError, match="cannot tell the dims of"):
        vt.compare(scaled, file, inputs=(x, x), dims="n=1")
