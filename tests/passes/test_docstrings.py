"""The IR before and after that each pass opens with is what the pass does."""

import importlib
import inspect
import re

import pytest

import vitrify as vt
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ops import REGISTRY, permute
from vitrify.passes import decompose, fold_constants, fold_parameters, rewrite, rule


@rule(lambda x, p, q: permute(permute(x, p), q))
def compose_permutes(x, p, q):
    return permute(x, tuple(p[i] for i in q))


RUNS = {
    "decompose": [decompose(lambda node: node.op.name in ("mul", "sigmoid"))],
    "fold_constants": [
        fold_constants,
        fold_parameters({"w": vt.zeros(64, 64)}),
    ],
    "rewrite": [lambda graph: rewrite(graph, compose_permutes)],
}
NAMES = [
    "canonicalize",
    "decompose",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_batch_norm",
    "fold_constants",
    "rewrite",
]


@pytest.mark.parametrize("name", NAMES)
def test_before_and_after(name):
    module = importlib.import_module(f"vitrify.passes.{name}")
    text = inspect.cleandoc(module.__doc__ or "")
    shown = [
        print_graph(parse_graph(inspect.cleandoc(block), REGISTRY))
        for block in re.findall(r"^    graph .*?^    }", text, flags=re.M | re.S)
    ]
    runs = RUNS.get(name) or [getattr(module, name)]
    assert len(shown) == 2 * len(runs)
    for run, before, after in zip(runs, shown[::2], shown[1::2], strict=True):
        assert print_graph(run(parse_graph(before, REGISTRY))) == after
