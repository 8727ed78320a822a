"""Every rule of the IR, broken by hand, is reported with the place in the printed graph."""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vitrify.ir.dims import symbol
from vitrify.ir.errors import GraphError
from vitrify.ir.graph import Graph, Node, Value
from vitrify.ir.op import Op
from vitrify.ir.parser import parse_graph
from vitrify.ir.types import TensorType, float32, float64
from vitrify.ir.verify import excerpt, verify
from vitrify.ops import REGISTRY


def _op(name: str, infer: Any) -> Op:
    return Op(name, canonical=infer, signature=inspect.signature(infer), infer=infer)


OPS = {
    **REGISTRY,
    "note": _op("note", lambda x, **attrs: x),
    "choose": _op("choose", lambda *xs, then, **_: tuple(v.type for v in then.outputs)),
}

GRAPH = textwrap.dedent(
    """
    graph net(%x: f32[batch, 3], %p: bool[]) -> (f32[batch, 3])
      where batch >= 1 {
      %0 = relu(%x) : f32[batch, 3]  # net.py:1
      %1 = exp(%0) : f32[batch, 3]   # net.py:2 in head
      %2 = choose(%p, %1) {then=graph then(%y: f32[batch, 3]) -> (f32[batch, 3]) {
          %0 = tanh(%y) : f32[batch, 3]  # net.py:3
          return %0
        }} : f32[batch, 3]           # net.py:3
      %3 = note(%2) {a=1, b=(1.5, "x", none)} : f32[batch, 3]
      return %3
    }
    """
).strip()


@pytest.fixture
def graph() -> Graph:
    return parse_graph(GRAPH, OPS)


def _with(graph: Graph, position: int, **changes: Any) -> Graph:
    nodes = list(graph.nodes)
    nodes[position] = replace(nodes[position], **changes)
    return graph.replace(nodes=tuple(nodes))


def _swapped(graph: Graph) -> Graph:
    first, second, *rest = graph.nodes
    return graph.replace(nodes=(second, first, *rest))


def _without_first(graph: Graph) -> Graph:
    return graph.replace(nodes=graph.nodes[1:])


def _twice(graph: Graph) -> Graph:
    return graph.replace(nodes=(*graph.nodes, graph.nodes[0]))


def _input_defined_again(graph: Graph) -> Graph:
    return _with(graph, 0, outputs=(graph.inputs[0],))


def _same_input_twice(graph: Graph) -> Graph:
    return graph.replace(inputs=(*graph.inputs, graph.inputs[0]))


def _returns_a_stranger(graph: Graph) -> Graph:
    return graph.replace(outputs=(Value(graph.outputs[0].type),))


def _wrong_type(graph: Graph) -> Graph:
    wrong = Value(TensorType(float64, graph.outputs[0].type.shape))
    return _with(graph, 3, outputs=(wrong,)).replace(outputs=(wrong,))


def _too_many_results(graph: Graph) -> Graph:
    return _with(graph, 0, outputs=(*graph.nodes[0].outputs, Value(graph.inputs[0].type)))


def _rule_refuses(graph: Graph) -> Graph:
    return _with(graph, 1, op=OPS["linear"], inputs=(graph.nodes[0].output, graph.inputs[1], None))


def _rule_crashes(graph: Graph) -> Graph:
    return _with(graph, 1, attrs={"dim": 3})


def _array(graph: Graph) -> Graph:
    return _with(graph, 3, attrs={"weight": np.ones(3)})


def _list_in_tuple(graph: Graph) -> Graph:
    return _with(graph, 3, attrs={"sizes": (1, [2])})


def _region_in_tuple(graph: Graph) -> Graph:
    return _with(graph, 3, attrs={"bodies": (graph.nodes[2].attrs["then"],)})


def _odd_name(graph: Graph) -> Graph:
    return _with(graph, 3, attrs={"a b": 1})


def _negative_size(graph: Graph) -> Graph:
    return graph.replace(inputs=(*graph.inputs, Value(TensorType(float32, (-1,)), "bad")))


def _other_limits(graph: Graph) -> Graph:
    return _with(graph, 3, attrs={"size": symbol("batch", 2)})


