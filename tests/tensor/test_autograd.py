"""Recording, the walk back, its rules and its memory. Views and writes are in test_views.py."""

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

import vitrify as vt
from vitrify.errors import AutogradError, DTypeError, ShapeError


def leaf(*values: float) -> vt.Tensor:
    return vt.tensor(list(values), dtype=vt.float64, requires_grad=True)


# ---------------------------------------------------------------- gradients


def test_backward_accumulates() -> None:
    w = leaf(1, 2)
    (w * w).sum().backward()
    kept = w.grad
    (w * 3).sum().backward()
    assert w.grad.tolist() == [5, 7]
    assert w.grad is kept  # as in PyTorch: added in place


def test_shared_subgraphs() -> None:
    w = leaf(2)
    y = w * w
    z = y * y + y
    z.backward()
    assert w.grad.tolist() == [4 * 2**3 + 2 * 2]
    z.backward()
    assert w.grad.tolist() == [2 * (4 * 2**3 + 2 * 2)]


def test_broadcast_inputs_get_gradients_of_their_shape() -> None:
    a, b = vt.ones(3, 1, requires_grad=True), vt.ones(4, requires_grad=True)
    (a * b * 2).sum().backward()
    assert a.grad.tolist() == [[8], [8], [8]] and b.grad.tolist() == [6, 6, 6, 6]


def test_dtypes_of_gradients_are_those_of_the_inputs() -> None:
    a, b = vt.ones(2, requires_grad=True), vt.ones(2, dtype=vt.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype is vt.float32 and b.grad.dtype is vt.float64


def test_derivatives_of_higher_order() -> None:
    x = leaf(0.5)
    y = vt.sin(x)
    for expected in (np.cos(0.5), -np.sin(0.5), -np.cos(0.5), np.sin(0.5)):
        (y,) = vt.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.item(), expected)


def test_backward_with_create_graph() -> None:
    x = leaf(3)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (second,) = vt.grad(x.grad.sum(), x)
    assert second.tolist() == [18]


def test_grad_by_inner_tensors_stops_there() -> None:
    x = leaf(2)
    y = x * 3
    z = y * y
    gy, gx = vt.grad(z, [y, x])
    assert gy.tolist() == [12] and gx.tolist() == [36]
    y = x * x
    z = y * 5
    with vt.no_grad():
        x.zero_()
    assert vt.grad(z, y)[0].tolist() == [5]  # the gradient of x * x is not taken
    with pytest.raises(AutogradError):
        vt.grad(z, x)


def test_grad_of_several_outputs_and_weights() -> None:
    x = leaf(1, 2)
    y, z = x * 2, x * x
    (g,) = vt.grad([y, z], x, grad_outputs=[vt.tensor([1.0, 0.0]), vt.tensor([0.0, 1.0])])
    assert g.tolist() == [2, 4] and g.dtype is vt.float64
    (g,) = vt.grad([y.sum(), z.sum()], [x])
    assert g.tolist() == [4, 6]


def test_grad_does_not_touch_dot_grad() -> None:
    x, w = leaf(1), leaf(2)
    vt.grad(x * w, x)
    assert x.grad is None and w.grad is None
    (x * w).backward(inputs=[w])
    assert x.grad is None and w.grad.tolist() == [1]


def test_unused_inputs() -> None:
    x, unused = leaf(1), leaf(2)
    with pytest.raises(AutogradError, match="input 1 has no influence"):
        vt.grad(x * 2, [x, unused])
    assert vt.grad(x * 2, [x, unused], allow_unused=True)[1] is None
    with pytest.raises(AutogradError, match="does not require"):
        vt.grad(x * 2, vt.ones(1))


def test_what_cannot_be_differentiated() -> None:
    w = leaf(1, 2)
    with pytest.raises(AutogradError, match="only from one number"):
        (w * 2).backward()
    with pytest.raises(ShapeError):
        (w * 2).backward(vt.ones(3))
    with pytest.raises(AutogradError, match="does not require"):
        vt.ones(1).backward()
    with pytest.raises(DTypeError, match="floating point"):
        vt.tensor([1], requires_grad=True)
    with pytest.raises(AutogradError, match="only a leaf"):
        (w * 2).requires_grad_(False)


def test_results_that_have_no_gradient() -> None:
    w = leaf(1, 2)
    for out in (w > 1, w.argmax(), w.long()):
        assert not out.requires_grad and out.is_leaf


def test_gradients_do_not_share_memory() -> None:
    a, b = leaf(1, 2), leaf(3, 4)
    given = vt.ones(2, dtype=vt.float64)
    (a + b).backward(given)
    a.grad.zero_()
    assert b.grad.tolist() == [1, 1] and given.tolist() == [1, 1]
    c = leaf(1, 2)
    c.sum().backward()  # the gradient of sum is expanded from one number
    c.grad[0] = 5.0
    assert c.grad.tolist() == [5, 1]


# ---------------------------------------------------------------- versions


