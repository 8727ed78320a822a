"""ONNX models computed by ONNX Runtime, against eager, for every opset and many sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import vitrify as vt
import vitrify.nn.functional as F
from vitrify import nn
from vitrify.export.session import Session

OPSETS = [17, 18, 20, 21, 23, 24, 26]
SIZES = [1, 2, 7, 300]


def check(
    path: Path, function: Callable[..., Any], *args: Any, dynamic: Any = None, opset: int = 23
) -> Callable[..., None]:
    """Export, and compare a run with eager; returns the comparison, for other inputs."""
    vt.export.onnx(vt.trace(function, *args, dynamic=dynamic), path, opset=opset)
    model = onnx.load(path)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    session = Session(path)

    def agrees(*args: Any) -> None:
        result = function(*args)
        expected = result if isinstance(result, tuple) else (result,)
        for got, wanted in zip(session(*args).values(), expected, strict=True):
            assert got.type == wanted.type
            a, b = got.numpy(), wanted.detach().numpy()
            if wanted.dtype.is_floating_point:
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
            else:
                np.testing.assert_array_equal(a, b)

    agrees(*args)
    return agrees


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: vt.Tensor) -> vt.Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return F.log_softmax(self.fc(F.avg_pool2d(x, 3, stride=1, padding=1).flatten(1)), 1)


class Block(nn.Module):
    """A transformer's block, before anything about it is special."""

    def __init__(self, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: vt.Tensor) -> vt.Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm1(x)).chunk(3, -1)
        )
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


def everything(x: vt.Tensor, i: vt.Tensor) -> tuple[vt.Tensor, ...]:
    """Ops whose ONNX form changed between opsets, or takes care."""
    return (
        F.gelu(x, approximate="tanh"),
        F.rms_norm(x, (6,)),
        x.amax(1),
        x.amin((0, 1)),
        x.prod(1, keepdim=True),
        vt.logsumexp(x, 1),
        x.var(1),
        vt.isinf(x) | vt.isnan(x),
        (x > 0).any(1),
        vt.expm1(x * 1e-4) * 1e4,
        vt.log1p(x.abs() * 1e-4) * 1e4,
        vt.floor_divide(x, 0.3),
        vt.remainder(x, -0.7),
        vt.floor_divide(i, -3),
        vt.remainder(i, -3),
        vt.round(x * 4) / 4,
        x.cumsum(1),
        x[i],
        x[i, i],
        x.tril(),
        vt.split(x, [2, 4], 1)[1],
        F.pad(x, (1, 2), value=3.0),
        x.argmax(1),
        F.embedding(i, x),
        vt.flip(x, 0),
    )


