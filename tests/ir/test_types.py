"""Promotion agrees with PyTorch's documented tables, and with NumPy where PyTorch has no rule."""

import copy
import pickle

import numpy as np
import pytest

from vitrify.ir.dims import symbol
from vitrify.ir.errors import DTypeError
from vitrify.ir.types import (
    BY_SHORT,
    DTYPES,
    TensorType,
    bool_,
    float32,
    promote_types,
    result_type,
    scalar_dtype,
)

# The table in PyTorch's c10/core/ScalarType.cpp, without the complex types.
TORCH_PROMOTION = """
          bool u8   i8   i16  i32  i64  f16  bf16 f32  f64
    bool  bool u8   i8   i16  i32  i64  f16  bf16 f32  f64
    u8    u8   u8   i16  i16  i32  i64  f16  bf16 f32  f64
    i8    i8   i16  i8   i16  i32  i64  f16  bf16 f32  f64
    i16   i16  i16  i16  i16  i32  i64  f16  bf16 f32  f64
    i32   i32  i32  i32  i32  i32  i64  f16  bf16 f32  f64
    i64   i64  i64  i64  i64  i64  i64  f16  bf16 f32  f64
    f16   f16  f16  f16  f16  f16  f16  f16  f32  f32  f64
    bf16  bf16 bf16 bf16 bf16 bf16 bf16 f32  bf16 f32  f64
    f32   f32  f32  f32  f32  f32  f32  f32  f32  f32  f64
    f64   f64  f64  f64  f64  f64  f64  f64  f64  f64  f64
"""


def _torch_pairs() -> list[tuple[str, str, str]]:
    header, *rows = (line.split() for line in TORCH_PROMOTION.strip().splitlines())
    return [(row[0], *pair) for row in rows for pair in zip(header, row[1:], strict=True)]


@pytest.mark.parametrize(("a", "b", "expected"), _torch_pairs())
def test_promotion_is_pytorchs(a: str, b: str, expected: str) -> None:
    assert promote_types(BY_SHORT[a], BY_SHORT[b]) is BY_SHORT[expected]


@pytest.mark.parametrize("a", [d for d in DTYPES if not d.is_floating_point], ids=lambda d: d.short)
@pytest.mark.parametrize("b", [d for d in DTYPES if not d.is_floating_point], ids=lambda d: d.short)
def test_promotion_of_integers_is_numpys(a, b) -> None:
    expected = np.promote_types(a.name, b.name)
    if expected == np.float64:  # no integer type is wide enough
        with pytest.raises(DTypeError, match="no integer type holds both"):
            promote_types(a, b)
    else:
        assert promote_types(a, b).name == expected.name


@pytest.mark.parametrize("unsigned", ["u16", "u32", "u64"])
@pytest.mark.parametrize("floating", ["f16", "bf16", "f32", "f64"])
def test_floats_win_over_wide_unsigned_integers(unsigned: str, floating: str) -> None:
    assert promote_types(BY_SHORT[unsigned], BY_SHORT[floating]) is BY_SHORT[floating]


# dimensioned tensors; 0-d tensors; Python numbers; what torch.result_type documents
@pytest.mark.parametrize(
    ("dimensioned", "zero_dim", "numbers", "expected"),
    [
        ("f32", "f64", (), "f32"),  # a 0-d tensor of the same category does not widen
        ("i32", "i64", (), "i32"),
        ("u8", "i8", (), "u8"),
        ("f16", "i64", (), "f16"),
        ("i32", "f64", (), "f64"),  # but one of a higher category decides
        ("bool", "u8", (), "u8"),
        ("i32", "f16 f32", (), "f32"),
        ("", "i64 f32", (), "f32"),
        ("", "f16 f64", (), "f64"),
        ("f16", "", (2.5,), "f16"),  # a Python number of the same category does not widen
        ("u8", "", (-1,), "u8"),
        ("i8", "", (1000,), "i8"),
        ("i64", "", (2.5,), "f32"),  # a float makes an integer the default float type
        ("bool", "", (2,), "i64"),
        ("bool", "", (2.5,), "f32"),
        ("bool", "", (True,), "bool"),
        ("i16", "", (True,), "i16"),
        ("", "i32", (2,), "i32"),
        ("", "i32", (2.5,), "f32"),
        ("", "f64", (2.5,), "f64"),
        ("", "bf16", (2,), "bf16"),
        ("i32", "bool", (2.5,), "f32"),
        ("u8 i8", "", (), "i16"),
        ("f16 bf16", "", (), "f32"),
        ("", "", (1, 2.5), "f32"),
    ],
)
def test_result_type(dimensioned: str, zero_dim: str, numbers: tuple, expected: str) -> None:
    groups = [[BY_SHORT[name] for name in group.split()] for group in (dimensioned, zero_dim)]
    assert result_type(*groups, map(scalar_dtype, numbers)) is BY_SHORT[expected]


def test_result_type_of_nothing() -> None:
    with pytest.raises(DTypeError, match="at least one input"):
        result_type([])


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.short)
def test_dtypes_describe_themselves(dtype) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.dtype(getattr(ml_dtypes, dtype.name, dtype.name))
    assert dtype.itemsize == array.itemsize
    assert dtype.is_integer == np.issubdtype(array, np.integer)
    assert copy.deepcopy(dtype) is dtype
    assert pickle.loads(pickle.dumps(dtype)) is dtype


def test_tensor_types_compare_by_structure() -> None:
    n, m = symbol("n"), symbol("m")
    a = TensorType(float32, (n + 1, 3))
    assert a == TensorType(float32, (1 + n, 3))
    assert hash(a) == hash(TensorType(float32, (1 + n, 3)))
    assert a != TensorType(float32, (m + 1, 3))  # and asks nobody whether n == m
    assert a != TensorType(bool_, (n + 1, 3))
    assert a != TensorType(float32, (n + 1, 3, 1))
    assert a != "f32[n + 1, 3]"
    assert str(a) == "f32[n + 1, 3]"
    assert not a.is_static
    assert TensorType(float32, ()).is_static
