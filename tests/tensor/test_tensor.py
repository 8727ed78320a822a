"""Tensors beside Python and other libraries: numbers, arrays, operators, copies, properties."""

import copy
import operator
from typing import Any

import numpy as np
import pytest

import vitrify as vt
import vitrify.nn.functional as F
from vitrify import nn
from vitrify.errors import ArgumentError, AutogradError, CaptureError, DTypeError
from vitrify.ir.graph import Value
from vitrify.ir.types import TensorType

# ---------------------------------------------------------------- to Python


def test_numbers() -> None:
    for data, kind in ((True, bool), (3, int), (2.5, float)):
        assert vt.tensor(data).item() == data and type(vt.tensor([[data]]).item()) is kind
    assert type(vt.tensor(2.5, dtype=vt.bfloat16).item()) is float
    assert float(vt.tensor([1.5])) == 1.5 and int(vt.tensor(2.9)) == 2
    assert [10, 20, 30][vt.tensor(1)] == 20
    assert complex(vt.tensor(2.0)) == 2 + 0j
    for convert in (float, int, vt.Tensor.item):
        with pytest.raises(ArgumentError, match="single element"):
            convert(vt.ones(2))
    with pytest.raises(TypeError):
        operator.index(vt.tensor(1.0))


def test_truth() -> None:
    assert vt.tensor([0.5]) and not vt.tensor(0)
    with pytest.raises(ArgumentError, match="ambiguous"):
        bool(vt.ones(2))
    with pytest.raises(ValueError):
        bool(vt.zeros(0))


def test_lists() -> None:
    assert vt.tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert vt.tensor([1.5], dtype=vt.bfloat16).tolist() == [1.5]
    assert vt.tensor(3).tolist() == 3


def test_formats() -> None:
    x = vt.tensor(3.14159)
    assert f"{x:.3f}" == f"{x.item():.3f}" == "3.142" and f"{vt.tensor(7):04d}" == "0007"
    assert f"{x}" == str(x)
    with pytest.raises(TypeError):
        format(vt.ones(2), ".3f")


def test_containers() -> None:
    x = vt.tensor([[1, 2], [3, 4]])
    assert len(x) == 2 and [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert 3 in x and 9 not in x and vt.tensor(2) in x
    _, second = x
    assert second.tolist() == [3, 4]
    for use in (len, list, iter):
        with pytest.raises(TypeError, match="0-d"):
            use(vt.tensor(1))


def test_equality_is_elementwise_and_hashes_are_identity() -> None:
    x = vt.tensor([1, 2])
    assert (x == vt.tensor([1, 3])).tolist() == [True, False]
    assert (x != 1).tolist() == [False, True]
    assert (x == None) is False and (x != "text") is True  # noqa: E711
    assert len({x: 1, vt.tensor([1, 2]): 2}) == 2 and hash(x) == hash(x)


# ---------------------------------------------------------------- to arrays


def test_numpy_shares_memory() -> None:
    x = vt.zeros(3)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 0, 0]
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(x, [5, 0, 0])
    assert np.mean(np.asarray(x)) == pytest.approx(5 / 3)
    with pytest.raises(ValueError):
        np.asarray(x, dtype=np.int32, copy=False)


def test_dlpack_shares_memory_both_ways() -> None:
    x = vt.arange(3)
    theirs = np.from_dlpack(x)
    theirs[0] = 9
    assert x.tolist() == [9, 1, 2]
    ours = vt.from_dlpack(theirs)
    ours += 1
    assert x.tolist() == [10, 2, 3]
    assert x.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    "use", [vt.Tensor.numpy, np.asarray, np.from_dlpack], ids=["numpy", "asarray", "dlpack"]
)
def test_values_with_history_are_not_given_out(use: Any) -> None:
    x = vt.ones(2, requires_grad=True)
    with pytest.raises(AutogradError, match="detach"):
        use(x)
    use(x.detach())