@pytest.mark.parametrize("opset", OPSETS)
def test_models_run_in_every_opset(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    check(path, CNN().eval(), vt.randn(2, 1, 8, 8), dynamic={"x": {0: "batch"}}, opset=opset)
    dynamic = {"x": {0: "batch", 1: "seq"}}
    check(path, Block(), vt.randn(2, 5, 16), dynamic=dynamic, opset=opset)
    index = vt.tensor(np.array([0, 2, 5, -1]))
    check(path, everything, vt.randn(6, 6), index, opset=opset)


@pytest.mark.parametrize("opset", [17, 23])
def test_dynamic_sizes(opset: int, tmp_path: Path) -> None:
    cnn = check(
        tmp_path / "cnn.onnx",
        CNN().eval(),
        vt.randn(2, 1, 8, 8),
        dynamic={"x": {0: "batch"}},
        opset=opset,
    )
    block = check(
        tmp_path / "block.onnx",
        Block(),
        vt.randn(2, 5, 16),
        dynamic={"x": {0: "batch", 1: "seq"}},
        opset=opset,
    )
    for n in SIZES:
        cnn(vt.randn(n, 1, 8, 8))
        block(vt.randn(min(n, 7), n, 16))
        block(vt.randn(n, 2, 16))


def test_arithmetic_on_sizes(tmp_path: Path) -> None:
    """Floor division and remainders of sizes round down, also below zero."""

    def function(x: vt.Tensor) -> tuple[vt.Tensor, ...]:
        n = x.shape[0]
        return (
            x * ((3 - n) // 2),
            x * ((3 - n) % 4),
            x * (2 * n * n - 5 * n + 1),
            vt.arange(n) + n,
            vt.arange(0, 3 * n, 2),
            vt.full((n, 2), n),
            vt.eye(n),
            x[: n // 2 + 1],
            x.unsqueeze(0).expand(n, n),
            F.pad(x, (n, 1)),
            x.mean() + n,
        )

    agrees = check(tmp_path / "sizes.onnx", function, vt.randn(4), dynamic={"x": {0: "n"}})
    for n in SIZES:
        agrees(vt.randn(n))


def test_sizes_are_solved_from_inputs_that_hold_a_multiple(tmp_path: Path) -> None:
    n = vt.dim("n")

    def function(x: vt.Tensor) -> vt.Tensor:
        half = x.shape[0] // 2
        return vt.arange(half * 3) * half

    agrees = check(tmp_path / "half.onnx", function, vt.randn(4), dynamic={"x": {0: 2 * n}})
    for size in SIZES:
        agrees(vt.randn(2 * size))


def test_two_dims_joined_and_split(tmp_path: Path) -> None:
    def function(x: vt.Tensor) -> tuple[vt.Tensor, ...]:
        b, s, _ = x.shape
        return (
            x.reshape(b * s, 4),
            x.reshape(s, b, 4),
            x.flatten(0, 1).reshape(b, s, 2, 2),
            x.transpose(0, 1).flatten(1),
        )

    dynamic = {"x": {0: "b", 1: "s"}}
    agrees = check(tmp_path / "joined.onnx", function, vt.randn(2, 3, 4), dynamic=dynamic)
    for n in SIZES:
        agrees(vt.randn(n, 3, 4))
        agrees(vt.randn(3, n, 4))


def test_a_batch_may_be_empty_where_it_is_allowed(tmp_path: Path) -> None:
    dynamic = {"x": {0: vt.dim("batch", min=0)}}
    agrees = check(tmp_path / "e.onnx", CNN().eval(), vt.randn(2, 1, 8, 8), dynamic=dynamic)
    agrees(vt.randn(0, 1, 8, 8))


def test_nan_and_the_sign_of_zero(tmp_path: Path) -> None:
    def function(x: vt.Tensor) -> tuple[vt.Tensor, ...]:
        return (
            vt.maximum(x, 0.0 * x),
            F.relu(x),
            x.clamp(-1.0, 1.0),
            x.clamp(max=1.0),
            x.amax(),
            vt.sign(x),
            1.0 / vt.trunc((x - 0.5) / 8),
            x.cumsum(0)[:2],
        )

    values = np.array([-3.0, -0.0, np.nan, np.inf, -np.inf, 2.5], np.float32)
    check(tmp_path / "nan.onnx", function, vt.tensor(values))


@pytest.mark.parametrize("dtype", [vt.float64, vt.float16, vt.bfloat16])
def test_other_floats(dtype: vt.DType, tmp_path: Path) -> None:
    tolerance = {vt.float64: 1e-9, vt.float16: 1e-2, vt.bfloat16: 6e-2}[dtype]
    net, x = CNN().eval(), vt.randn(2, 1, 8, 8)
    block, y = Block(), vt.randn(2, 5, 16)
    for model, example in ((net, x), (block, y)):
        model, example = model.to(dtype), example.to(dtype)
        path = tmp_path / "model.onnx"
        vt.export.onnx(vt.trace(model, example), path)
        got, wanted = vt.run(path, example), model(example)
        assert got.type == wanted.type
        np.testing.assert_allclose(
            got.double().numpy(), wanted.detach().double().numpy(), rtol=tolerance, atol=tolerance
        )
