"""Imports run one way, from right to left, and never from inside a function."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["ir", "ops", "tensor", "tracer", "passes", "backends", "export"]
MAY_IMPORT = {name: set(ORDER[: k + 1]) for k, name in enumerate(ORDER)}
MAY_IMPORT["nn"] = {"ir", "ops", "tensor", "nn"}
MAY_IMPORT["optim"] = {"ir", "ops", "tensor", "optim"}
FILES = [file for folder in MAY_IMPORT for file in sorted((ROOT / folder).rglob("*.py"))]
# Slow to import, or only there with an extra: imported where they are used.
LAZY = {"onnx", "onnxruntime", "cupy", "matplotlib", "sklearn", "click", "tqdm", "tabulate"}


def imported_folders(file: Path, node: ast.ImportFrom) -> set[str]:
    """The folders at the root that a relative import reaches into."""
    parts = list(file.relative_to(ROOT).parent.parts)
    base = parts[: len(parts) - (node.level - 1)]
    if node.module:
        return {[*base, *node.module.split(".")][0]}
    return {base[0]} if base else {alias.name for alias in node.names}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_folder_imports_only_from_folders_to_its_left(file):
    folder = file.relative_to(ROOT).parts[0]
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            wrong = imported_folders(file, node) - MAY_IMPORT[folder]
            assert not wrong, f"line {node.lineno} imports from {wrong}"
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("vitrify"), f"line {node.lineno}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_no_relative_import_inside_a_function(file):
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            late = [
                node.lineno
                for node in ast.walk(function)
                if isinstance(node, ast.ImportFrom) and node.level
            ]
            assert not late, f"lines {late}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_heavy_packages_are_imported_where_they_are_used(file):
    for node in ast.parse(file.read_text()).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [(node.module or "").split(".")[0]]
        assert not LAZY & set(names), f"line {node.lineno}"


def test_no_file_is_a_drawer_for_everything():
    names = {file.stem for file in FILES}
    assert not names & {"utils", "helpers", "common", "misc"}