def test_arrays_on_either_side_are_refused_in_words() -> None:
    x, array = vt.ones(2), np.ones(2)
    for mix in (lambda: x + array, lambda: array + x, lambda: array @ x, lambda: array == x):
        with pytest.raises(DTypeError, match=r"vt\.tensor"):
            mix()


def test_numpy_scalars_count_as_numbers() -> None:
    x = vt.ones(2)
    for out in (x * np.float64(2), np.float64(2) * x, np.int64(2) * x, 2 * x):
        assert out.tolist() == [2, 2] and out.dtype is vt.float32


@pytest.mark.parametrize("use", [float, bool, int, list, np.asarray, vt.Tensor.tolist])
def test_symbolic_tensors_have_no_values(use: Any) -> None:
    x = vt.Tensor._from_payload(Value(TensorType(vt.float32, (1,))))
    with pytest.raises(CaptureError):
        use(x)
    with pytest.raises(CaptureError, match="outlived the capture"):
        x + vt.ones(1)


# ---------------------------------------------------------------- operators


@pytest.mark.parametrize(
    "op",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv,
        operator.mod, operator.pow, operator.lt, operator.le, operator.gt, operator.ge,
        operator.eq, operator.ne,
    ],
)  # fmt: skip
def test_operators_are_those_of_numpy(op: Any) -> None:
    a, b = np.array([1.5, 2.5, 3.0]), np.array([2.0, 0.5, 3.0])
    x, y = vt.tensor(a), vt.tensor(b)
    np.testing.assert_array_equal(op(x, y).numpy(), op(a, b))
    np.testing.assert_array_equal(op(x, 2.0).numpy(), op(a, 2.0))
    np.testing.assert_array_equal(op(2.0, y).numpy(), op(2.0, b))
    in_place = getattr(operator, f"i{op.__name__}", None)
    if in_place is not None:
        same = x
        same = in_place(same, y)
        assert same is x
        np.testing.assert_array_equal(x.numpy(), op(a, b))


@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor])
def test_bit_operators(op: Any) -> None:
    a, b = np.array([5, 3]), np.array([6, 10])
    np.testing.assert_array_equal(op(vt.tensor(a), vt.tensor(b)).numpy(), op(a, b))
    np.testing.assert_array_equal(op(vt.tensor(a), 2).numpy(), op(a, 2))
    np.testing.assert_array_equal((~vt.tensor(a)).numpy(), ~a)


def test_matrix_products() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    np.testing.assert_array_equal((vt.tensor(a) @ vt.tensor(b)).numpy(), a @ b)
    np.testing.assert_array_equal(vt.tensor(a).T.numpy(), a.T)
    np.testing.assert_array_equal(vt.tensor(a).t().mT.numpy(), a)


@pytest.mark.parametrize(
    "make, dtype",
    [
        # PyTorch's: dims decide over 0-d tensors, and those over numbers, within a category
        (lambda: vt.ones(1, dtype=vt.float16) + vt.tensor(1.0, dtype=vt.float64), vt.float16),
        (lambda: vt.ones(1, dtype=vt.int8) + vt.tensor(1), vt.int8),
        (lambda: vt.ones(1, dtype=vt.int8) + 1000.0, vt.float32),
        (lambda: vt.ones(1, dtype=vt.bool) + 1, vt.int64),
        (lambda: vt.ones(1, dtype=vt.bool) + True, vt.bool),
        (lambda: vt.tensor(1) + 1.5, vt.float32),
        (lambda: vt.tensor(1, dtype=vt.float16) + 1.5, vt.float16),
        (lambda: vt.ones(1, dtype=vt.float16) + vt.ones(1, dtype=vt.bfloat16), vt.float32),
        (lambda: vt.ones(1, dtype=vt.uint8) + vt.ones(1, dtype=vt.int8), vt.int16),
        (lambda: vt.arange(2) / 2, vt.float32),
        (lambda: vt.arange(2) * vt.ones(2, dtype=vt.float64), vt.float64),
        (lambda: 1 - vt.ones(1, dtype=vt.int32), vt.int32),
    ],
)
def test_promotion(make: Any, dtype: vt.DType) -> None:
    assert make().dtype is dtype


