"""What cannot be captured faithfully is refused with the user's line, the reason and the mend."""

import random

import numpy as np
import pytest

import vitrify as vt
from vitrify import nn
from vitrify.errors import CaptureError, VitrifyError

X = vt.ones(4, 3)
outside = vt.zeros(3)


def branch_on_value(x):
    if x.sum() > 0:
        return x
    return -x


def branch_on_size(x):
    return x + 1 if x.shape[0] == 4 else x


def float_of(x):
    return x * float(x.mean())


def int_of(x):
    return x * int(x[0, 0])


def item(x):
    return x * x.max().item() if hasattr(x, "max") else x * x.amax().item()


def numpy_of(x):
    return x + vt.tensor(x.numpy())


def tolist(x):
    return x * x.tolist()[0][0]


def array_of(x):
    return x + vt.tensor(np.asarray(x) * 2)


def index_with(x):
    return [10, 20, 30][x[0, 0].long()] * x


def range_of(x):
    for _ in range(x.shape[0]):
        x = x + 1
    return x


def half_a_size(x):
    return x * (x.shape[0] / 2)


def write_to_input(x):
    x += 1
    return x


def write_to_outside(x):
    outside.add_(x[0])
    return x


def random_numbers(x):
    return x + vt.rand(3)


def wrong_reshape(x):
    return x.reshape(3, 7)


def backward(x):
    (x * 2).sum().backward()
    return x


def dim_is_tensor(x):
    return x.sum(vt.tensor(0))


def catch_the_refusal(x):
    try:
        scale = float(x.mean())
    except Exception:
        scale = 3.0
    return x * scale


def catch_the_branch(x):
    try:
        return x + 1 if x.shape[0] == 4 else x
    except Exception:
        return x


def catch_the_size(x):
    try:
        return x * int(x.shape[0])
    except Exception:
        return x


def catch_the_wrong_op(x):
    try:
        return x.reshape(12) * 2
    except ValueError:
        return x


def look_up_by_size(x):
    return x * {4: 1.0}.get(x.shape[0], 2.0)


def set_with_a_size(x):
    return x * len({x.shape[0], 4})


def half_of_elements(x):
    return x[: x.shape[0] * 0.5]


def assign_data(x):
    outside.data = x[0] * 2
    return x + outside


def write_to_what_may_be_a_copy(x):
    y = x * 1
    z = y.transpose(0, 1).contiguous()
    z += 1
    return y


def returns_object(x):
    return x, object()


REFUSED = [
    value for value in list(globals().values()) if getattr(value, "__module__", "") == __name__
]


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_refused_with_the_users_line(function):
    with pytest.raises(VitrifyError) as caught:
        vt.trace(function, X, dynamic={"x": {0: "batch"}})
    message = str(caught.value)
    if function is not returns_object:  # it concerns the result, not a line
        assert "test_refusals.py:" in message.splitlines()[0]
        line = int(message.splitlines()[0].split("test_refusals.py:")[1].split(":")[0].split()[0])
        first = function.__code__.co_firstlineno
        assert first < line <= first + 4
    assert len(message.splitlines()) <= 8
    assert message.count("Traceback") == 0


def test_the_message_names_value_reason_and_mend():
    with pytest.raises(CaptureError) as caught:
        vt.trace(branch_on_value, X)
    line = branch_on_value.__code__.co_firstlineno + 1
    assert str(caught.value).splitlines()[1:] == [
        "    if x.sum() > 0:",
        "  why: values exist only when the program runs; baking one in would be silently wrong",
        "  instead: vt.where(condition, a, b)  # instead of an if",
    ]
    assert f"test_refusals.py:{line}: bool(tensor)" in str(caught.value)


def test_values_of_weights_may_not_be_baked_in_either():
    layer = nn.Linear(3, 3)
    with pytest.raises(CaptureError, match="item"):
        vt.trace(lambda x: x * layer.bias[0].item(), X)


def test_batch_norm_in_training_is_refused_with_the_mend():
    with pytest.raises(CaptureError, match=r"model.eval\(\)"):
        vt.trace(nn.BatchNorm1d(3), X)


def test_dropout_in_training_is_refused():
    with pytest.raises(CaptureError, match="eval"):
        vt.trace(nn.Dropout(0.5), X)
    assert vt.trace(nn.Dropout(0.5).eval(), X)(X).tolist() == X.tolist()


def test_an_error_of_the_users_own_comes_through_unchanged():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        vt.trace(broken, X)


def test_a_tensor_that_outlived_its_capture_says_so():
    leaked = []

    def leak(x):
        leaked.append(x * 2)
        return x

    vt.trace(leak, X)
    with pytest.raises(CaptureError, match="outlived the capture"):
        leaked[0] + 1
    with pytest.raises(CaptureError, match="outlived the capture"):
        leaked[0].numpy()
    with pytest.raises(CaptureError, match="another capture"):
        vt.trace(lambda x: x + leaked[0], X)


def test_capture_leaves_no_trace_after_an_error():
    with pytest.raises(CaptureError):
        vt.trace(branch_on_value, X)
    assert (X + 1).tolist()[0][0] == 2.0
    assert vt.is_grad_enabled()


