"""What comes with the package, and what importing it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import vitrify as vt

ROOT = Path(__file__).parent.parent


def test_every_package_folder_is_listed_for_wheels():
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    skipped = {"tests", "benchmarks", "docs", "build", "out"}
    folders = {
        ".".join(("vitrify", *init.parent.relative_to(ROOT).parts))
        for init in ROOT.rglob("__init__.py")
        if not any(p.startswith(".") or p in skipped for p in init.relative_to(ROOT).parts)
    }
    assert folders == listed


def test_importing_loads_neither_onnx_nor_any_extra():
    heavy = ["onnx", "onnxruntime", "matplotlib", "sklearn", "scipy", "cupy", "torch", "click"]
    code = f"import sys, vitrify; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_shadows_a_function_of_the_face():
    for name in ("tensor", "trace", "load", "compare", "run", "grad", "dim"):
        assert callable(getattr(vt, name)), name
    assert callable(vt.export.onnx)


def test_the_version_is_that_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == vt.__version__


def test_the_face_has_pytorchs_names_and_none_that_only_graphs_use():
    assert (vt.half, vt.float, vt.double) == (vt.float16, vt.float32, vt.float64)
    assert (vt.int, vt.long) == (vt.int32, vt.int64)
    assert vt.is_tensor(vt.ones(1)) and not vt.is_tensor(np.ones(1))
    x = vt.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(vt.t(x).numpy(), [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(vt.concat([x, x], 1).numpy(), np.hstack([x.numpy()] * 2))
    np.testing.assert_array_equal(vt.clip(x, 1, 4).numpy(), np.clip(x.numpy(), 1, 4))
    for name in ("getitem", "setitem", "slice_", "sum_to", "constant", "parameter", "cast", "conv"):
        assert not hasattr(vt, name), name


def test_t_takes_at_most_a_matrix():
    assert vt.t(vt.ones(3)).shape == (3,)
    with pytest.raises(vt.errors.ShapeError, match="at most two dims"):
        vt.ones(1, 2, 3).t()
