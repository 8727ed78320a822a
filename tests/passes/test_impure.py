"""Impure ops are not merged, moved, dropped or computed ahead, nor is what holds them."""

import inspect

import numpy as np
import pytest

import vitrify as vt
from vitrify.ir.builder import Builder
from vitrify.ir.graph import Graph, Value
from vitrify.ir.op import Op
from vitrify.ir.types import TensorType
from vitrify.ops import constant, neg, parameter
from vitrify.passes import (
    canonicalize,
    eliminate_common_subexpressions,
    eliminate_dead_code,
    fold_constants,
    fold_parameters,
    optimize,
)

TYPE = TensorType(vt.float32, (2,))


def op(name: str, pure: bool, **attrs: object) -> Op:
    def canonical(input):
        return (input,), attrs

    return Op(
        name,
        canonical=canonical,
        signature=inspect.signature(canonical),
        infer=lambda x, **attrs: x,
        eager=lambda xp, x, **attrs: x + np.float32(1),
        pure=pure,
    )


def region() -> Graph:
    x = Value(TYPE, "x")
    builder = Builder()
    return builder.graph([x], builder.add(op("noise", pure=False), [x], {}))


def holder() -> tuple[Op, dict[str, object]]:
    return op("branch", pure=True), {"body": region()}


@pytest.mark.parametrize("make", [lambda: (op("noise", pure=False), {}), holder])
def test_impure_nodes_stay(make):
    impure, attrs = make()
    builder = Builder()
    x = Value(TYPE, "x")
    (c,) = builder.add(constant, (), {"value": (1.0, 2.0), "type": TYPE})
    (w,) = builder.add(parameter, (), {"name": "w", "type": TYPE})
    (needed,) = builder.add(neg, [w], {})
    for value in (x, c, needed, x, c):
        builder.add(impure, [value], attrs)
    graph = builder.graph([x], [x])
    state = {"w": vt.tensor([1.0, 2.0])}
    for run in (
        canonicalize,
        eliminate_common_subexpressions,
        eliminate_dead_code,
        fold_constants,
    ):
        assert run(graph) is graph
    for run in (fold_parameters(state), optimize(state)):
        kept = [node for node in run(graph).nodes if node.op is impure]
        assert [id(node.attrs.get("body")) for node in kept] == [id(attrs.get("body"))] * 5


def test_pure_nodes_with_pure_regions_go():
    builder = Builder()
    x = Value(TYPE, "x")
    inner = Value(TYPE, "x")
    body = Graph((inner,), (), (inner,))
    builder.add(op("branch", pure=True), [x], {"body": body})
    assert eliminate_dead_code(builder.graph([x], [x])).nodes == ()