def _region(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    return _with(graph, 2, attrs={"then": change(graph.nodes[2].attrs["then"])})


def _outer_value_in_region(graph: Graph) -> Graph:
    return _region(graph, lambda then: _with(then, 0, inputs=(graph.nodes[0].output,)))


def _region_returns_a_stranger(graph: Graph) -> Graph:
    return _region(graph, _returns_a_stranger)


@pytest.mark.parametrize(
    ("breaking", "fault", "marked"),
    [
        (_swapped, "input 0 of exp is used before it is defined", "%0 = exp(%1)"),
        (_without_first, "input 0 of exp is never defined", "%0 = exp(%?)"),
        (_twice, "relu defines a value that is defined already", "%0 = relu(%x)"),
        (_input_defined_again, "relu defines a value that is", "%x = relu(%x)"),
        (_same_input_twice, "input 'x' of graph net occurs twice", "return %3"),
        (_returns_a_stranger, "output 0 of graph net is not defined in it", "return %?"),
        (_wrong_type, "note has results of (f64[batch, 3]), its rule says (f32", "%3 = note"),
        (_too_many_results, "relu has results of (f32[batch, 3], f32[batch, 3])", "%0, %1 = relu"),
        (_rule_refuses, "linear cannot be applied like this", "%1 = linear(%0, %p, none)"),
        (_rule_crashes, "exp cannot be applied like this", "%1 = exp(%0) {dim=3}"),
        (_array, "weight of note is a ndarray", "%3 = note(%2) {weight=<ndarray>}"),
        (_list_in_tuple, "sizes of note is a tuple", "%3 = note(%2) {sizes=(1, <list>)}"),
        (_region_in_tuple, "bodies of note is a tuple", "%3 = note(%2) {bodies=(<Graph>,)}"),
        (_odd_name, "note has an attribute with the name 'a b'", "%3 = note(%2) {a b=1}"),
        (_negative_size, "input 'bad' has no tensor type: f32[-1]", "return %3"),
        (_other_limits, "the symbol batch has two different pairs of limits", "return %3"),
        (_outer_value_in_region, "input 0 of tanh is never defined", "%0 = tanh(%?)"),
        (_region_returns_a_stranger, "output 0 of graph then is not defined", "return %?"),
    ],
)
def test_faults(graph: Graph, breaking: Callable[[Graph], Graph], fault: str, marked: str) -> None:
    with pytest.raises(GraphError) as caught:
        verify(breaking(graph), "after fold")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"after fold: {fault}")
    (line,) = (line for line in rest if line.startswith(">"))
    assert line[1:].strip().startswith(marked)


def test_a_good_graph_passes(graph: Graph) -> None:
    verify(graph)
    verify(Graph((), (), ()))


def test_the_message(graph: Graph) -> None:
    with pytest.raises(GraphError) as caught:
        verify(_rule_refuses(graph))
    assert str(caught.value).splitlines()[:5] == [
        "linear cannot be applied like this",
        "  graph net(%x: f32[batch, 3], %p: bool[]) -> (f32[batch, 3])",
        "    where batch >= 1 {",
        "    %0 = relu(%x) : f32[batch, 3]         # net.py:1",
        ">   %1 = linear(%0, %p, none) : f32[batch, 3]      # net.py:2 in head",
    ] or "why:" in str(caught.value)


def test_an_excerpt_is_about_ten_lines_around_the_place() -> None:
    body = "\n".join(f"%{k + 1} = relu(%{k}) : f32[]" for k in range(50))
    long = parse_graph(f"graph main(%0: f32[]) -> (f32[]) {{ {body} return %50 }}", OPS)
    for position, node in enumerate(long.nodes):
        lines = excerpt(long, node).splitlines()
        assert len(lines) == 11
        (k,) = (k for k, line in enumerate(lines) if line.startswith(">"))
        assert f"%{position + 1} = relu" in lines[k]
        assert k == min(position + 1, 5) if position < 40 else k >= 5
    assert excerpt(long, long).splitlines()[-2:] == [">   return %50", "  }"]


def test_an_excerpt_cuts_long_lines() -> None:
    x = Value(TensorType(float32, ()))
    node = Node(OPS["note"], (x,), {"text": "long " * 100}, (Value(x.type),))
    assert all(len(line) < 170 for line in excerpt(Graph((x,), (node,), (x,)), node).splitlines())
