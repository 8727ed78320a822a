"""Pipelines: order, checks, and what is said of a broken pass."""

import pytest

import vitrify as vt
from vitrify.errors import GraphError, UnsupportedOpError
from vitrify.ir.graph import Graph
from vitrify.ir.parser import parse_graph
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
    pipeline,
    until_stable,
)

TEXT = """graph f(%x: f32[2]) -> (f32[2]) {
  %0 = exp(%x) : f32[2]       # model.py:1
  %1 = gelu(%0) {approximate="none"} : f32[2]  # model.py:2 in act
  %2 = neg(%1) : f32[2]
  return %2
}"""


def graph() -> Graph:
    return parse_graph(TEXT, REGISTRY)


def lose_a_node(graph: Graph) -> Graph:
    return graph.replace(nodes=graph.nodes[1:])


def change_a_type(graph: Graph) -> Graph:
    first = graph.nodes[0]
    wrong = vt.ir.graph.Value(graph.nodes[2].output.type, "w")
    wrong.type = type(wrong.type)(vt.float64, (2,))
    node = type(first)(first.op, first.inputs, first.attrs, (wrong,), first.location)
    return graph.replace(nodes=(node,), outputs=(wrong,))


RESTS_ON_A_FACT = """graph f(%x: f32[batch, 3], %y: f32[n, 3]) -> (f32[n, 3])
  where batch >= 1, n >= 1 {
  require batch == n  # model.py:12 in conv
  %w = parameter "w" : f32[3, 3]
  %0 = exp(%x) : f32[batch, 3]
  %1 = linear(%x, %w, none) : f32[batch, 3]
  %2 = gelu(%1) {approximate="none"} : f32[batch, 3]
  %3 = add(%2, %y) : f32[n, 3]
  return %3
}"""


PRIMITIVES = {name for name, op in REGISTRY.items() if op.body is None}


@pytest.mark.parametrize(
    "run",
    [
        optimize({"w": vt.ones(3, 3)}),
        pipeline(decompose(lambda node: node.op.name in PRIMITIVES), eliminate_dead_code),
    ],
)
def test_passes_keep_constraints_and_run_under_them(run):
    before = parse_graph(RESTS_ON_A_FACT, REGISTRY)
    after = run(before)
    assert after is not before
    assert after.constraints == before.constraints
    assert "require batch == n  # model.py:12 in conv" in str(after)


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lose_a_node, "input 0 of gelu is never defined"),
        (change_a_type, r"exp has results of \(f64\[2\]\), its rule says \(f32\[2\]\)"),
    ],
)
def test_a_broken_pass_is_named_and_shown(broken, fault):
    run = pipeline(eliminate_dead_code, canonicalize, broken, fold_constants)
    with pytest.raises(GraphError, match=fault) as caught:
        run(graph())
    text = str(caught.value)
    assert text.startswith(f"in pass {broken.__name__} (after eliminate_dead_code, canonicalize): ")
    assert "graph f(%x: f32[2])" in text
    assert "\n> " in text


def test_a_pass_that_fails_is_named():
    def stumble(graph: Graph) -> Graph:
        raise KeyError("nothing there")

    with pytest.raises(KeyError) as caught:
        pipeline(canonicalize, stumble)(graph())
    assert caught.value.__notes__ == ["in pass stumble (after canonicalize)"]


def test_a_broken_pass_in_a_loop_is_named():
    with pytest.raises(GraphError, match="in pass lose_a_node"):
        until_stable(canonicalize, lose_a_node)(graph())


def test_an_observer_sees_every_step():
    seen = []
    start = graph()
    run = pipeline(eliminate_dead_code, decompose(lambda node: not node.op.is_composite))
    result = run(start, observe=lambda name, before, after: seen.append((name, before, after)))
    assert seen == [("eliminate_dead_code", start, start), ("decompose", start, result)]
    assert result is not start


def test_until_stable_stops():
    calls = []

    def drop_last(graph: Graph) -> Graph:
        calls.append(len(graph.nodes))
        if len(graph.nodes) < 2:
            return graph
        nodes = graph.nodes[:-1]
        return graph.replace(nodes=nodes, outputs=nodes[-1].outputs)

    result = until_stable(drop_last)(graph())
    assert len(result.nodes) == 1
    assert calls == [3, 2, 1]


@pytest.mark.parametrize(
    "run",
    [
        canonicalize,
        decompose(lambda node: True),
        eliminate_common_subexpressions,
        eliminate_dead_code,
        fold_batch_norm,
        fold_constants,
        fold_parameters({}),
        optimize({}),
        pipeline(),
        until_stable(canonicalize),
    ],
    ids=lambda run: getattr(run, "__name__", "pipeline"),
)
def test_idle_gives_the_same_graph(run):
    start = graph()
    assert run(start) is start


def test_decompose_names_the_line_of_what_it_cannot_express():
    with pytest.raises(UnsupportedOpError, match=r"model.py:1: exp\(f32\[2\]\) has no equivalent"):
        decompose(lambda node: node.op.name != "exp")(graph())
    with pytest.raises(UnsupportedOpError) as caught:
        decompose(lambda node: node.op.name not in ("gelu", "erf"))(graph())
    assert str(caught.value).startswith("model.py:2 in act: erf(f32[2])")
    assert "gelu needs it" in str(caught.value)


def test_decompose_asks_by_node():
    asked = decompose(lambda node: node.attrs.get("approximate") != "none")(graph())
    assert "gelu" not in [node.op.name for node in asked.nodes]
    exact = TEXT.replace('"none"', '"tanh"')
    kept = parse_graph(exact, REGISTRY)
    assert decompose(lambda node: node.attrs.get("approximate") != "none")(kept) is kept
