"""Schedules of learning rates against PyTorch's."""

import json
from pathlib import Path

import pytest

import vitrify as vt
from vitrify import errors, optim
from vitrify.optim import lr_scheduler

RECORD = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_nn.json").read_text())
CASES = [pytest.param(case, id=case["case"]) for case in RECORD["schedules"]]


def optimizer(lr=0.4):
    return optim.SGD([vt.zeros(1, requires_grad=True)], lr=lr)


def rates(schedule, count):
    found = []
    for _ in range(count):
        found += schedule.get_last_lr()
        schedule.step()
    return found


@pytest.mark.parametrize("case", CASES)
def test_gives_the_rates_of_pytorch(case):
    schedule = getattr(lr_scheduler, case["name"])(optimizer(), **case["options"])
    expected = case["rates"]
    assert rates(schedule, len(expected)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("case", CASES)
def test_goes_on_from_a_saved_state(case):
    first = optimizer()
    schedule = getattr(lr_scheduler, case["name"])(first, **case["options"])
    rates(schedule, 4)
    second = optimizer(lr=9.0)
    again = getattr(lr_scheduler, case["name"])(second, **case["options"])
    second.load_state_dict(first.state_dict())
    again.load_state_dict(schedule.state_dict())
    expected = case["rates"][4:]
    assert rates(again, len(expected)) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_a_function_gives_the_factor():
    schedule = lr_scheduler.LambdaLR(optimizer(), lambda epoch: 0.5**epoch)
    assert rates(schedule, 3) == [0.4, 0.2, 0.1]


def test_two_schedules_act_together():
    shared = optimizer()
    slow = lr_scheduler.StepLR(shared, 2, gamma=0.5)
    fast = lr_scheduler.StepLR(shared, 1, gamma=0.1)
    for _ in range(2):
        slow.step()
        fast.step()
    assert fast.get_last_lr() == pytest.approx([0.4 * 0.5 * 0.01])


def test_wrong_arguments_are_explained():
    with pytest.raises(errors.ArgumentError, match="2 functions for 1 groups"):
        lr_scheduler.LambdaLR(optimizer(), [abs, abs])
    with pytest.raises(errors.ArgumentError, match="factors"):
        lr_scheduler.LinearLR(optimizer(), start_factor=0.0)
    with pytest.raises(errors.StateError, match="1 groups"):
        lr_scheduler.StepLR(optimizer(), 1).load_state_dict({"base_lrs": [], "last_epoch": 0})
