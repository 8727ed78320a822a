"""Layers against PyTorch's results, and what they start from."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import vitrify as vt
from vitrify import errors, nn
from vitrify.nn import init

CALLS = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_nn.json").read_text())["calls"]


def wave(shape, k):
    """As in fixtures/make_torch_nn.py."""
    return vt.tensor(np.sin(np.arange(math.prod(shape)) * (k + 1.5)).reshape(shape))


@pytest.mark.parametrize("record", [pytest.param(c, id=c["case"]) for c in CALLS])
def test_gives_the_results_of_pytorch(record):
    module = eval(record["case"], vars(nn).copy()).double()
    with vt.no_grad():
        for k, parameter in enumerate(module.parameters()):
            parameter.copy_(wave(parameter.shape, k))
    x = wave(record["shape"], 7).requires_grad_()
    training = module(x)
    (training * wave(training.shape, 8)).sum().backward()
    close = {"rtol": 1e-9, "atol": 1e-10}
    assert list(training.shape) == record["result"]
    np.testing.assert_allclose(training.flatten().tolist(), record["training"], **close)
    gradients = [t.grad.flatten().tolist() for t in (x, *module.parameters())]
    for found, expected in zip(gradients, record["gradients"], strict=True):
        np.testing.assert_allclose(found, expected, **close)
    evaluated = module.eval()(x)
    np.testing.assert_allclose(evaluated.flatten().tolist(), record["evaluation"], **close)


# ---------------------------------------------------------------- first values


def check_uniform(tensor, bound):
    values = tensor.detach().numpy()
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.98 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert abs(values.mean()) < 0.05 * bound


def test_linear_and_convolutions_start_within_the_inverse_root_of_fan_in():
    vt.manual_seed(0)
    layer = nn.Linear(100, 400)
    check_uniform(layer.weight, 0.1)
    check_uniform(layer.bias, 0.1)
    conv = nn.Conv2d(8, 64, 5, groups=2)
    check_uniform(conv.weight, 0.1)
    assert conv.weight.shape == (64, 4, 5, 5)
    back = nn.ConvTranspose2d(64, 8, 5, groups=2)
    assert back.weight.shape == (64, 4, 5, 5)
    check_uniform(back.weight, 0.1)  # PyTorch counts the second dim here too


def test_the_seed_makes_first_values_repeatable():
    made = []
    for _ in range(2):
        vt.manual_seed(3)
        made.append(nn.Linear(4, 4).weight.tolist())
    assert made[0] == made[1] != nn.Linear(4, 4).weight.tolist()


def test_embedding_starts_normal_with_zero_padding():
    vt.manual_seed(0)
    table = nn.Embedding(200, 50, padding_idx=-1)
    values = table.weight.detach().numpy()
    assert not values[-1].any()
    assert values[:-1].std() == pytest.approx(1, rel=0.05)
    assert table.weight.requires_grad
    table(vt.tensor([[0, 199], [0, 1]])).sum().backward()
    counts = table.weight.grad.sum(1).tolist()
    assert counts[:3] == [100, 50, 0]
    assert counts[199] == 0


@pytest.mark.parametrize(
    "draw, std",
    [
        (lambda t: init.kaiming_normal_(t, nonlinearity="relu"), math.sqrt(2 / 80)),
        (
            lambda t: init.kaiming_normal_(t, mode="fan_out", nonlinearity="linear"),
            1 / math.sqrt(160),
        ),
        (lambda t: init.kaiming_uniform_(t, a=1), 1 / math.sqrt(80)),
        (lambda t: init.xavier_normal_(t, gain=2), 2 * math.sqrt(2 / 240)),
        (lambda t: init.xavier_uniform_(t), math.sqrt(2 / 240)),
        (lambda t: init.normal_(t, 0, 3), 3),
        (lambda t: init.uniform_(t, -2, 2), 4 / math.sqrt(12)),
    ],
)
def test_drawn_values_have_the_spread_that_they_should(draw, std):
    vt.manual_seed(1)
    p = nn.Parameter(vt.empty(40, 20, 4))
    assert draw(p) is p
    assert p.requires_grad
    assert p.is_leaf
    values = p.detach().numpy()
    assert values.std() == pytest.approx(std, rel=0.05)
    assert abs(values.mean()) < 0.05 * std


def test_fixed_values():
    t = vt.empty(2, 3)
    assert init.ones_(t).tolist() == [[1] * 3] * 2
    assert init.zeros_(t).tolist() == [[0] * 3] * 2
    assert init.constant_(t, 2.5).tolist() == [[2.5] * 3] * 2
    assert init.eye_(t).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert init.calculate_fan(vt.empty(2, 3, 5)) == (15, 10)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0
    for act in (
        lambda: init.calculate_fan(vt.empty(2)),
        lambda: init.calculate_gain("nothing"),
        lambda: init.kaiming_uniform_(t, mode="fan"),
        lambda: init.eye_(vt.empty(2)),
    ):
        with pytest.raises(errors.ArgumentError):
            act()


def test_layers_take_a_dtype():
    assert nn.Linear(2, 2, dtype=vt.float64).bias.dtype is vt.float64
    assert nn.BatchNorm2d(2, dtype=vt.float16).running_var.dtype is vt.float16
    assert nn.Linear(0, 2)(vt.ones(3, 0)).shape == (3, 2)


# ---------------------------------------------------------------- behaviour


def test_batch_norm_counts_batches_and_can_start_anew():
    norm = nn.BatchNorm1d(2)
    for _ in range(3):
        norm(vt.randn(4, 2))
    norm.eval()(vt.randn(4, 2))
    assert norm.num_batches_tracked.item() == 3
    norm.reset_parameters()
    assert norm.num_batches_tracked.item() == 0
    assert norm.running_mean.tolist() == [0, 0]
    with pytest.raises(errors.ShapeError, match="BatchNorm1d needs an input of 2 or 3 dims"):
        norm(vt.ones(1, 2, 3, 4))


def test_a_transposed_convolution_can_be_told_its_output_size():
    back = nn.ConvTranspose2d(1, 1, 3, stride=2)
    assert back(vt.ones(1, 1, 4, 4)).shape == (1, 1, 9, 9)
    assert back(vt.ones(1, 1, 4, 4), output_size=(10, 9)).shape == (1, 1, 10, 9)
    with pytest.raises(errors.ShapeError, match="output_size"):
        back(vt.ones(1, 1, 4, 4), output_size=(11, 9))


def test_dropout_drops_in_training_only():
    vt.manual_seed(0)
    drop = nn.Dropout(0.25)
    x = vt.ones(4000)
    y = drop(x).numpy()
    assert set(y.tolist()) == {0.0, np.float32(1 / 0.75).item()}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert drop.eval()(x).tolist() == x.tolist()


def test_activations_can_write_into_their_input():
    x = vt.tensor([-1.0, 2.0])
    assert nn.ReLU(inplace=True)(x) is x
    assert x.tolist() == [0, 2]


def test_losses_pass_on_their_options():
    logits, target = vt.tensor([[1.0, 2.0], [0.5, 0.0]]), vt.tensor([0, 1])
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    each = -np.log(p[[0, 1], [0, 1]])
    np.testing.assert_allclose(nn.CrossEntropyLoss()(logits, target).item(), each.mean(), rtol=1e-6)
    summed = nn.CrossEntropyLoss(weight=vt.tensor([1.0, 3.0]), reduction="sum")(logits, target)
    np.testing.assert_allclose(summed.item(), each[0] + 3 * each[1], rtol=1e-6)
    log_p = nn.LogSoftmax(1)(logits)
    assert nn.NLLLoss(ignore_index=1)(log_p, target).item() == pytest.approx(each[0], rel=1e-6)
    a, b = vt.tensor([1.0, 2.0]), vt.tensor([0.0, 0.0])
    assert nn.MSELoss(reduction="none")(a, b).tolist() == [1, 4]
    assert nn.L1Loss()(a, b).item() == 1.5
    assert nn.HuberLoss()(a, b).item() == pytest.approx(1.0)
    assert nn.SmoothL1Loss(beta=2.0)(a, b).item() == pytest.approx((0.25 + 1.0) / 2)
    binary = nn.BCEWithLogitsLoss(pos_weight=vt.tensor(2.0))(a, vt.ones(2)).item()
    assert binary == pytest.approx(2 * np.log1p(np.exp(-a.numpy())).mean(), rel=1e-6)
    half = nn.BCELoss()(vt.tensor([0.5]), vt.tensor([1.0])).item()
    assert half == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        lambda: nn.Conv2d(1, 1, (3, 3, 3)),
        lambda: nn.Conv2d(1, 1, 3, padding="some"),
        lambda: nn.Conv2d(1, 1, 3, padding="same", stride=2),
        lambda: nn.Conv2d(1, 1, 3, padding_mode="some"),
        lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
        lambda: nn.ConvTranspose2d(1, 1, 3, padding="same"),
        lambda: nn.GroupNorm(2, 3),
        lambda: nn.Dropout(2.0),
        lambda: nn.Embedding(3, 2, padding_idx=3),
        lambda: nn.Hardtanh(1.0, -1.0),
        lambda: nn.MSELoss(reduction="some"),
    ],
)
def test_wrong_options_are_refused_when_a_layer_is_made(make):
    with pytest.raises(errors.ArgumentError):
        make()