# ---------------------------------------------------------------- copies and conversions


def test_deepcopy() -> None:
    x = vt.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    twice = copy.deepcopy([x, x])
    assert twice[0] is twice[1] and twice[0] is not x
    assert twice[0].requires_grad and twice[0].grad.tolist() == [3, 3]
    twice[0].detach().zero_()
    twice[0].grad.zero_()
    assert x.tolist() == [1, 1] and x.grad.tolist() == [3, 3]
    with pytest.raises(AutogradError, match="leaves"):
        copy.deepcopy(x * 2)


def test_detach_and_data_share_memory() -> None:
    x = vt.ones(2, requires_grad=True)
    for other in (x.detach(), x.data):
        assert not other.requires_grad and other.is_leaf
        other += 1
    assert x.tolist() == [3, 3]
    x.data = vt.zeros(3, dtype=vt.float64)
    assert x.shape == (3,) and x.dtype is vt.float64


def test_to() -> None:
    x = vt.tensor([1.7, -1.7])
    assert x.to(vt.float32) is x and x.to("cpu") is x and x.cpu() is x
    assert x.to(vt.int64).tolist() == x.long().tolist() == [1, -1]
    assert x.to(vt.ones(1, dtype=vt.float64)).dtype is vt.float64
    assert x.to("cpu", vt.float16).dtype is x.half().dtype is vt.float16
    assert x.bfloat16().float().double().dtype is vt.float64
    assert x.bool().tolist() == [True, True] and x.int().dtype is vt.int32
    assert x.type_as(vt.tensor(1)).dtype is vt.int64
    with pytest.raises(ArgumentError, match="to\\(\\) takes"):
        x.to(5)


def test_properties() -> None:
    x = vt.zeros(2, 3, 4, dtype=vt.float16)
    assert x.size() == x.shape == (2, 3, 4) and x.size(-1) == 4
    assert x.ndim == x.dim() == 3 and x.numel() == x.nelement() == 24
    assert x.itemsize == x.element_size() == 2 and x.nbytes == 48
    assert x.stride() == (12, 4, 1) and x.stride(0) == 12
    assert x.is_contiguous() and not x.transpose(0, 2).is_contiguous()
    assert not x.is_cuda and x.is_floating_point() and x.is_leaf and x.grad_fn is None
    assert x[1].data_ptr() == x.data_ptr() + 24
    assert str(x.type) == "f16[2, 3, 4]"
    with pytest.raises(AttributeError):
        x.dtype = vt.float32


def test_tensors_take_attributes_of_users() -> None:
    x = vt.ones(1)
    x.note = "kept"
    assert x.note == "kept"


def test_tensor_takes_only_tensors() -> None:
    with pytest.raises(ArgumentError, match=r"vt\.tensor\(data\)"):
        vt.Tensor([1, 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: x.gather(0, 3), "gather: index must be a tensor, not int"),
        (lambda x: nn.Linear(3, 2)(None), "linear: input must be a tensor, not NoneType"),
        (lambda x: F.cross_entropy(x, [0, 1]), "cross_entropy: target must be a tensor, not list"),
        (lambda x: vt.where(3, x, x), "where: condition must be a tensor, not int"),
    ],
)
def test_what_is_no_tensor_is_refused_by_name_in_eager_code_and_in_a_capture(call, message):
    x = vt.ones(2, 3)
    with pytest.raises(vt.errors.DTypeError, match=message):
        call(x)
    if "linear" not in message:  # making a layer draws random numbers
        with pytest.raises(vt.errors.DTypeError, match=f"test_tensor.py:\\d+: {message}"):
            vt.trace(call, x)
