"""Views share memory and history; writes through them are seen by all, with right gradients.

NumPy has the same views and the same in-place writes, so it is the model: a program is run on a
NumPy array and on a tensor, and its derivative is taken by a complex step, exact to rounding.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vitrify as vt
from vitrify.errors import ArgumentError, AutogradError, DTypeError
from vitrify.ops import sum_to

STEP = 1e-30


def derivative(program: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """Of the sum of what a NumPy program returns, by a complex step in each element."""
    result = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[at] += STEP * 1j
        result[at] = np.imag(np.sum(program(moved))) / STEP
    return result


def check(program: Callable[[Any], Any], shape: tuple[int, ...] = (3, 4)) -> None:
    """`program` uses only what NumPy arrays and tensors write alike."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    leaf = vt.tensor(x, requires_grad=True)
    out = program(leaf)
    np.testing.assert_allclose(out.detach().numpy(), program(x.copy()), rtol=1e-12)
    out.sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), derivative(program, x), rtol=1e-10)


def write_row(x: Any) -> Any:
    y = x * 2.0
    y[1] = x[0] * x[2]
    return y * y


def scale_through_view_of_view(x: Any) -> Any:
    y = x * x
    part = y[1:].reshape(-1)[2:6]
    part *= 3.0
    part += x[0]
    return y * x


def write_transposed(x: Any) -> Any:
    y = x * 1.0
    t = y.T
    t[0] = t[1] + t[2] * 3.0
    t[3] *= x[:, 0]
    return y * y


def base_then_view(x: Any) -> Any:
    y = x * x
    row = y[1]
    y *= 2.0
    row *= 5.0
    y += x
    return row * row * x[1] + y[2]


def constant_over_used(x: Any) -> Any:
    y = x * 3.0
    z = y + y
    y[0] = 0.0
    return z * x + y * x


def into_plain(x: Any) -> Any:
    y = x * 0.0
    half = y[:, 1:3]
    half += x[:, :2]
    half *= x[:, 2:]
    return y * x


def self_overlapping(x: Any) -> Any:
    y = x * 1.0
    y[1:] = y[:-1] - y[1:]
    y[0] = y[2]
    return y


def with_itself(x: Any) -> Any:
    y = x + 0.0
    y *= y
    y *= y[0]
    return y


PROGRAMS = [
    write_row, scale_through_view_of_view, write_transposed, base_then_view, constant_over_used,
    into_plain, self_overlapping, with_itself,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_gradients_through_writes(program: Callable[[Any], Any]) -> None:
    check(program)


def test_index_arrays() -> None:
    def on(index: Any) -> Callable[[Any], Any]:
        def program(x: Any) -> Any:
            y = x * 2.0
            y[index] = x[:2] * 3.0
            return y * y

        return program

    x = np.random.default_rng(1).uniform(0.5, 1.5, (3, 4))
    leaf = vt.tensor(x, requires_grad=True)
    on(vt.tensor([2, 0]))(leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), derivative(on(np.array([2, 0])), x), rtol=1e-10)


def test_masks() -> None:
    x = np.array([-1.0, 2.0, -3.0, 4.0])
    leaf = vt.tensor(x, requires_grad=True)
    y = leaf * 2.0
    y[leaf < 0] = 0.0
    (y * y).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), np.where(x < 0, 0, 8 * x))


@pytest.mark.parametrize("pieces", [lambda y: y.chunk(2), lambda y: y.split([1, 3])])
def test_writes_to_one_of_many_views(pieces: Callable[[Any], Any]) -> None:
    x = np.random.default_rng(2).uniform(0.5, 1.5, 4)
    leaf = vt.tensor(x, requires_grad=True)
    y = leaf * 1.0
    first, second = pieces(y)
    second *= 3.0
    (y * y).sum().backward()
    scale = np.where(np.arange(4) < len(first), 1.0, 9.0)
    np.testing.assert_allclose(leaf.grad.numpy(), 2 * x * scale)


# ---------------------------------------------------------------- random programs

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["row", "tail", "turn", "flat", "scale", "add", "mul", "set", "copy"]),
        st.integers(0, 7),
        st.integers(0, 7),
    ),
    max_size=9,
)


