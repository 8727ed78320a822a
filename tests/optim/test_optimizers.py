"""Optimizers against PyTorch's trajectories, and how they treat parameters and state."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest

import vitrify as vt
from vitrify import errors, optim

RECORD = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_nn.json").read_text())
CASES = [pytest.param(case, id=case["case"]) for case in RECORD["optimizers"]]


def start(dtype=vt.float64):
    return vt.tensor(np.linspace(-1, 1, 5), dtype=dtype, requires_grad=True)


def gradient(step, p):
    """As in fixtures/make_torch_nn.py."""
    return 0.5 * p + math.cos(step) * np.arange(5) / 5


def walk(optimizer, p, steps):
    """Take the steps, and return the points that they lead to."""
    points = []
    for step in steps:
        p.grad = vt.tensor(gradient(step, p.detach().numpy()), dtype=p.dtype)
        optimizer.step()
        points.append(p.tolist())
    return points


@pytest.mark.parametrize("case", CASES)
def test_takes_the_same_steps_as_pytorch(case):
    p = start()
    optimizer = getattr(optim, case["name"])([p], **case["options"])
    points = walk(optimizer, p, range(len(case["points"])))
    np.testing.assert_allclose(points, case["points"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [vt.float32, vt.float16, vt.bfloat16], ids=str)
def test_works_in_the_dtype_of_the_parameter(case, dtype):
    p = start(dtype)
    options = {**case["options"], **({"eps": 1e-3} if "Adam" in case["name"] else {})}
    exact = start()
    walk(getattr(optim, case["name"])([exact], **options), exact, range(5))
    optimizer = getattr(optim, case["name"])([p], **options)
    walk(optimizer, p, range(5))
    assert p.dtype is dtype
    assert all(
        value.dtype is dtype
        for value in optimizer.state.get(p, {}).values()
        if isinstance(value, vt.Tensor)
    )
    tolerance = {vt.float32: 1e-5, vt.float16: 2e-2, vt.bfloat16: 2e-1}[dtype]
    np.testing.assert_allclose(p.double().detach().numpy(), exact.detach().numpy(), atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_a_single_number_can_be_a_parameter(case):
    p = vt.tensor(1.0, requires_grad=True)
    optimizer = getattr(optim, case["name"])([p], **case["options"])
    for _ in range(3):
        optimizer.zero_grad()
        (p * p).backward()
        optimizer.step()
    assert p.shape == ()
    assert p.item() != 1.0


@pytest.mark.parametrize("case", CASES)
def test_goes_on_from_a_saved_state(case):
    count = len(case["points"])
    p = start()
    optimizer = getattr(optim, case["name"])([p], **case["options"])
    walk(optimizer, p, range(count // 2))
    saved = copy.deepcopy(optimizer.state_dict())
    again = vt.tensor(p.detach().numpy(), requires_grad=True)
    other = getattr(optim, case["name"])([again], lr=7.0)
    other.load_state_dict(saved)
    points = walk(other, again, range(count // 2, count))
    np.testing.assert_allclose(points, case["points"][count // 2 :], rtol=1e-12, atol=1e-14)


def test_a_loaded_state_is_a_copy():
    p = start()
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    walk(optimizer, p, range(1))
    saved = optimizer.state_dict()
    before = saved["state"][0]["momentum_buffer"].tolist()
    other = optim.SGD([p], lr=0.1, momentum=0.9)
    other.load_state_dict(saved)
    walk(other, p, range(2))
    assert saved["state"][0]["momentum_buffer"].tolist() == before


def test_the_state_is_plain_data():
    p = start()
    optimizer = optim.Adam([p])
    walk(optimizer, p, range(1))
    saved = optimizer.state_dict()
    assert saved["param_groups"][0]["params"] == [0]
    assert saved["state"][0]["step"] == 1
    assert isinstance(saved["state"][0]["exp_avg"], vt.Tensor)


def test_arrays_are_accepted_in_a_saved_state():
    p = start()
    optimizer = optim.Adam([p])
    walk(optimizer, p, range(2))
    saved = optimizer.state_dict()
    values = saved["state"][0]
    saved["state"][0] = {
        "step": np.asarray(2.0),
        "exp_avg": values["exp_avg"].numpy(),
        "exp_avg_sq": values["exp_avg_sq"].numpy().astype(np.float32),
    }
    optimizer.load_state_dict(saved)
    assert optimizer.state[p]["exp_avg_sq"].dtype is vt.float64
    assert optimizer.state[p]["step"] == 2


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda s: s.pop("state"), "'state'"),
        (lambda s: s["param_groups"][0].update(params=[0, 1]), r"\[2\]"),
        (lambda s: s["state"].update({3: {}}), "parameter 3"),
        (lambda s: s["state"][0].update(exp_avg=vt.zeros(2)), "exp_avg"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, text):
    p = start()
    optimizer = optim.Adam([p], lr=0.5)
    walk(optimizer, p, range(1))
    saved = copy.deepcopy(optimizer.state_dict())
    saved["param_groups"][0]["lr"] = 9.0
    change(saved)
    before = optimizer.state[p]["exp_avg"]
    with pytest.raises(errors.StateError, match=text):
        optimizer.load_state_dict(saved)
    assert optimizer.state[p]["exp_avg"] is before
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_groups_have_their_own_options():
    a, b = start(), start()
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.5)
    a.grad = b.grad = vt.ones(5, dtype=vt.float64)
    optimizer.step()
    np.testing.assert_allclose(a.tolist(), np.linspace(-1, 1, 5) - 1.0)
    np.testing.assert_allclose(b.tolist(), np.linspace(-1, 1, 5) - 0.5)


def test_parameters_without_gradient_stay_as_they_are():
    a, b = start(), start()
    optimizer = optim.AdamW([a, b])
    a.grad = vt.ones(5, dtype=vt.float64)
    optimizer.step()
    assert b.tolist() == start().tolist()
    assert b not in optimizer.state


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_only_read(case):
    p = start()
    optimizer = getattr(optim, case["name"])([p], **case["options"])
    for _ in range(3):
        optimizer.zero_grad()
        p.sum().backward()  # this gradient is a read-only view of one number
        optimizer.step()
        assert p.grad.tolist() == [1.0] * 5


def test_a_step_makes_saved_tensors_stale():
    p = start()
    loss = (p * p).sum()
    p.grad = vt.ones(5, dtype=vt.float64)
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(errors.AutogradError, match="in-place"):
        loss.backward()


def test_parameters_keep_their_memory():
    p = start()
    memory = p.detach().numpy()
    walk(optim.Adam([p]), p, range(3))
    assert memory.tolist() == p.tolist() != start().tolist()


def test_a_closure_runs_with_gradients_on():
    p = start()
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with vt.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == pytest.approx(2.5)
    np.testing.assert_allclose(p.tolist(), np.zeros(5), atol=1e-15)


def test_zero_grad_forgets_or_zeroes():
    p = start()
    optimizer = optim.SGD([p])
    p.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0] * 5
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: optim.SGD([]), "no parameters"),
        (lambda: optim.SGD(start()), "several"),
        (lambda: optim.SGD([1.0]), "float"),
        (lambda: optim.SGD([start() * 2]), "computed"),
        (lambda: optim.SGD([{"lr": 1}]), "params"),
        (lambda: optim.SGD([{"params": [(p := start()), p]}]), "twice"),
        (lambda: optim.SGD([start()], lr=-1), "lr"),
        (lambda: optim.SGD([start()], nesterov=True), "nesterov"),
        (lambda: optim.Adam([start()], betas=(0.9, 1.0)), "betas"),
        (lambda: optim.Adam([start()], eps=-1), "eps"),
        (lambda: optim.AdamW([start()], weight_decay=float("nan")), "weight_decay"),
    ],
)
def test_wrong_arguments_are_explained(make, text):
    with pytest.raises(errors.ArgumentError, match=text):
        make()


def test_a_parameter_belongs_to_one_group():
    p = start()
    optimizer = optim.SGD([p])
    with pytest.raises(errors.ArgumentError, match="twice"):
        optimizer.add_param_group({"params": [p]})


def test_text_shows_the_groups():
    text = repr(optim.SGD([start()], lr=0.25))
    assert text.startswith("SGD (\nParameter Group 0\n")
    assert "    lr: 0.25\n" in text
