"""What the documents say is so: the vocabulary, the numbers, the examples, the links."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from vitrify import nn
from vitrify.backends.onnx.registry import OPSETS
from vitrify.ops import REGISTRY

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_of_ops_is_that_of_the_registry():
    made = runpy.run_path(str(ROOT / "docs" / "make_ops.py"))["page"]()
    assert (ROOT / "docs" / "ops.md").read_text() == made, "run python docs/make_ops.py"


def test_the_numbers_in_the_readme():
    composites = sum(op.is_composite for op in REGISTRY.values())
    modules = {value for value in vars(nn).values() if isinstance(value, type)}
    modules = {m for m in modules if issubclass(m, nn.Module) and m is not nn.Module}
    expected = (
        f"{len(REGISTRY)} ops ({len(REGISTRY) - composites} primitives, {composites} composites)"
    )
    assert expected in README
    assert f"{len(modules)} modules" in README
    assert f"opsets {OPSETS[0]} to {OPSETS[-1]}" in README


def test_the_commands_in_the_readme_exist():
    done = subprocess.run(
        [sys.executable, "-m", "vitrify", "--help"], capture_output=True, text=True, check=True
    )
    named = re.search(r"\| commands \| (.*) \|", README)
    assert named
    for command in re.findall(r"`(?:vitrify )?(\w+)`", named[1]):
        assert re.search(rf"^  {command}\b", done.stdout, re.MULTILINE), command


def test_the_example_in_the_readme_runs_and_passes(tmp_path):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    script = tmp_path / "net.py"
    script.write_text(code[1])
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert "graph Net(%x: f32[batch, 1, 8, 8]) -> (f32[batch, 10])" in done.stdout
    assert "net.py:13 in conv" in done.stdout
    assert "all passed" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target
