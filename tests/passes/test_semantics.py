"""What passes may not change: the values, to the last bit, NaN, infinities and -0.0 included."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vitrify as vt
from vitrify import ops
from vitrify.backends.reference import reference
from vitrify.errors import VitrifyError
from vitrify.ir.builder import BodyRecorder, Builder
from vitrify.ir.dims import symbol
from vitrify.ir.graph import Graph, Value
from vitrify.ir.op import interpreting
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ir.types import TensorType
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

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.5, 1e-45, 3e38, 7.0]
WHOLE = [0, 1, -1, 7, 2**31 - 1, -(2**31)]
NUMBERS = [1, 1.0, 0, 0.0, -0.0, 2.0, float("nan"), float("inf"), True]

# Elementwise results of these are the same whatever the layout in memory, unlike those of sums.
STEPS: list[Callable[..., Any]] = [
    lambda x, y, c: x + y,
    lambda x, y, c: x - y,
    lambda x, y, c: x * y,
    lambda x, y, c: x / y,
    lambda x, y, c: x + c,
    lambda x, y, c: c + x,
    lambda x, y, c: x - c,
    lambda x, y, c: x * c,
    lambda x, y, c: c * x,
    lambda x, y, c: x / c,
    lambda x, y, c: x // c,
    lambda x, y, c: x**1,
    lambda x, y, c: x - x,
    lambda x, y, c: ops.maximum(x, x),
    lambda x, y, c: ops.minimum(x, x),
    lambda x, y, c: ops.where(x > y, x, x),
    lambda x, y, c: ops.where(x > y, x, y),
    lambda x, y, c: -x,
    lambda x, y, c: ops.logical_not(x),
    lambda x, y, c: ops.logical_and(x, x),
    lambda x, y, c: ops.bitwise_not(x),
    lambda x, y, c: ops.bitwise_or(x, x),
    lambda x, y, c: ops.sqrt(x),
    lambda x, y, c: ops.clone(x),
    lambda x, y, c: ops.cast(x, x.dtype),
    lambda x, y, c: ops.cast(x, vt.float64),
    lambda x, y, c: ops.cast(x, vt.float32),
    lambda x, y, c: ops.cast(x, vt.float16),
    lambda x, y, c: ops.cast(x, vt.bool),
    lambda x, y, c: ops.permute(x, tuple(reversed(range(x.ndim)))),
    lambda x, y, c: ops.permute(x, tuple(range(x.ndim))),
    lambda x, y, c: ops.reshape(x, x.shape),
    lambda x, y, c: ops.reshape(x, (-1,)),
    lambda x, y, c: ops.reshape(x, (3, -1)),
    lambda x, y, c: ops.reshape(x, y.shape),
    lambda x, y, c: ops.unsqueeze(x, 0),
    lambda x, y, c: ops.unsqueeze(x, -1),
    lambda x, y, c: ops.squeeze(x, 0),
    lambda x, y, c: ops.squeeze(x, -1),
    lambda x, y, c: ops.expand(x, (2, *x.shape)),
    lambda x, y, c: ops.expand(x, x.shape),
    lambda x, y, c: ops.slice_(x, 0, 0, x.shape[0]),
    lambda x, y, c: ops.slice_(x, 0, 1, 2),
    lambda x, y, c: ops.flip(x, (0,)),
    lambda x, y, c: ops.cat([x], 0),
    lambda x, y, c: ops.cat([x, y], 0),
    lambda x, y, c: ops.full((3,), c),
    lambda x, y, c: ops.leaky_relu(x),
    lambda x, y, c: ops.rsub(x, y),
]  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> tuple[Graph, list[vt.Tensor], dict[str, vt.Tensor]]:
    """A graph, inputs for it and its state."""
    first = symbol("n") if draw(st.booleans()) else 2
    inputs = [
        Value(TensorType(vt.float32, (first, 3)), "x"),
        Value(TensorType(vt.int32, (3,)), "i"),
    ]

    def array(values: list[Any], shape: tuple[int, ...], dtype: str) -> vt.Tensor:
        size = int(np.prod(shape))
        flat = draw(st.lists(st.sampled_from(values), min_size=size, max_size=size))
        return vt.tensor(np.array(flat, dtype).reshape(shape))

    data = [array(SPECIAL, (2, 3), "float32"), array(WHOLE, (3,), "int32")]
    state = {"w": array(SPECIAL, (2, 3), "float32"), "v": array(SPECIAL, (3,), "float32")}
    recorder = BodyRecorder(Builder())
    with interpreting(recorder):
        pool = [recorder.wrap(v) for v in inputs]
        pool += [ops.parameter(name, tensor.type) for name, tensor in state.items()]
        for step in draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=14)):
            x, y = draw(st.sampled_from(pool[-6:])), draw(st.sampled_from(pool))
            before = len(recorder.builder.nodes)
            try:
                pool.append(step(x, y, draw(st.sampled_from(NUMBERS))))
            except (VitrifyError, IndexError):  # the step is not for these operands
                del recorder.builder.nodes[before:]
        outputs = [recorder.unwrap(t) for t in draw(st.permutations(pool[-3:]))]
    return recorder.builder.graph(inputs, outputs), data, state


def outcome(graph: Graph, data: list[vt.Tensor], state: dict[str, vt.Tensor]) -> list[Any]:
    """The results in a form that compares bits, but for those of NaN."""
    try:
        results = reference.compile(graph, state)(data)
    except VitrifyError as error:
        return [type(error)]
    arrays = [np.asarray(t) for t in results]
    return [
        (
            a.dtype,
            a.shape,
            np.where(np.isnan(a), a.dtype.type(7), a).tobytes(),
            np.isnan(a).tolist(),
        )
        for a in arrays
    ]


PASSES = {
    "canonicalize": lambda state: canonicalize,
    "decompose": lambda state: decompose(lambda node: not node.op.is_composite),
    "eliminate_common_subexpressions": lambda state: eliminate_common_subexpressions,
    "eliminate_dead_code": lambda state: eliminate_dead_code,
    "fold_constants": lambda state: fold_constants,
    "fold_parameters": fold_parameters,
    "optimize": optimize,
}


@pytest.mark.parametrize("name", PASSES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(program=programs())
def test_values_stay(name, program):
    graph, data, state = program
    before = print_graph(graph)
    expected = outcome(graph, data, state)
    if isinstance(expected[0], type):
        return  # eager refuses the program, as it does `-x` for bools: dead code may go
    optimized = dict(state)
    run = PASSES[name](optimized)
    result = run(graph)
    verify(result)
    assert outcome(result, data, optimized) == expected, print_graph(result)
    assert print_graph(graph) == before
    assert all(optimized[name] is tensor for name, tensor in state.items())
    assert run(result) is result


@pytest.mark.parametrize("step", range(len(STEPS)))
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
def test_each_step_alone_with_each_number(step, dtype):
    values = WHOLE * 2 if dtype == "int32" else SPECIAL + SPECIAL[:2]
    with np.errstate(over="ignore"):
        data = [vt.tensor(np.array(values, dtype).reshape(4, 3)) for _ in range(2)]
    inputs = [Value(tensor.type, name) for tensor, name in zip(data, "xy", strict=True)]
    for number in NUMBERS:
        recorder = BodyRecorder(Builder())
        try:
            with interpreting(recorder):
                result = STEPS[step](*map(recorder.wrap, inputs), number)
                outputs = [recorder.unwrap(result), recorder.unwrap(ops.clone(result))]
        except (VitrifyError, IndexError):
            continue
        graph = recorder.builder.graph(inputs, outputs)
        expected = outcome(graph, data, {})
        if not isinstance(expected[0], type):
            result = optimize({})(graph)
            assert outcome(result, data, {}) == expected, print_graph(result)


TEXT = """graph f(%x: f32[n, 3, 6, 6]) -> (f32[n, 5])
  where n >= 1 {
  %w = parameter "conv.weight" : f32[4, 3, 3, 3]
  %b = parameter "conv.bias" : f32[4]
  %mean = parameter "bn.mean" : f32[4]
  %var = parameter "bn.var" : f32[4]
  %gain = parameter "bn.weight" : f32[4]
  %shift = parameter "bn.bias" : f32[4]
  %0 = conv(%x, %w, BIAS) {stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1} \
: f32[n, 4, 4, 4]
  %1 = batch_norm(%0, %mean, %var, AFFINE) {eps=1e-05} : f32[n, 4, 4, 4]
  %2 = mean(%1) {dim=(2, 3), keepdim=false} : f32[n, 4]
  %lw = parameter "linear.weight" : f32[5, 4]
  %m2 = parameter "bn2.mean" : f32[5]
  %v2 = parameter "bn2.var" : f32[5]
  %3 = linear(%2, %lw, none) : f32[n, 5]
  %4 = batch_norm(%3, %m2, %v2, none, none) {eps=0.001} : f32[n, 5]
  return %4
}"""


@pytest.mark.parametrize("bias", ["%b", "none"])
@pytest.mark.parametrize("affine", ["%gain, %shift", "none, none", "%gain, none", "none, %shift"])
def test_fold_batch_norm_is_close(bias, affine):
    graph = parse_graph(TEXT.replace("BIAS", bias).replace("AFFINE", affine), REGISTRY)
    rng = np.random.default_rng(0)
    state = {
        node.attrs["name"]: vt.tensor(
            rng.uniform(0.5, 2.0, node.output.type.shape).astype("float32")
        )
        for node in graph.nodes
        if node.op.name == "parameter"
    }
    x = vt.tensor(rng.normal(size=(2, 3, 6, 6)).astype("float32"))
    (expected,) = reference.compile(graph, state)([x])
    (rewritten,) = reference.compile(fold_batch_norm(graph), state)([x])
    np.testing.assert_allclose(rewritten, expected, rtol=1e-4, atol=1e-5)

    optimized = dict(state)
    result = optimize(optimized)(graph)
    (folded,) = reference.compile(result, optimized)([x])
    np.testing.assert_allclose(folded, expected, rtol=1e-4, atol=1e-5)
    assert [n.op.name for n in result.nodes if n.op.name != "parameter"] == [
        "conv", "mean", "linear",
    ]  # fmt: skip
    added = sorted(set(optimized) - set(state))
    assert len(added) == 4
    assert {"conv.weight.folded", "linear.weight.folded"} <= set(added)


def test_folded_names_are_free_and_the_same_every_time():
    text = """graph f(%x: f32[2]) -> (f32[2]) {
      %w = parameter "w" : f32[2]
      %0 = neg(%w) : f32[2]
      %1 = add(%x, %0) : f32[2]
      return %1
    }"""
    taken = {"w": vt.tensor([1.0, 2.0]), "w.folded": vt.tensor([0.0])}
    for _ in range(2):
        state = dict(taken)
        fold_parameters(state)(parse_graph(text, REGISTRY))
        assert sorted(state) == ["w", "w.folded", "w.folded.1"]
        assert state["w"] is taken["w"]
        np.testing.assert_array_equal(state["w.folded.1"], [-1.0, -2.0])


def test_a_parameter_without_data_is_not_folded():
    graph = parse_graph(
        'graph f() -> (f32[2]) {\n%w = parameter "w" : f32[2]\n%0 = neg(%w) : f32[2]\nreturn %0\n}',
        REGISTRY,
    )
    assert fold_parameters({})(graph) is graph


def test_a_deep_chain_of_weights():
    chain = "\n".join(f"%{k + 1} = neg(%{k}) : f32[]" for k in range(3000))
    graph = parse_graph(
        f'graph f() -> (f32[]) {{\n%0 = parameter "w" : f32[]\n{chain}\nreturn %3000\n}}', REGISTRY
    )
    state = {"w": vt.tensor(2.0)}
    assert len(fold_parameters(state)(graph).nodes) == 1
    assert state["w.folded"].item() == 2.0
