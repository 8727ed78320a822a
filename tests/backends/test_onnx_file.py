"""Writing ONNX files: names, atomic writes, big weights beside the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import vitrify as vt
from vitrify import nn
from vitrify.errors import ArgumentError, ExportError, UnsupportedOpError
from vitrify.export import onnx_file


def program(dynamic: Any = None) -> vt.Program:
    return vt.trace(nn.Linear(64, 32), vt.randn(2, 64), dynamic=dynamic)


def test_the_same_program_gives_the_same_bytes(tmp_path: Path) -> None:
    p = program()
    first = vt.export.onnx(p, tmp_path / "a.onnx")
    second = vt.export.onnx(p, str(tmp_path / "b.onnx"))
    assert first == tmp_path / "a.onnx"
    assert first.read_bytes() == second.read_bytes()


def test_an_output_called_as_an_input_gets_another_name(tmp_path: Path) -> None:
    def function(x, x_out):
        return {"x": x * 2, "y": x + x_out}

    p = vt.trace(function, vt.ones(2), vt.ones(2))

    def outputs(**options: Any) -> list[str]:
        model = onnx.load(vt.export.onnx(p, tmp_path / "m.onnx", **options))
        return [v.name for v in model.graph.output]

    assert outputs() == ["x_out_out", "y"]
    assert outputs(output_names={"y": "z"}) == ["x_out_out", "z"]
    assert outputs(input_names=["a", "b"]) == ["x", "y"]
    assert vt.run(vt.export.onnx(p, tmp_path / "m.onnx"), vt.ones(2), vt.ones(2))[
        "x_out_out"
    ].tolist() == [2, 2]
    for given in (["x", "y"], {"x": "x"}, {"y": "x_out"}):
        with pytest.raises(ArgumentError, match="an input and an output are both named"):
            outputs(output_names=given)


def test_names_by_list_and_by_dict(tmp_path: Path) -> None:
    p = vt.trace(lambda x, y: {"sum": x + y, "product": x * y}, vt.randn(3), vt.randn(3))

    def names(**options: Any) -> tuple[list[str], list[str]]:
        model = onnx.load(vt.export.onnx(p, tmp_path / "m.onnx", **options))
        return [v.name for v in model.graph.input], [v.name for v in model.graph.output]

    assert names() == (["x", "y"], ["sum", "product"])
    assert names(input_names=["a", "b"]) == (["a", "b"], ["sum", "product"])
    assert names(output_names={"sum": "total"}) == (["x", "y"], ["total", "product"])
    for options, message in [
        ({"input_names": ["a"]}, "1 input names for 2 inputs"),
        ({"input_names": ["a", "a"]}, "two inputs are named 'a'"),
        ({"output_names": {"mean": "m"}}, "renames 'mean', which is not an output"),
        ({"output_names": "total"}, "must be a list or a dict"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            names(**options)


def test_metadata_of_the_file(tmp_path: Path) -> None:
    def function(x: vt.Tensor, scale: float) -> vt.Tensor:
        return x * scale

    dynamic = {"x": {0: vt.dim("n", max=9)}}
    p = vt.trace(function, vt.randn(3), 2.0, dynamic=dynamic)
    model = onnx.load(vt.export.onnx(p, tmp_path / "m.onnx"))
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert metadata["vitrify.sizes"] == {"n": [1, 9]}
    assert metadata["vitrify.arguments"] == {"x": {}, "scale": {"scale": 2.0}}
    assert model.producer_name == "vitrify"
    assert model.producer_version


def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = vt.export.onnx(program(), tmp_path / "m.onnx")
    before = path.read_bytes()
    x = vt.tensor(np.arange(3))
    with pytest.raises(UnsupportedOpError):
        vt.export.onnx(vt.trace(lambda x: x & 1, x), path, opset=17)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot write"):
        vt.export.onnx(program(), tmp_path / "missing" / "m.onnx")


def test_big_weights_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = nn.Linear(64, 32), vt.randn(2, 64)
    p = vt.trace(net, x, dynamic={"input": {0: "batch"}})
    inline = vt.run(vt.export.onnx(p, tmp_path / "m.onnx"), x)
    monkeypatch.setattr(onnx_file, "_INLINE_BYTES", 1000)
    path = vt.export.onnx(p, tmp_path / "m.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx.data").stat().st_size == 64 * 32 * 4
    onnx.checker.check_model(path, full_check=True)
    np.testing.assert_array_equal(vt.run(path, x).numpy(), inline.numpy())
    weight, bias = onnx.load(path).graph.initializer  # the small one stays inside
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), net.weight.detach().numpy())
    assert not bias.external_data


def test_weights_that_are_not_contiguous(tmp_path: Path) -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(vt.randn(32, 64).t())

        def forward(self, x: vt.Tensor) -> vt.Tensor:
            return x @ self.weight

    module, x = Module(), vt.randn(2, 64)
    path = vt.export.onnx(vt.trace(module, x), tmp_path / "m.onnx")
    np.testing.assert_allclose(
        vt.run(path, x).numpy(), module(x).detach().numpy(), rtol=1e-5, atol=1e-5
    )