def test_versions_follow_what_a_gradient_needs() -> None:
    x = leaf(1, 2)
    y = x.exp()  # the gradient needs the output
    y.add_(1)
    with pytest.raises(AutogradError, match=r"exp needs was changed by an in-place write"):
        y.sum().backward()

    y = x + 1  # needs nothing
    y.add_(1)
    y.sum().backward()

    y = x * 2
    s = y.sum()  # needs only the shape
    y.zero_()
    s.backward()

    y = x * 2
    z = y * y
    y.detach().add_(1)  # the same memory, whatever the tensor
    with pytest.raises(AutogradError):
        z.sum().backward()

    y = x * 2
    z = y * y
    y.data.add_(1)  # .data is not watched, as in PyTorch
    z.sum().backward()

    y = x * 2
    z = y.clone() * 3 * vt.ones(2)
    y[0] = 7.0
    z.sum().backward()


def test_only_what_the_wanted_gradient_needs_is_checked() -> None:
    x, scale = leaf(1, 2), vt.ones(2, dtype=vt.float64)
    y = x * 1
    z = y * scale  # the gradient of y needs scale, that of scale (not wanted) needs y
    y.add_(1)
    z.sum().backward()
    assert x.grad.tolist() == [1, 1]
    z = (x * 1) * scale
    scale.add_(1)
    with pytest.raises(AutogradError, match="mul"):
        z.sum().backward()


def test_inplace_ops_may_need_what_they_overwrite() -> None:
    x, w = leaf(3), leaf(5)
    y = x * 1
    y.mul_(w)
    y.backward()
    assert x.grad.tolist() == [5] and w.grad.tolist() == [3]


# ---------------------------------------------------------------- modes


def test_modes_nest_and_decorate() -> None:
    w = leaf(1)
    with vt.no_grad():
        assert not (w * 2).requires_grad
        with vt.enable_grad():
            assert (w * 2).requires_grad
        assert not vt.is_grad_enabled()
    assert vt.is_grad_enabled()

    @vt.no_grad()
    def plain(depth: int) -> bool:
        return plain(depth - 1) if depth else (w * 2).requires_grad

    assert plain(3) is False and vt.is_grad_enabled()

    with pytest.raises(ZeroDivisionError), vt.no_grad():
        raise ZeroDivisionError
    assert vt.is_grad_enabled()

    mode = vt.no_grad()
    with mode, mode:
        assert not vt.is_grad_enabled()
    assert vt.is_grad_enabled()


def test_set_grad_enabled_three_ways() -> None:
    with vt.set_grad_enabled(False):
        assert not vt.is_grad_enabled()
    assert vt.is_grad_enabled()
    decorated = vt.set_grad_enabled(False)(vt.is_grad_enabled)
    assert vt.is_grad_enabled() and decorated() is False
    vt.set_grad_enabled(False)
    assert not vt.is_grad_enabled()
    vt.set_grad_enabled(True)
    assert vt.is_grad_enabled()


def test_modes_belong_to_a_thread() -> None:
    seen: list[Any] = []

    @vt.no_grad()
    def work(barrier: threading.Barrier) -> None:
        barrier.wait()
        seen.append(vt.is_grad_enabled())
        barrier.wait()

    def run(barrier: threading.Barrier) -> None:
        seen.append(vt.is_grad_enabled())
        work(barrier)
        w = leaf(2)
        (w * w).backward()
        seen.append(w.grad.tolist() == [4])

    with vt.no_grad():
        barrier = threading.Barrier(4)
        threads = [threading.Thread(target=run, args=(barrier,)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not vt.is_grad_enabled()
    assert sorted(seen) == [False] * 4 + [True] * 8


# ---------------------------------------------------------------- size and memory


def test_deep_chains() -> None:
    w = leaf(1)
    y = w
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert w.grad.tolist() == [1]
    (g,) = vt.grad(y, w)
    assert g.tolist() == [1]
    del y  # freed without recursion


def test_graphs_are_freed_without_the_collector() -> None:
    w = vt.ones(4, requires_grad=True)
    constant = vt.ones(4)

    def inner() -> list[weakref.ref[Any]]:
        y = w.exp()
        z = (y * constant).tanh() + y
        z.mul_(y)
        base = constant * 1
        base[1:] = z[1:]
        base.mul_(w)
        base[0].add_(1)
        loss = (z + base.softmax(0) + z.reshape(2, 2).T.reshape(-1)).sum()
        loss.backward()
        vt.grad(vt.grad(w.exp().sum(), w, create_graph=True)[0].sum(), w)
        return [weakref.ref(t) for t in (y, z, base, loss)]

    gc.collect()
    gc.disable()
    try:
        alive = [ref for ref in inner() if ref() is not None]
    finally:
        gc.enable()
    assert not alive


def test_saved_values_are_only_those_that_are_read() -> None:
    w = vt.ones(4, requires_grad=True)
    x = w * 1
    array = weakref.ref(x.detach().numpy())
    y = x + 1  # does not read x
    del x
    assert array() is None
    x = w * 1
    array = weakref.ref(x.detach().numpy())
    y = x * x
    del x
    assert array() is not None
    del y
    assert array() is None


# ---------------------------------------------------------------- silence


@pytest.mark.filterwarnings("error")
def test_no_warnings_and_no_change_of_numpy_state() -> None:
    before = np.geterr()
    x = leaf(0, -1, 1e308)
    for out in (x / 0, x.log(), x * 1e10, x.sqrt(), x.exp(), x**0.5, x.to(vt.float32), x / x):
        out.sum().backward()
    assert np.geterr() == before
    with pytest.warns(RuntimeWarning):
        np.float64(1) / np.float64(0)
