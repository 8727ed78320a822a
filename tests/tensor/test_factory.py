"""Tensors from data, from sizes and from random numbers."""

import array
import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import vitrify as vt
from vitrify.errors import ArgumentError, DTypeError

DTYPES = {
    vt.bool: np.bool_, vt.uint8: np.uint8, vt.uint16: np.uint16, vt.uint32: np.uint32,
    vt.uint64: np.uint64, vt.int8: np.int8, vt.int16: np.int16, vt.int32: np.int32,
    vt.int64: np.int64, vt.float16: np.float16, vt.bfloat16: ml_dtypes.bfloat16,
    vt.float32: np.float32, vt.float64: np.float64,
}  # fmt: skip


@pytest.mark.parametrize(
    "data, dtype, shape",
    [
        (1, vt.int64, ()),
        (1.5, vt.float32, ()),
        (True, vt.bool, ()),
        ([], vt.float32, (0,)),
        ([[1, 2], [3, 4]], vt.int64, (2, 2)),
        ([1, 2.5], vt.float32, (2,)),
        ([True, 2], vt.int64, (2,)),
        (range(3), vt.int64, (3,)),
        (np.float64(1), vt.float64, ()),
        (np.arange(3, dtype=np.int16), vt.int16, (3,)),
        (array.array("d", [1, 2]), vt.float32, (2,)),
        (np.ones((2, 0)), vt.float64, (2, 0)),
    ],
)
def test_dtypes_inferred_from_data(data: Any, dtype: vt.DType, shape: tuple[int, ...]) -> None:
    out = vt.tensor(data)
    assert (out.dtype, out.shape) == (dtype, shape)
    np.testing.assert_array_equal(np.asarray(out), np.asarray(data))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.name)
def test_every_dtype(dtype: vt.DType) -> None:
    out = vt.tensor([0, 1, 1], dtype=dtype)
    assert out.dtype is dtype and out.numpy().dtype == DTYPES[dtype]
    assert out.tolist() == [0, 1, 1]
    assert vt.tensor(np.array([0, 1], DTYPES[dtype])).dtype is dtype
    assert out.itemsize == np.dtype(DTYPES[dtype]).itemsize and out.nbytes == 3 * out.itemsize


def test_doubles_keep_their_digits() -> None:
    assert vt.tensor([0.1], dtype=vt.float64).item() == 0.1


@pytest.mark.parametrize("data", ["text", [1, "a"], [1 + 2j], [None], object(), b"bytes"])
def test_what_no_tensor_can_hold(data: Any) -> None:
    with pytest.raises(DTypeError, match="no tensor can hold"):
        vt.tensor(data)


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ArgumentError, match="no tensor can be made"):
        vt.tensor([[1, 2], [3]])


def test_tensor_copies_and_as_tensor_shares() -> None:
    x = np.zeros(3, np.float32)
    assert not np.shares_memory(vt.tensor(x).numpy(), x)
    for shared in (vt.as_tensor(x), vt.from_numpy(x), vt.from_dlpack(x)):
        shared += 1
    assert x.tolist() == [3, 3, 3]
    t = vt.ones(2)
    assert vt.as_tensor(t) is t and vt.as_tensor(t, dtype=vt.float64).dtype is vt.float64
    assert vt.tensor([t[0], t[1] * 2]).tolist() == [1, 2]
    assert vt.as_tensor(x, dtype=vt.int64).dtype is vt.int64


def test_read_only_arrays_are_shared_but_not_written() -> None:
    x = np.zeros(3)
    x.flags.writeable = False
    t = vt.from_numpy(x)
    with pytest.raises(ArgumentError, match="read-only"):
        t += 1


def test_from_numpy_takes_only_arrays() -> None:
    with pytest.raises(DTypeError, match="NumPy array"):
        vt.from_numpy([1, 2])


def test_sizes_and_fills() -> None:
    assert vt.zeros(2, 3).shape == vt.zeros((2, 3)).shape == (2, 3)
    assert vt.ones(2, dtype=vt.int32).tolist() == [1, 1]
    assert vt.full((2,), 7).dtype is vt.int64 and vt.full((2,), 7.0).dtype is vt.float32
    assert vt.empty(2).tolist() == [0, 0]
    assert vt.arange(2, 8, 3).tolist() == [2, 5] and vt.arange(1.5).tolist() == [0, 1]
    assert vt.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert vt.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert vt.arange(2.0, requires_grad=True).requires_grad
    like = vt.ones(2, dtype=vt.float64)
    assert vt.zeros_like(like).dtype is vt.full_like(like, 2).dtype is vt.float64
    assert vt.ones_like(like, dtype=vt.int64).tolist() == [1, 1]
    for made in (vt.zeros, vt.ones, vt.rand, vt.randn, vt.eye, vt.empty):
        assert made(3, requires_grad=True).requires_grad
    assert like.new_zeros(2).dtype is like.new_full((1,), 2).dtype is vt.float64


def test_random_numbers_repeat_from_a_seed() -> None:
    def draw() -> list[Any]:
        return [
            vt.rand(3).tolist(),
            vt.randn(2, 2).tolist(),
            vt.randint(0, 10, (4,)).tolist(),
            vt.randperm(5).tolist(),
            vt.bernoulli(vt.full((4,), 0.5)).tolist(),
        ]

    vt.manual_seed(3)
    first = draw()
    assert draw() != first
    vt.manual_seed(3)
    assert draw() == first
    own = [vt.rand(3, generator=vt.Generator(5)).tolist() for _ in range(2)]
    assert own[0] == own[1]


def test_random_numbers_are_distributed_as_said() -> None:
    vt.manual_seed(0)
    uniform, normal = vt.rand(20_000).numpy(), vt.randn(20_000).numpy()
    assert uniform.dtype == normal.dtype == np.float32
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.03
    whole = vt.randint(-2, 3, (1000,)).numpy()
    assert set(whole) == {-2, -1, 0, 1, 2}
    assert vt.randint(5, (3,)).shape == (3,)
    assert sorted(vt.randperm(100).tolist()) == list(range(100))
    chance = vt.bernoulli(vt.tensor([0.0, 1.0, 0.5]))
    assert chance[0].item() == 0 and chance[1].item() == 1
    assert vt.rand_like(vt.ones(2, 3, dtype=vt.float64)).dtype is vt.float64


def test_drawing_in_threads() -> None:
    drawn: list[list[float]] = []
    threads = [threading.Thread(target=lambda: drawn.append(vt.rand(100).tolist())) for _ in "ab"]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert drawn[0] != drawn[1]
