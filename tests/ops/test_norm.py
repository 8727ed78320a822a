"""Normalization: running statistics, gradients to second order, short floats, refusals."""

import numpy as np
import pytest

import vitrify as vt
import vitrify.nn.functional as F

rng = np.random.default_rng(0)


def test_training_moves_the_running_statistics():
    x = rng.standard_normal((6, 3, 4)) * 2 + 1
    mean, var = vt.zeros(3, dtype=vt.float64), vt.ones(3, dtype=vt.float64)
    first = mean
    F.batch_norm(vt.tensor(x), mean, var, training=True, momentum=0.3)
    assert mean is first
    np.testing.assert_allclose(mean.numpy(), 0.3 * x.mean((0, 2)), rtol=1e-12)
    expected = 0.7 + 0.3 * x.var((0, 2), ddof=1)
    np.testing.assert_allclose(var.numpy(), expected, rtol=1e-12)
    assert not mean.requires_grad


def test_instances_move_the_running_statistics():
    x = rng.standard_normal((6, 3, 4))
    mean, var = vt.zeros(3, dtype=vt.float64), vt.ones(3, dtype=vt.float64)
    F.instance_norm(vt.tensor(x), mean, var, momentum=0.3)
    np.testing.assert_allclose(mean.numpy(), 0.3 * x.mean((0, 2)), rtol=1e-12)
    expected = 0.7 + 0.3 * x.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(var.numpy(), expected, rtol=1e-12)


NORMS = {
    "batch": lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1),
    "batch by given": lambda x, w, b: F.batch_norm(x, b, w * w, w, b, eps=0.1),
    "layer": lambda x, w, b: F.layer_norm(x.mT, (3,), w, b, eps=0.1),
    "rms": lambda x, w, b: F.rms_norm(x.mT, (3,), w, eps=0.1) + b,
    "group": lambda x, w, b: F.group_norm(x, 3, w, b, eps=0.1),
}


@pytest.mark.parametrize("name", NORMS)
def test_gradients_of_first_and_second_order(name):
    arrays = [rng.standard_normal(s) for s in ((3, 3, 2), (3,), (3,))]
    directions = [rng.standard_normal(a.shape) for a in arrays]

    def slopes(*given, create_graph=True):
        ts = [vt.tensor(a).requires_grad_() for a in given]
        loss = (NORMS[name](*ts) ** 3.0).sum()
        return loss, ts, vt.grad(loss, ts, create_graph=create_graph)

    def along(gradients):
        return sum((g * vt.tensor(d)).sum() for g, d in zip(gradients, directions, strict=True))

    def moved(step):
        return [a + step * d for a, d in zip(arrays, directions, strict=True)]

    eps = 1e-5
    _, ts, first = slopes(*arrays)
    ends = [slopes(*moved(s)) for s in (eps, -eps)]
    expected = (ends[0][0].item() - ends[1][0].item()) / (2 * eps)
    assert np.isclose(along(first).item(), expected, rtol=1e-6)
    second = vt.grad(along(first), ts)
    for g, up, down in zip(second, ends[0][2], ends[1][2], strict=True):
        expected = (up.detach().numpy() - down.detach().numpy()) / (2 * eps)
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [vt.float16, vt.bfloat16])
def test_short_floats_are_added_up_in_float32(dtype):
    x = vt.tensor(rng.standard_normal((2, 3000)) * 100).to(dtype)
    wide = x.double()
    for norm in (lambda t: F.layer_norm(t, (3000,)), lambda t: F.rms_norm(t, (3000,), eps=1e-5)):
        actual, expected = norm(x), norm(wide)
        assert actual.dtype is dtype
        step = 2.0 ** (-9 if dtype is vt.float16 else -6)
        np.testing.assert_allclose(actual.double().numpy(), expected.numpy(), atol=step, rtol=step)


def test_a_large_mean_leaves_the_variance_right():
    x = rng.standard_normal((4, 256)).astype(np.float32) + 1e4
    wide = x.astype(np.float64)
    expected = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(F.layer_norm(vt.tensor(x), (256,)).numpy(), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: F.batch_norm(x, None, None), vt.errors.ArgumentError, "running statistics"),
        (lambda x: F.batch_norm(x, *[vt.ones(5)] * 2), vt.errors.ShapeError, "4 channels"),
        (
            lambda x: F.batch_norm(x[:1, :, 0, 0], None, None, training=True),
            vt.errors.ShapeError,
            "more than one element",
        ),
        (lambda x: F.layer_norm(x, (2, 4)), vt.errors.ShapeError, "last dims"),
        (lambda x: F.layer_norm(x, (3,), vt.ones(4)), vt.errors.ShapeError, "does not fit"),
        (lambda x: F.layer_norm(x.long(), (3,)), vt.errors.DTypeError, "floating point"),
        (lambda x: F.group_norm(x, 3), vt.errors.ShapeError, "do not split"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(vt.ones(2, 4, 3, 3))
