"""What comes with the package, and what importing it costs."""

import subprocess
import sys
import tomllib
from pathlib import Path

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
