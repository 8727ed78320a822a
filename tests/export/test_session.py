"""Running ONNX files: how inputs are given, and what is said when they do not fit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import vitrify as vt
from vitrify.errors import ArgumentError, ConstraintError, DTypeError, FormatError, VitrifyError
from vitrify.export.session import Session
from vitrify.ir.constraints import Constraint
from vitrify.ir.dims import Condition
from vitrify.ir.location import Location


def attend(x: vt.Tensor, scale: float, cache: list[dict[str, vt.Tensor]]) -> Any:
    return {"y": x * scale + cache[0]["k"], "n": cache[0]["v"].sum()}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = [{"k": vt.randn(3, 4), "v": vt.randn(5)}]
    rows = vt.dim("rows", max=10)
    dynamic = {"x": {0: rows}, "cache.0.k": {0: rows}}
    program = vt.trace(attend, vt.randn(3, 4), 2.0, cache, dynamic=dynamic)
    return vt.export.onnx(program, tmp_path_factory.mktemp("session") / "attend.onnx")


def inputs(rows: int = 3) -> tuple[Any, ...]:
    return vt.randn(rows, 4), 2.0, [{"k": vt.randn(rows, 4), "v": vt.randn(5)}]


def test_by_position_and_by_name(path: Path) -> None:
    x, scale, cache = inputs()
    expected = attend(x, scale, cache)
    for result in (
        vt.run(path, x, scale, cache),
        vt.run(path, x, cache=cache),
        vt.run(str(path), x.numpy(), cache=[{"k": cache[0]["k"].numpy(), "v": cache[0]["v"]}]),
        vt.run(path, x=x, **{"cache.0.k": cache[0]["k"], "cache.0.v": cache[0]["v"]}),
    ):
        assert isinstance(result, dict)
        assert list(result) == ["y", "n"]
        for name, value in result.items():
            assert isinstance(value, vt.Tensor)
            np.testing.assert_allclose(value.numpy(), expected[name].numpy(), rtol=1e-5)


def test_a_single_result_comes_alone(tmp_path: Path) -> None:
    p = vt.trace(lambda x, n: x * n, vt.randn(3), vt.tensor(2.0))
    result = vt.run(vt.export.onnx(p, tmp_path / "m.onnx"), vt.ones(3), 4)
    assert isinstance(result, vt.Tensor)
    assert result.tolist() == [4.0, 4.0, 4.0]


def test_a_session_says_what_it_takes(path: Path) -> None:
    session = Session(path)
    assert [str(port) for port in session.inputs] == [
        "x: f32[rows, 4]",
        "cache.0.k: f32[rows, 4]",
        "cache.0.v: f32[5]",
    ]
    assert "attend.onnx(x: f32[rows, 4]" in repr(session)


X, _, CACHE = inputs()
K, V = CACHE[0]["k"], CACHE[0]["v"]
REFUSED: list[tuple[tuple[Any, ...], dict[str, Any], type[VitrifyError], str]] = [
    ((), {}, ArgumentError, "the input x is missing"),
    ((X, 2.0, [{"k": K}]), {}, ArgumentError, "the input cache.0.v is missing"),
    ((X, 2.0, CACHE, X), {}, ArgumentError, "4 inputs given, the model takes 3"),
    ((X,), {"mask": X}, ArgumentError, "no input is named 'mask'"),
    ((X, 2.0, [{"k": K, "v": V, "w": V}]), {}, ArgumentError, "no input is named 'cache.0.w'"),
    ((X,), {"x": X, "cache": CACHE}, ArgumentError, "the input x is given twice"),
    ((X, 3.0, CACHE), {}, ConstraintError, "scale is 3.0, the model was captured for 2.0"),
    (("x", 2.0, CACHE), {}, ArgumentError, "x is a str, the model takes x: f32"),
    ((X.double(), 2.0, CACHE), {}, DTypeError, "x is float64, the model takes float32"),
    ((X[0], 2.0, CACHE), {}, ConstraintError, r"x has shape \(4,\), the model takes x: f32"),
    ((X[:, :3], 2.0, CACHE), {}, ConstraintError, r"x.shape\[1\] is 3, the model takes 4"),
    (
        (X[:2], 2.0, CACHE),
        {},
        ConstraintError,
        r"cache.0.k.shape\[0\] makes rows = 3, but x.shape\[0\] makes it 2",
    ),
    (inputs(11), {}, ConstraintError, r"x.shape\[0\] makes rows = 11, above 10"),
    (inputs(0), {}, ConstraintError, r"x.shape\[0\] makes rows = 0, below 1"),
]


@pytest.mark.parametrize(("args", "kwargs", "kind", "message"), REFUSED)
def test_inputs_that_do_not_fit(
    path: Path,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    kind: type[VitrifyError],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        vt.run(path, *args, **kwargs)


def test_sizes_that_are_expressions(tmp_path: Path) -> None:
    n = vt.dim("n")
    p = vt.trace(lambda x: x + 1, vt.randn(5), dynamic={"x": {0: 2 * n + 1}})
    path = vt.export.onnx(p, tmp_path / "m.onnx")
    assert vt.run(path, vt.randn(9)).shape == (9,)
    with pytest.raises(ConstraintError, match=r"x.shape\[0\] is 8, which 2\*n \+ 1 cannot be"):
        vt.run(path, vt.randn(8))


@pytest.mark.parametrize("content", [b"", b"hello, this is no model" * 9, b"\x08\x0a"])
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="cannot be loaded by ONNX Runtime") as raised:
        vt.run(path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_missing_file() -> None:
    with pytest.raises(FormatError, match=r"there is no file missing\.onnx"):
        vt.run("missing.onnx")


def test_a_damaged_copy_of_a_good_file(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    for cut in (10, len(content) // 2, len(content) - 5):
        bad = tmp_path / f"{cut}.onnx"
        bad.write_bytes(content[:cut])
        with pytest.raises(FormatError):
            Session(bad)


def test_files_of_other_programs(tmp_path: Path) -> None:
    """No metadata of ours: unnamed sizes may be anything, named ones must agree."""
    helper = onnx.helper
    shapes = [["batch", None], ["batch", 1]]
    given = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip("ab", shapes, strict=True)
    ]
    result = helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, ["batch", None])
    node = helper.make_node("Add", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "g", given, [result])
    opsets = [helper.make_opsetid("", 20)]
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    assert vt.run(path, vt.ones(2, 3), vt.ones(2, 1)).shape == (2, 3)
    with pytest.raises(ConstraintError, match="makes batch = 3, but"):
        vt.run(path, vt.ones(2, 3), vt.ones(3, 1))


def test_a_changed_file_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for factor in (2.0, 300.0):
        vt.export.onnx(vt.trace(lambda x, k=factor: x * k, vt.ones(3)), path)
        assert vt.run(path, vt.ones(3)).tolist() == [factor] * 3


def test_tensors_of_nested_arguments_by_position_or_as_a_tree(tmp_path):
    a, b = vt.ones(2), vt.arange(2).float()
    program = vt.trace(lambda d: d["a"] - d["b"] * 2, {"a": a, "b": b})
    path = vt.export.onnx(program, tmp_path / "m.onnx")
    for result in (vt.run(path, a, b), vt.run(path, {"b": b, "a": a})):
        assert result.tolist() == [1.0, -1.0]


def test_a_program_without_tensors_in_its_result_is_no_model(tmp_path):
    with pytest.raises(vt.errors.ExportError, match="returns no tensor"):
        vt.export.onnx(vt.trace(lambda x: None, vt.ones(1)), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def constrained(tmp_path: Path) -> Path:
    batch, seq = vt.dim("batch"), vt.dim("seq")
    program = vt.trace(
        lambda x, y: (x * 2).sum() + y, vt.ones(3, 4), vt.ones(5), dynamic={"x": {0: batch, 1: seq}}
    )
    recorded = (
        Constraint(Condition(batch, "!=", 1), Location("my model.py", 12, "layers.conv")),
        Constraint(Condition(batch * 2, "<", seq + 3), None),
    )
    program.captured = dataclasses.replace(
        program.captured, graph=program.graph.replace(constraints=recorded)
    )
    return vt.export.onnx(program, tmp_path / "constrained.onnx")


def test_constraints_are_in_the_metadata_and_checked_at_the_door(tmp_path: Path) -> None:
    path, y = constrained(tmp_path), vt.zeros(5)
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(metadata["vitrify.constraints"]) == [
        ["batch != 1", "my model.py:12 in layers.conv"],
        ["2*batch < seq + 3", ""],
    ]
    result = vt.run(path, vt.ones(2, 4), y)
    assert isinstance(result, vt.Tensor)
    assert result.tolist() == [16.0] * 5
    with pytest.raises(ConstraintError, match=r"x.shape\[0\] = 1 breaks batch != 1") as caught:
        vt.run(path, vt.ones(1, 4), y)
    assert caught.value.at == Location("my model.py", 12, "layers.conv")
    assert caught.value.instead == "capture another program for such sizes"
    message = r"^x.shape\[0\] = 4 and x.shape\[1\] = 5 break 2\*batch < seq \+ 3\n  why: "
    with pytest.raises(ConstraintError, match=message) as caught:
        vt.run(path, vt.ones(4, 5), y)
    assert caught.value.at is None


@pytest.mark.parametrize(
    "text",
    ["{", "7", "[1]", '[["batch != 1"]]', '[["batch", ""]]', '[["q != 1", ""]]', '[["a != 1", 2]]']
    + ["[" * 100_000, '[["batch//0 == 1", ""]]', '[["batch! = 1", ""]]', "null", '{"ab": 1}'],
)
def test_constraints_that_are_damaged(text: str, tmp_path: Path) -> None:
    path = constrained(tmp_path)
    model = onnx.load(path)
    (entry,) = (p for p in model.metadata_props if p.key == "vitrify.constraints")
    entry.value = text
    onnx.save(model, path)
    with pytest.raises(FormatError, match="its constraints cannot be read"):
        Session(path)