def run(steps: list[tuple[str, int, int]], x: Any) -> Any:
    """A program over a pool of values, each perhaps a view of another."""
    pool = [x * 1.5, x + 0.5, x[:2] * x[1:]]
    for name, i, j in steps:
        a, b = pool[i % len(pool)], pool[j % len(pool)]
        alike = tuple(a.shape) == tuple(b.shape)
        if name == "row" and a.ndim == 2:
            pool.append(a[j % len(a)])
        elif name == "tail":
            pool.append(a[..., j % 2 :])
        elif name == "turn" and a.ndim == 2:
            pool.append(a.T)
        elif name == "flat":
            pool.append(a.reshape(-1))
        elif name == "scale":
            a *= 0.5
        elif name == "add" and alike:
            a += b
        elif name == "mul" and alike:
            a *= b
        elif name == "set" and a.ndim == 2:
            a[j % len(a)] = 0.25
        elif name == "copy" and alike:
            a[...] = b
    total = 0.0
    for k, value in enumerate(pool):
        total = total + (value * value).sum() * (k + 1.0)
    return total


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_random_programs_of_views_and_writes(steps: list[tuple[str, int, int]]) -> None:
    x = np.random.default_rng(3).uniform(0.2, 0.8, (3, 4))
    leaf = vt.tensor(x, requires_grad=True)
    out = run(steps, leaf)
    np.testing.assert_allclose(out.item(), run(steps, x.copy()), rtol=1e-10)
    try:
        out.backward()
    except AutogradError as error:  # what a gradient needs was overwritten: refused, never wrong
        assert "in-place" in str(error)
        return
    expected = derivative(lambda v: run(steps, v), x)
    np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-8, atol=1e-10)


# ---------------------------------------------------------------- memory and refusals


def test_views_share_memory_and_copies_do_not() -> None:
    x = vt.arange(12).reshape(3, 4)
    for view in (
        x[1],
        x[:, ::2],
        x.T,
        x.reshape(-1),
        x.unsqueeze(0),
        x.chunk(3)[2],
        x.expand(2, 3, 4),
    ):
        assert np.shares_memory(view.numpy(), x.numpy())
    for copy in (
        x.clone(),
        x[vt.tensor([0, 1])],
        x[x > 3],
        x.T.reshape(-1),
        x.T.contiguous(),
        x + 0,
    ):
        assert not np.shares_memory(copy.numpy(), x.numpy())


def test_ops_never_hand_back_their_input() -> None:
    whole = vt.tensor([1, 2])
    for out in (vt.floor(whole), vt.round(whole), whole.sum(()), sum_to(whole, (2,))):
        out += 1
    assert whole.tolist() == [1, 2]


def test_view_of_memory_that_needs_a_copy_is_refused() -> None:
    with pytest.raises(ArgumentError, match="reshape"):
        vt.ones(2, 3).T.view(6)


def test_expanded_memory_is_not_written() -> None:
    x = vt.ones(1, 3).expand(2, 3)
    with pytest.raises(ArgumentError, match="expanded"):
        x += 1
    with pytest.raises(ArgumentError, match="clone"):
        x[0, 0] = 5.0


def test_inplace_keeps_identity_and_dtype() -> None:
    x = vt.ones(3)
    y = x
    x += vt.tensor([1, 2, 3])
    assert x is y and x.dtype is vt.float32
    with pytest.raises(DTypeError, match="float32 cannot be written into int64"):
        vt.tensor([1, 2]).add_(0.5)
    half = vt.ones(2, dtype=vt.float16)
    half += vt.ones(2, dtype=vt.float64)
    assert half.dtype is vt.float16
    with pytest.raises(ValueError):
        vt.ones(3).add_(vt.ones(2, 3))


@pytest.mark.parametrize(
    "write",
    [
        lambda w: w.add_(1),
        lambda w: w.__setitem__(0, 1.0),
        lambda w: w[1:].mul_(2),
        lambda w: w.reshape(-1)[0].zero_(),
    ],
)
def test_leaves_are_not_written(write: Callable[[Any], Any]) -> None:
    w = vt.ones(3, requires_grad=True)
    with pytest.raises(AutogradError, match="leaf that requires gradients"):
        write(w)
    with vt.no_grad():
        write(w)
    assert w.requires_grad and w.is_leaf


def test_write_to_a_view_made_under_no_grad_is_refused() -> None:
    y = vt.ones(3, requires_grad=True) * 2
    with vt.no_grad():
        row = y[0]
    with pytest.raises(AutogradError, match="under no_grad"):
        row.mul_(2)


def test_overwriting_cuts_the_history_but_not_the_graph() -> None:
    w = vt.ones(3, requires_grad=True)
    y = w * 2
    y.zero_()
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert w.grad.tolist() == [0, 0, 0]


def test_copy_keeps_two_tensors_apart() -> None:
    w = vt.ones(3, requires_grad=True)
    v = w * 2
    x = vt.zeros(3)
    x.copy_(v)
    gx, gv = vt.grad(x.sum() + v.sum(), [x, v])
    assert gx.tolist() == [1, 1, 1] and gv.tolist() == [2, 2, 2]


def test_deep_chains_of_views() -> None:
    y = vt.ones(3, requires_grad=True) * 1
    base = y
    for _ in range(3000):
        y = y.reshape(3)
    y.mul_(2)
    assert base.tolist() == [2, 2, 2] and y.grad_fn is not None
    base.mul_(2)
    assert y.requires_grad and y.tolist() == [4, 4, 4]
