"""Passes as text in, text out.

Each file in `goldens` is named after a pass and holds cases:

    [case name]         what it shows
    graph ...
    [after]             the graph that the pass makes of it, or
    [unchanged]         nothing: the very same graph comes back
    graph ...

`--update-goldens` (given together with `tests/passes`) rewrites what follows the input.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import vitrify as vt
from vitrify.ir.graph import Graph
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ir.verify import verify
from vitrify.ops import REGISTRY
from vitrify.passes import (
    canonicalize,
    decompose,
    eliminate_common_subexpressions,
    eliminate_dead_code,
    fold_batch_norm,
    fold_constants,
    fold_parameters,
    optimize,
)

FOLDER = Path(__file__).parent / "goldens"
SUPPORTED = {
    "add",
    "constant",
    "exp",
    "full",
    "mul",
    "neg",
    "reciprocal",
    "sigmoid",
    "sub",
    "where",
}


def state_of(graph: Graph) -> dict[str, vt.Tensor]:
    """Made-up data for every parameter."""
    state = {}
    for node in graph.nodes:
        if node.op.name == "parameter":
            shape = node.output.type.shape
            data = np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape) / 8
            state[node.attrs["name"]] = vt.tensor(data).to(node.output.type.dtype)
    return state


def run(name: str, graph: Graph) -> Graph:
    passes = {
        "canonicalize": canonicalize,
        "decompose": decompose(lambda node: node.op.name in SUPPORTED),
        "eliminate_common_subexpressions": eliminate_common_subexpressions,
        "eliminate_dead_code": eliminate_dead_code,
        "fold_batch_norm": fold_batch_norm,
        "fold_constants": fold_constants,
        "fold_parameters": fold_parameters(state_of(graph)),
        "optimize": optimize(state_of(graph)),
    }
    return passes[name](graph)


@dataclass
class Case:
    title: str
    before: str
    after: str | None  # None where nothing may change

    def __str__(self) -> str:
        if self.after is None:
            return f"[case {self.title}]\n{self.before}\n[unchanged]\n"
        return f"[case {self.title}]\n{self.before}\n[after]\n{self.after}\n"


def read(path: Path) -> list[Case]:
    cases = []
    for block in re.split(r"^(?=\[case )", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        head, _, rest = block.partition("\n")
        before, mark, after = re.split(r"^\[(after|unchanged)\]$", rest, maxsplit=1, flags=re.M)
        title = head.removeprefix("[case ").removesuffix("]")
        cases.append(Case(title, before.strip(), after.strip() if mark == "after" else None))
    return cases


FILES = {path.stem: read(path) for path in sorted(FOLDER.glob("*.test"))}


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.title}")
        for name, cases in FILES.items()
        for case in cases
    ],
)
def test_golden(name: str, case: Case, request: pytest.FixtureRequest) -> None:
    graph = parse_graph(case.before, REGISTRY)
    assert print_graph(graph) == case.before, "the input is not in printed form"
    result = run(name, graph)
    verify(result)
    changed = result is not graph
    if request.config.getoption("--update-goldens", default=False):
        case.after = print_graph(result) if changed else None
        text = "\n".join(map(str, FILES[name]))
        (FOLDER / f"{name}.test").write_text(text, encoding="utf-8")
    assert (print_graph(result) if changed else None) == case.after
    assert [v.type for v in result.outputs] == [v.type for v in graph.outputs]
    assert run(name, result) is result, "a second time must find nothing to do"


def test_every_case_has_its_own_name() -> None:
    for name, cases in FILES.items():
        titles = [case.title for case in cases]
        assert len(titles) == len(set(titles)), name
