"""Dynamic sizes: what code decides about them is recorded, and `"auto"` finds them itself."""

import warnings

import numpy as np
import pytest

import vitrify as vt
from vitrify import nn
from vitrify.errors import CaptureError, CaptureWarning, ConstraintError
from vitrify.tracer import capture


def constraints(function, *args, dynamic):
    graph = capture(function, args, {}, dynamic).graph
    return [str(c) for c in graph.constraints]


X = vt.ones(4, 3)
BATCH = {"x": {0: "batch"}}


def one_more_if_single(x):
    if x.shape[0] == 1:
        x = x + 1
    return x


def test_a_branch_on_a_size_is_recorded_with_its_line():
    graph = capture(one_more_if_single, (X,), {}, BATCH).graph
    (constraint,) = graph.constraints
    assert str(constraint) == "batch != 1"
    line = one_more_if_single.__code__.co_firstlineno + 1
    assert constraint.location.line == line


@pytest.mark.parametrize("traced", [1, 2, 3, 7])
def test_a_branch_on_a_size_is_right_or_refused_whichever_size_was_traced(traced):
    try:
        program = vt.trace(one_more_if_single, vt.ones(traced, 3), dynamic=BATCH)
    except CaptureError as error:
        assert traced == 1 and "batch == 1, but batch is dynamic" in str(error)
        return
    for size in (1, 2, 3):
        x = vt.randn(size, 3)
        try:
            result = program(x)
        except ConstraintError as error:
            assert size == 1 and "batch != 1" in str(error)
        else:
            np.testing.assert_array_equal(result.numpy(), one_more_if_single(x).numpy())


def test_what_follows_from_a_recorded_fact_is_not_recorded_again():
    def function(x):
        if x.shape[0] >= 4 and x.shape[0] > 1 and x.shape[0] != 2:
            return x[:2] + x[2:4]
        return x

    assert constraints(function, X, dynamic=BATCH) == ["batch >= 4"]


def test_two_sizes_that_code_needs_to_be_equal():
    found = constraints(lambda x, y: x + y, X, X + 1, dynamic={"x": {0: "a"}, "y": {0: "b"}})
    assert found == ["a == b"]


def test_an_assertion_of_the_users_is_a_constraint():
    def function(x):
        assert x.shape[0] % 2 == 0, "pairs only"
        return x.reshape(-1, 2, 3)

    program = vt.trace(function, X, dynamic=BATCH)
    assert program(vt.ones(6, 3)).shape == (3, 2, 3)
    with pytest.raises(ConstraintError, match="batch % 2 == 0"):
        program(vt.ones(3, 3))


def test_a_maximum_needs_an_element_at_every_size():
    program = vt.trace(lambda x: x[1:].amax(0), X, dynamic=BATCH)
    assert str(program.graph.constraints[0]) == "batch != 1"
    with pytest.raises(ConstraintError, match="breaks batch != 1"):
        program(vt.ones(1, 3))


def test_a_dynamic_size_that_code_pins_is_refused():
    with pytest.raises(CaptureError, match="needs batch == 4, but batch is dynamic"):
        vt.trace(lambda x: x + vt.ones(4, 3), X, dynamic=BATCH)


def test_a_size_in_units_is_divisible():
    n = vt.dim("n")
    program = vt.trace(lambda x: x.reshape(-1, 4, 3), vt.ones(8, 3), dynamic={"x": {0: 4 * n}})
    assert program(vt.ones(12, 3)).shape == (3, 4, 3)
    with pytest.raises(ConstraintError, match=r"which 4.n cannot be"):
        program(vt.ones(6, 3))


class TestAuto:
    def shapes(self, function, *args, dynamic="auto"):
        graph = capture(function, args, {}, dynamic).graph
        return [str(value.type) for value in graph.inputs]

    def test_sizes_that_weights_need_are_static(self):
        assert self.shapes(nn.Linear(3, 2), X) == ["f32[input_0, 3]"]

    def test_inputs_that_must_agree_share_a_size(self):
        assert self.shapes(lambda x, y: x + y, X, X + 1) == ["f32[y_0, y_1]", "f32[y_0, y_1]"]

    def test_sizes_that_python_counts_to_are_static(self):
        def function(x):
            for k in range(x.shape[1]):
                x = x + k
            return x

        assert self.shapes(function, X) == ["f32[x_0, 3]"]

    def test_a_branch_stays_a_constraint(self):
        assert constraints(lambda x: x[1:] if x.shape[0] > 2 else x, X, dynamic="auto") == [
            "x_0 > 2"
        ]

    def test_one_argument_of_several(self):
        shapes = self.shapes(lambda x, y: (x, y), X, X, dynamic={"y": "auto"})
        assert shapes == ["f32[4, 3]", "f32[y_0, y_1]"]

    def test_user_code_cannot_catch_the_new_start(self):
        def function(x):
            try:
                return x @ vt.ones(3, 2)
            except Exception:
                return x

        assert self.shapes(function, X) == ["f32[x_0, 3]"]


def test_a_python_number_can_be_dynamic():
    def function(x, scale=2.0, *, options=None):
        return x * scale + options["shift"]

    program = vt.trace(
        function, X, 3.0, options={"shift": 1}, dynamic={"scale": True, "options.shift": True}
    )
    assert str(program.input_types["scale"]) == "f32[]"
    assert str(program.input_types["options.shift"]) == "i64[]"
    result = program(X, vt.tensor(5.0), options={"shift": vt.tensor(2)})
    assert result[0, 0].item() == 7.0
    assert program(X, 5, options={"shift": 2})[0, 0].item() == 7.0
    with pytest.raises(
        vt.errors.DTypeError, match=r"options.shift is 2.5, the program takes int64"
    ):
        program(X, 5, options={"shift": 2.5})


class TestNotTheSameEachTime:
    def refused(self, function, *args):
        with pytest.raises(CaptureError) as caught:
            vt.trace(function, *(args or (X,)))
        return caught.value

    def test_random_numbers_of_numpy(self):
        error = self.refused(lambda x: x * float(np.random.rand()))
        assert "not the same each time" in str(error)
        assert "test_dynamic.py" in str(error)

    def test_an_array_of_random_numbers(self):
        error = self.refused(lambda x: x + vt.tensor(np.random.rand(4, 30))[:, :3].float())
        assert "other elements" in str(error)

    def test_a_counter_and_a_branch_on_it(self):
        calls = []

        def function(x):
            calls.append(1)
            return x.relu() if len(calls) % 2 else x.tanh()

        assert "`relu(%x) : f32[4, 3]` and then `tanh(%x)" in str(self.refused(function))

    def test_a_changing_python_result(self):
        calls = []

        def function(x):
            calls.append(1)
            return x, len(calls)

        assert "the result.1 is not the same" in str(self.refused(function))

    def test_all_of_them_in_one_run(self):
        def function(x):
            y = x * float(np.random.rand())
            y = y * float(x.mean())
            if x.sum() > 0:
                y = y + float(np.random.rand())
            while x.amax() > 0:
                y = y - 1
            return y

        error = self.refused(function)
        first = function.__code__.co_firstlineno
        assert sorted(p.at.line - first for p in error.problems) == [1, 2, 3, 4, 5]
        assert str(error).startswith("5 problems:\n1. ")

    def test_strict_off_warns_and_bakes_in(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            captured = capture(lambda x: x * float(np.random.rand()), (X,), {}, None, strict=False)
        assert [w.category for w in caught] == [CaptureWarning]
        assert "constant" in str(captured.graph)
        with pytest.raises(CaptureError):
            capture(lambda x: x * float(x.sum()), (X,), {}, None, strict=False)
