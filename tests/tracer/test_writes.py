"""In-place writes and views are captured as eager carries them out, or refused."""

import copy

import numpy as np
import pytest

import vitrify as vt
from vitrify.errors import CaptureError


def agree(function, *inputs, dynamic=None):
    """The captured function must give what eager gives."""
    expected = function(*[x.clone() for x in inputs])
    result = vt.trace(function, *inputs, dynamic=dynamic)(*inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    result = result if isinstance(result, tuple) else (result,)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


X = vt.arange(24).float().reshape(4, 6)


def test_write_to_an_intermediate_result():
    def function(x):
        y = x * 2
        z = y
        y += 1
        return y, z

    agree(function, X)


def test_write_through_a_row_changes_the_base():
    def function(x):
        y = x * 1
        row = y[1]
        row += 100
        row[2] = 0
        return y, row

    agree(function, X)


def test_write_to_the_base_changes_a_view_taken_before():
    def function(x):
        y = x * 1
        column = y[:, 2]
        y.mul_(3)
        return column + 0, y

    agree(function, X)


def test_views_of_views():
    def function(x):
        y = x.clone()
        part = y[1:, ::2].transpose(0, 1)
        inner = part[1].unsqueeze(0)
        inner.fill_(-1)
        y[0, 0] = 7
        return y, part, inner

    agree(function, X)


def test_chunks_share_memory():
    def function(x):
        y = x.clone()
        left, right = y.chunk(2, dim=1)
        left += right
        right.zero_()
        return y, left, right

    agree(function, X)


def test_write_with_a_mask_and_with_indices():
    def function(x):
        y = x.clone()
        y[y > 10] = 0
        y[vt.tensor([0, 2])] = -y[vt.tensor([1, 3])]
        return y

    agree(function, X)


def test_write_with_a_dynamic_size():
    def function(x):
        y = x * 1
        y[0] = 5
        y[:, 1] = y[:, 0]
        return y

    program = vt.trace(function, X, dynamic={"x": {0: "batch"}})
    for size in (1, 3, 9):
        x = vt.randn(size, 6)
        np.testing.assert_array_equal(program(x).numpy(), function(x).numpy())


def test_write_through_a_reshape_depends_on_memory_and_is_refused():
    def function(x):
        y = x * 1
        y.reshape(24)[0] = 1
        return y

    with pytest.raises(CaptureError, match="reshaped view"):
        vt.trace(function, X)


def test_reading_a_stale_reshape_is_refused():
    def function(x):
        y = x * 1
        flat = y.reshape(24)
        y += 1
        return flat * 1

    with pytest.raises(CaptureError, match="reshaped view"):
        vt.trace(function, X)


def test_write_through_a_view_of_an_input_is_refused():
    def function(x):
        x[0] = 1
        return x

    with pytest.raises(CaptureError, match="the input x"):
        vt.trace(function, X)


def test_a_detached_tensor_shares_memory():
    def function(x):
        y, z = x * 1, x * 2
        y.detach().add_(1)
        row = z[0].data
        row.zero_()
        return y, z, row

    agree(function, X)
    agree(function, X, dynamic={"x": {0: "batch"}})


def test_a_deep_copy_shares_nothing():
    def function(x):
        y = copy.deepcopy(x)
        y += 1
        return x * 1, y

    agree(function, X)


def test_a_copy_of_an_input_may_be_written_to():
    def function(x):
        y = vt.zeros_like(x)
        y.copy_(x)
        y[0] = 5
        return x * 1, y

    agree(function, X)
