"""Losses at the edges: ignored and wrong targets, extreme logits, second-order gradients."""

import numpy as np
import pytest
from scipy.special import log_softmax

import vitrify as vt
import vitrify.nn.functional as F

rng = np.random.default_rng(0)


def test_ignored_targets_count_nothing():
    x = rng.standard_normal((4, 5))
    target = np.array([1, -100, 3, 0])
    logs = log_softmax(x, 1)
    picked = -logs[[0, 2, 3], [1, 3, 0]]
    x_ = vt.tensor(x, requires_grad=True)
    loss = F.cross_entropy(x_, vt.tensor(target))
    np.testing.assert_allclose(loss.item(), picked.mean(), rtol=1e-12)
    loss.backward()
    assert not x_.grad.numpy()[1].any()
    none = F.cross_entropy(x_, vt.tensor(target), reduction="none").detach().numpy()
    np.testing.assert_allclose(none, [picked[0], 0.0, picked[1], picked[2]], rtol=1e-12)
    assert np.isnan(F.cross_entropy(x_, vt.tensor([-100] * 4)).item())


@pytest.mark.parametrize("wrong", [5, -1])
def test_a_target_that_is_no_class_is_refused(wrong):
    for call in (F.cross_entropy, F.nll_loss):
        with pytest.raises(IndexError):
            call(vt.zeros(2, 5), vt.tensor([0, wrong]))


def test_extreme_logits_neither_overflow_nor_lose_the_gradient():
    x = vt.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, vt.tensor([1]))
    loss.backward()
    assert loss.item() == 2e4
    np.testing.assert_array_equal(x.grad.numpy(), [[1.0, -1.0, 0.0]])
    y = vt.tensor([1e4, -1e4, 0.0], requires_grad=True)
    F.binary_cross_entropy_with_logits(y, vt.tensor([1.0, 0.0, 0.0]), reduction="sum").backward()
    np.testing.assert_allclose(y.grad.numpy(), [0.0, 0.0, 0.5])


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("soft", [False, True])
def test_second_order_of_cross_entropy(smoothing, soft):
    x = rng.standard_normal((3, 4))
    target = vt.tensor(rng.random((3, 4)) if soft else np.array([0, 3, 1]))
    weight = vt.tensor(rng.random(4))
    direction = rng.standard_normal((3, 4))

    def slope(array):
        t = vt.tensor(array).requires_grad_()
        loss = F.cross_entropy(t, target, weight, label_smoothing=smoothing)
        return t, vt.grad(loss, t, create_graph=True)[0]

    t, first = slope(x)
    (second,) = vt.grad(first, t, vt.tensor(direction))
    eps = 1e-6
    ends = [slope(x + s * direction)[1].detach().numpy() for s in (eps, -eps)]
    # The second derivatives are symmetric: along a direction from either side.
    np.testing.assert_allclose(second.numpy(), (ends[0] - ends[1]) / (2 * eps), atol=1e-8)


def test_probabilities_as_target_get_a_gradient_and_weights_none():
    x, p = vt.tensor(rng.standard_normal((2, 3))), vt.tensor(rng.random((2, 3)))
    p.requires_grad_()
    F.cross_entropy(x, p, reduction="sum").backward()
    np.testing.assert_allclose(p.grad.numpy(), -log_softmax(x.numpy(), 1), rtol=1e-12)
    weight = vt.ones(3, requires_grad=True)
    with pytest.raises(vt.errors.AutogradError, match="weight"):
        F.cross_entropy(x.float(), vt.tensor([0, 1]), weight).backward()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: F.mse_loss(x, x, reduction="max"), vt.errors.ArgumentError, "reduction"),
        (lambda x: F.mse_loss(x, x, size_average=True), vt.errors.ArgumentError, "reduction="),
        (lambda x: F.cross_entropy(x, vt.tensor([0])), vt.errors.ShapeError, "expected"),
        (lambda x: F.cross_entropy(x, x > 0), vt.errors.DTypeError, "class indices"),
        (lambda x: F.nll_loss(x, x[:, 0]), vt.errors.DTypeError, "class indices"),
        (
            lambda x: F.cross_entropy(x, vt.tensor([0, 1]), vt.ones(4)),
            vt.errors.ShapeError,
            "weight",
        ),
        (
            lambda x: F.cross_entropy(x, vt.tensor([0, 1]), label_smoothing=2.0),
            vt.errors.ArgumentError,
            "label_smoothing",
        ),
        (lambda x: F.huber_loss(x, x, delta=0.0), vt.errors.ArgumentError, "delta"),
        (lambda x: F.binary_cross_entropy(x, x[0]), vt.errors.ShapeError, "expected"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(vt.zeros(2, 3))
