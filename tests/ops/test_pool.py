"""Pooling: ties, NaN, symbolic sizes, second-order gradients, refusals."""

import itertools

import numpy as np
import pytest

import vitrify as vt
import vitrify.nn.functional as F
from vitrify.ir.builder import result_types
from vitrify.ir.dims import evaluate, symbol
from vitrify.ir.types import TensorType
from vitrify.ops.pool import avg_pool, max_pool

rng = np.random.default_rng(0)


def test_the_first_of_equals_gets_the_gradient():
    x = vt.zeros(1, 1, 4, 4, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], expected)


def test_windows_that_overlap_add_up_their_gradients():
    x = vt.tensor([[[1.0, 5.0, 2.0, 3.0]]], requires_grad=True)
    F.max_pool1d(x, 2, 1).backward(vt.tensor([[[1.0, 10.0, 100.0]]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[[0.0, 11.0, 0.0, 100.0]]])


def test_nan_wins_and_gets_the_gradient():
    x = vt.tensor([[[1.0, float("nan"), 2.0, 3.0]]], requires_grad=True)
    out, at = F.max_pool1d(x, 2, return_indices=True)
    np.testing.assert_array_equal(out.detach().numpy(), [[[np.nan, 3.0]]])
    np.testing.assert_array_equal(at.numpy(), [[[1, 3]]])


def test_indices_find_the_elements():
    x = vt.tensor(rng.standard_normal((2, 3, 7, 6)))
    out, at = F.max_pool2d(x, 3, 2, 1, ceil_mode=True, return_indices=True)
    found = np.take_along_axis(x.numpy().reshape(2, 3, -1), at.numpy().reshape(2, 3, -1), 2)
    np.testing.assert_array_equal(found.reshape(out.shape), out.numpy())


def test_integers_have_maxima_and_padding_never_wins():
    x = vt.tensor(np.full((1, 1, 3), -100, np.int8))
    np.testing.assert_array_equal(F.max_pool1d(x, 3, 1, 1).numpy(), x.numpy())


@pytest.mark.parametrize("op", [max_pool, avg_pool])
def test_second_order(op):
    """The gradient is linear in that of the result: pooling the same places gets it back."""
    x = vt.tensor(rng.standard_normal((2, 2, 5, 6)), requires_grad=True)
    out = op(x, 3, 2, 1)
    g = vt.tensor(rng.standard_normal(out.shape), requires_grad=True)
    (of_x,) = vt.grad(out, x, g, create_graph=True)
    h = rng.standard_normal(x.shape)
    (of_g,) = vt.grad(of_x, g, vt.tensor(h))
    eps = 1e-6
    moved = op(vt.tensor(x.detach().numpy() + eps * h), 3, 2, 1).numpy()
    np.testing.assert_allclose(
        of_g.numpy(), (moved - out.detach().numpy()) / eps, rtol=1e-5, atol=1e-5
    )


def test_short_floats_are_added_up_in_float32():
    x = vt.ones(1, 1, 4096, dtype=vt.float16)
    assert F.avg_pool1d(x, 4096).item() == 1.0


def test_types_of_symbolic_sizes_are_those_of_eager():
    sizes = {"n": 2, "h": 9, "w": 6}
    n, h, w = (symbol(name, min=2) for name in sizes)
    x = vt.zeros(2, 3, 9, 6)
    for kernel, stride, padding, ceil in itertools.product((2, 3), (1, 2, 3), (0, 1), (0, 1)):
        for op in (max_pool, avg_pool):
            out = op(x, kernel, stride, padding, ceil_mode=ceil)
            _, attrs = op.canonical(x, kernel, stride, padding, ceil_mode=ceil)
            (inferred,) = result_types(op, [TensorType(vt.float32, (n, 3, h, w))], attrs)
            assert tuple(evaluate(s, sizes) for s in inferred.shape) == out.shape


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: F.max_pool2d(x, 5), vt.errors.ShapeError, "does not fit"),
        (lambda x: F.max_pool2d(x, 2, padding=2), vt.errors.ArgumentError, "half"),
        (lambda x: F.max_pool2d(x[0, 0], 2), vt.errors.ShapeError, "3 or 4 dims"),
        (lambda x: F.max_pool2d(x > 0, 2), vt.errors.DTypeError, "bool"),
        (lambda x: F.avg_pool2d(x.long(), 2), vt.errors.DTypeError, "floating point"),
        (lambda x: F.max_pool2d(x, (2, 2, 2)), vt.errors.ArgumentError, "kernel_size"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(vt.zeros(1, 2, 4, 4))