def test_an_error_that_eager_code_meets_too_may_be_caught():
    def function(x):
        try:
            return x.transpose(0, 1)[7]
        except IndexError:
            return x * 2

    assert vt.trace(function, X)(X).tolist() == (X * 2).tolist()
    assert vt.trace(function, X, dynamic={"x": {0: "batch"}})(X).tolist() == (X * 2).tolist()


def test_a_refused_assignment_leaves_the_tensor_as_it_was():
    with pytest.raises(CaptureError):
        vt.trace(assign_data, X)
    assert outside.tolist() == [0.0, 0.0, 0.0]


def test_a_program_called_in_a_capture_needs_known_sizes():
    program = vt.trace(lambda x: x * 2, X, dynamic={"x": {0: "n"}})
    assert vt.trace(lambda x: program(x) + 1, X)(X).tolist() == (X * 2 + 1).tolist()
    with pytest.raises(CaptureError, match=r"x.shape.0. is the symbolic size m") as caught:
        vt.trace(lambda x: program(x) + 1, X, dynamic={"x": {0: "m"}})
    assert "test_refusals.py:" in str(caught.value)


def test_random_numbers_that_only_decide_something():
    for draw, whose in ((random.random, "Python's"), (np.random.rand, "NumPy's")):
        with pytest.raises(CaptureError, match=f"{whose} random numbers were drawn") as caught:
            vt.trace(lambda x, draw=draw: x * 2 if draw() < 1.5 else x, X)
        assert "instead: pass the numbers in as an input" in str(caught.value)
        with pytest.warns(vt.errors.CaptureWarning, match=whose):
            vt.trace(lambda x, draw=draw: x * 2 if draw() < 1.5 else x, X, strict=False)


def test_random_numbers_with_a_known_line_are_reported_once():
    with pytest.raises(CaptureError, match="not the same each time") as caught:
        vt.trace(lambda x: x * np.random.rand(), X)
    assert caught.value.problems == (caught.value,)


def test_random_numbers_from_a_fixed_seed_are_constants():
    def function(x):
        random.seed(3)
        return x * random.random()

    assert vt.trace(function, X)(X).tolist() == function(X).tolist()


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.n, self.last = 0, None

    def forward(self, x):
        self.n += 1
        self.last = x.shape[1]
        return x * 2 if self.n % 10 == 0 else x


def test_a_counter_of_a_module():
    text = r"self.n of 1 changed from 1 to 2 while the code ran"
    with pytest.raises(CaptureError, match=text) as caught:
        vt.trace(nn.Sequential(nn.ReLU(), Counting()), X)
    assert caught.value.problems == (caught.value,)
    with pytest.raises(CaptureError, match=r"self\.n of Counting changed"):
        vt.trace(Counting().forward, X)
    with pytest.warns(vt.errors.CaptureWarning, match="self.n"):
        vt.trace(Counting(), X, strict=False)


def test_an_attribute_that_every_call_sets_alike_is_no_state():
    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = None

        def forward(self, x):
            self.width = x.shape[1]
            return x * self.width

    assert vt.trace(Noting(), X)(X).tolist() == (X * 3).tolist()


@pytest.mark.parametrize("text", [str, repr, "{}".format, lambda n: f"{n}", lambda n: str((n, 2))])
def test_the_text_of_a_size(text):
    def function(x):
        return x * {"4": 2, "(4, 2)": 2}.get(text(x.shape[0]), 3)

    with pytest.raises(CaptureError, match="the size `batch` is symbolic, and so is its text"):
        vt.trace(function, X, dynamic={"x": {0: "batch"}})
    assert vt.trace(function, X, dynamic="auto")(X).tolist() == function(X).tolist()
    with pytest.warns(vt.errors.CaptureWarning, match="its text"):
        vt.trace(function, X, dynamic={"x": {0: "batch"}}, strict=False)


def test_the_text_of_a_tensor(capsys):
    def function(x):
        print(x)
        return x * len(f"{x}")

    with pytest.raises(CaptureError, match="print or str of a tensor cannot be captured") as caught:
        vt.trace(function, X)
    assert [problem.at.line for problem in caught.value.problems] == [
        function.__code__.co_firstlineno + k for k in (1, 2)
    ]
    with pytest.warns(vt.errors.CaptureWarning, match="print or str"):
        vt.trace(lambda x: [print(x), x * 2][1], X, strict=False)
    assert "<symbolic tensor" in capsys.readouterr().out


def test_text_that_says_what_is_wrong_comes_through():
    def function(x):
        assert x.shape[0] > 5, f"bad {x.shape[0]}"
        return x

    with pytest.raises(AssertionError, match="bad batch"):
        vt.trace(function, X, dynamic={"x": {0: "batch"}})
    with pytest.raises(CaptureError, match="its text"):
        vt.trace(lambda x: x * {"4": 2}[str(x.shape[0])], X, dynamic={"x": {0: "batch"}})


def test_several_problems_are_sorted_by_line():
    def function(x):
        x = x + np.random.rand()
        return x * float(x.mean())

    with pytest.raises(CaptureError) as caught:
        vt.trace(function, X)
    lines = [problem.at.line for problem in caught.value.problems]
    assert lines == sorted(lines) and len(lines) == 2
