"""Convolutions against loops over windows, and their gradients against finite differences."""

import itertools

import numpy as np
import pytest
from op_references import conv as reference
from op_references import conv_transpose as transposed_reference
from scipy import signal

import vitrify as vt
import vitrify.nn.functional as F
from vitrify.ir.builder import result_types
from vitrify.ir.dims import evaluate, symbol
from vitrify.ir.types import TensorType
from vitrify.ops.conv import conv, conv_transpose, conv_weight_grad

rng = np.random.default_rng(0)


def draw(*shape):
    return rng.standard_normal(shape)


def tensors(*arrays):
    return [None if a is None else vt.tensor(a) for a in arrays]


def test_is_scipys_correlation():
    x, w = draw(1, 1, 9, 8), draw(1, 1, 3, 4)
    expected = signal.correlate2d(x[0, 0], w[0, 0], mode="valid")
    actual = F.conv2d(*tensors(x, w)).numpy()[0, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


SETTINGS = [
    # channels, outputs, groups, sizes, kernel, stride, padding, dilation
    (3, 4, 1, (7,), (3,), (1,), (1,), (1,)),
    (2, 4, 2, (9,), (2,), (3,), (0,), (2,)),
    (3, 5, 1, (6, 7), (3, 2), (1, 1), (1, 0), (1, 1)),
    (8, 3, 1, (4, 4), (3, 3), (1, 1), (1, 1), (1, 1)),  # patches are copied as rows
    (8, 3, 1, (5, 4), (3, 3), (2, 1), (2, 1), (2, 1)),
    (4, 4, 4, (6, 6), (3, 3), (1, 1), (1, 1), (1, 1)),  # depthwise
    (4, 6, 2, (8, 7), (3, 3), (2, 2), (1, 2), (2, 1)),
    (3, 2, 1, (5, 4), (1, 1), (1, 1), (0, 0), (1, 1)),  # no patches to copy
    (3, 2, 1, (5, 4), (1, 1), (2, 2), (1, 1), (1, 1)),
    (2, 3, 1, (4, 5, 3), (2, 3, 2), (1, 2, 1), (1, 0, 1), (1, 2, 1)),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_agrees_with_a_loop_over_windows(setting, batch):
    channels, outputs, groups, sizes, kernel, *rest = setting
    x, w = draw(batch, channels, *sizes), draw(outputs, channels // groups, *kernel)
    b = draw(outputs)
    args = (*rest, groups)
    actual = conv(*tensors(x, w, b), *args).numpy()
    assert actual.flags.c_contiguous
    np.testing.assert_allclose(actual, reference(x, w, b, *args), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_transposed_agrees_with_a_loop_over_elements(setting):
    channels, outputs, groups, sizes, kernel, stride, padding, dilation = setting
    y, w = draw(2, outputs, *sizes), draw(outputs, channels // groups, *kernel)
    b = draw(channels)
    padding = tuple(min(p, d * (k - 1)) for p, d, k in zip(padding, dilation, kernel, strict=True))
    for extra in (0, 1):
        extra = tuple(min(extra, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
        args = (stride, padding, extra, groups, dilation)
        actual = conv_transpose(*tensors(y, w, b), *args).numpy()
        expected = transposed_reference(y, w, b, *args)
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_the_three_are_adjoint(setting):
    """<conv(x, w), y> = <x, conv_transpose(y, w)> = <w, conv_weight_grad(x, y)>"""
    channels, outputs, groups, sizes, kernel, stride, padding, dilation = setting
    x, w = draw(2, channels, *sizes), draw(outputs, channels // groups, *kernel)
    x_, w_ = tensors(x, w)
    x_.requires_grad_(), w_.requires_grad_()
    out = conv(x_, w_, None, stride, padding, dilation, groups)
    y = draw(*out.shape)
    of_x, of_w = vt.grad(out, (x_, w_), vt.tensor(y), create_graph=True)
    product = (out.detach().numpy() * y).sum()
    assert np.isclose((of_x.detach().numpy() * x).sum(), product)
    assert np.isclose((of_w.detach().numpy() * w).sum(), product)
    # The gradients are linear in x and w, so their own gradients are known too.
    (second,) = vt.grad(of_w, x_, vt.tensor(w))
    np.testing.assert_allclose(second.numpy(), of_x.detach().numpy(), rtol=1e-9, atol=1e-9)


def differences(function, arrays, k, step=1e-5):
    """The gradient of the number that `function` gives, by input `k`."""
    result = np.zeros_like(arrays[k])
    for at in np.ndindex(*result.shape):
        ends = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[k][at] += sign * step
            ends.append(function(*moved))
        result[at] = (ends[0] - ends[1]) / (2 * step)
    return result


@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_of_first_and_second_order(transposed):
    op = conv_transpose if transposed else conv
    arrays = [draw(2, 2, 4, 3), draw(2, 2, 2, 3), draw(2)]

    def loss(*ts):
        return (op(*ts, 2, 1) ** 3.0).sum()

    def value(*given):
        return loss(*tensors(*given)).item()

    def slope(*given):
        ts = [t.requires_grad_() for t in tensors(*given)]
        return sum((g * g).sum().item() for g in vt.grad(loss(*ts), ts))

    ts = [t.requires_grad_() for t in tensors(*arrays)]
    first = vt.grad(loss(*ts), ts, create_graph=True)
    second = vt.grad(sum((g * g).sum() for g in first), ts)
    for k in range(3):
        expected = differences(value, arrays, k)
        np.testing.assert_allclose(first[k].detach().numpy(), expected, rtol=1e-5, atol=1e-5)
        expected = differences(slope, arrays, k)
        np.testing.assert_allclose(second[k].numpy(), expected, rtol=1e-5, atol=1e-3)


def test_output_padding_beyond_the_stride_has_the_right_gradient():
    arrays = [draw(1, 2, 3), draw(2, 1, 2)]

    def loss(x, w):
        return (conv_transpose(x, w, None, 1, 1, 2, 1, 3) ** 2.0).sum()

    ts = [t.requires_grad_() for t in tensors(*arrays)]
    for k, g in enumerate(vt.grad(loss(*ts), ts)):
        expected = differences(lambda *a: loss(*tensors(*a)).item(), arrays, k)
        np.testing.assert_allclose(g.numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", [(2, 3), (4, 5), (3, 3)])
def test_same_padding_keeps_the_size_and_puts_the_odd_one_behind(kernel):
    x, w = draw(1, 2, 6, 7), draw(3, 2, *kernel)
    actual = F.conv2d(*tensors(x, w), padding="same").numpy()
    total = [k - 1 for k in kernel]
    widths = [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)]
    assert actual.shape == (1, 3, 6, 7)
    np.testing.assert_allclose(actual, reference(np.pad(x, widths), w), rtol=1e-10)


def test_the_batch_dim_may_be_missing():
    x, w, b = draw(3, 5, 5), draw(4, 3, 2, 2), draw(4)
    np.testing.assert_array_equal(
        F.conv2d(*tensors(x, w, b)).numpy(), F.conv2d(*tensors(x[None], w, b)).numpy()[0]
    )


@pytest.mark.parametrize("dtype", [vt.float16, vt.bfloat16])
def test_short_floats_are_added_up_in_float32(dtype):
    x = vt.ones(1, 400, 3, dtype=dtype)
    w = vt.full((1, 400, 3), 1.0, dtype=dtype)
    x[0, 0, 0] = 2048.0  # 1200 ones on top of it would be lost one by one
    assert conv(x, w).item() == vt.tensor(2048.0 + 1199.0).to(dtype).item()


def test_types_of_symbolic_sizes_are_those_of_eager():
    sizes = {"n": 2, "h": 9, "w": 6}
    n, h, w = (symbol(name) for name in sizes)
    for stride, padding, dilation in itertools.product((1, 2, 3), (0, 1), (1, 2)):
        x, weight = vt.zeros(2, 3, 9, 6), vt.zeros(4, 3, 3, 2)
        out = conv(x, weight, None, stride, padding, dilation)
        _, attrs = conv.canonical(x, weight, None, stride, padding, dilation)
        types = [TensorType(vt.float32, (n, 3, h, w)), weight.type, None]
        (inferred,) = result_types(conv, types, attrs)
        assert tuple(evaluate(s, sizes) for s in inferred.shape) == out.shape


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x, w: F.conv2d(x, w, groups=2), vt.errors.ShapeError, "2 groups"),
        (lambda x, w: F.conv2d(x[:, :2], w), vt.errors.ShapeError, "2 channels"),
        (lambda x, w: F.conv2d(x[..., :2], w), vt.errors.ShapeError, "does not fit into 2"),
        (lambda x, w: F.conv2d(x, w, vt.zeros(3)), vt.errors.ShapeError, "bias"),
        (lambda x, w: F.conv2d(x[0, 0], w), vt.errors.ShapeError, "3 or 4 dims"),
        (lambda x, w: F.conv2d(x, w.double()), vt.errors.DTypeError, "one dtype"),
        (lambda x, w: F.conv2d(x.long(), w.long()), vt.errors.DTypeError, "floating point"),
        (lambda x, w: F.conv2d(x, w, stride=0), vt.errors.ArgumentError, "at least 1"),
        (lambda x, w: F.conv2d(x, w, padding=(1, 1, 1)), vt.errors.ArgumentError, "padding"),
        (lambda x, w: F.conv2d(x, w, None, 2, "same"), vt.errors.ArgumentError, "stride of 1"),
        (lambda x, w: F.conv2d(x, w, padding="full"), vt.errors.ArgumentError, "'same'"),
        (
            lambda x, w: F.conv_transpose2d(x, w[:3, :2], output_padding=1),
            vt.errors.ArgumentError,
            "less than the stride",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call(vt.zeros(1, 3, 5, 5), vt.zeros(4, 3, 3, 3))


def test_a_weight_gradient_of_the_wrong_size_is_refused():
    with pytest.raises(vt.VitrifyError, match="windows are"):
        conv_weight_grad(vt.zeros(1, 1, 5), vt.zeros(1, 1, 5), (3,), (1,), ((0, 0),), (1,), 1)
