"""What the ONNX models look like: which ops are kept whole, names, metadata, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

import vitrify as vt
import vitrify.nn.functional as F
from vitrify import nn
from vitrify.backends.onnx import OPSETS, to_model
from vitrify.backends.onnx.registry import LEAVES, RULES, supports
from vitrify.errors import ArgumentError, ExportError, UnsupportedOpError
from vitrify.ops import REGISTRY


def model_of(function: Callable[..., Any], *args: Any, dynamic: Any = None, **options: Any) -> Any:
    program = vt.trace(function, *args, dynamic=dynamic)
    model = to_model(program.graph, program.state_dict(), program.output_names, **options)
    onnx.checker.check_model(model, full_check=True)
    return model


def types(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 512)
        self.fc2 = nn.Linear(512, 512)
        self.fc3 = nn.Linear(512, 10)

    def forward(self, x: vt.Tensor) -> vt.Tensor:
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class CNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: vt.Tensor) -> vt.Tensor:
        return self.fc(F.max_pool2d(F.relu(self.norm(self.conv(x))), 2).flatten(1))


BATCH = {"x": {0: "batch"}}


# ---------------------------------------------------------------- kept whole


def test_an_mlp_is_five_nodes() -> None:
    model = model_of(MLP(), vt.randn(1, 784), dynamic=BATCH)
    assert types(model) == ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]
    names = [tensor.name for tensor in model.graph.initializer]
    assert names == [f"fc{k}.{part}" for k in (1, 2, 3) for part in ("weight", "bias")]
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0])
    assert weight.shape == (512, 784)


def test_a_cnn_with_a_dynamic_batch_needs_no_arithmetic_on_sizes() -> None:
    model = model_of(CNN().eval(), vt.randn(2, 1, 8, 8), dynamic=BATCH)
    expected = ["Conv", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Gemm"]
    assert types(model) == expected


WHOLE: list[tuple[Callable[..., Any], dict[int, list[str]]]] = [
    (F.gelu, {20: ["Gelu"], 19: ["Mul", "Mul", "Erf", "Add", "Mul"]}),
    (lambda x: F.layer_norm(x, (4,)), {17: ["LayerNormalization"]}),
    (lambda x: F.rms_norm(x, (4,)), {23: ["RMSNormalization"]}),
    (lambda x: F.softmax(x, -1), {17: ["Softmax"]}),
    (lambda x: F.log_softmax(x, 0), {17: ["LogSoftmax"]}),
    (lambda x: F.silu(x), {17: ["Sigmoid", "Mul"]}),
    (lambda x: vt.clamp(x, 0.0, 6.0), {17: ["Clip"]}),
    (lambda x: vt.clamp(x, min=0.0), {17: ["Max"]}),
    (lambda x: F.hardswish(x), {17: ["HardSigmoid", "Mul"]}),
    (lambda x: F.softplus(x), {17: ["Softplus"]}),
    (lambda x: vt.logsumexp(x, 1), {17: ["ReduceLogSumExp"], 23: ["ReduceLogSumExp"]}),
    (lambda x: x.sum(1), {17: ["ReduceSum"]}),
    (lambda x: x.mean(1), {17: ["ReduceMean"], 18: ["ReduceMean"]}),
    (lambda x: x.argmax(1), {17: ["ArgMax"]}),
    (lambda x: x.transpose(0, 1), {17: ["Transpose"]}),
    (lambda x: x[:, 1:3], {17: ["Slice"]}),
    (lambda x: vt.cat([x, x], 1), {17: ["Concat"]}),
    (lambda x: x.expand(2, 3, 4), {17: ["Expand"]}),
    (lambda x: x.flatten(), {17: ["Reshape"]}),
]


@pytest.mark.parametrize(("function", "expected"), WHOLE)
def test_ops_are_kept_whole(function: Callable[..., Any], expected: dict[int, list[str]]) -> None:
    for opset, ops in expected.items():
        assert types(model_of(function, vt.randn(3, 4), opset=opset)) == ops, opset


def test_attention_is_one_node_where_onnxruntime_has_the_kernel() -> None:
    q = vt.randn(2, 4, 5, 8)

    def causal(q: vt.Tensor) -> vt.Tensor:
        return F.scaled_dot_product_attention(q, q, q, is_causal=True)

    for opset in OPSETS:
        whole = types(model_of(causal, q, opset=opset)) == ["Attention"]
        assert whole == (opset in (23, 24)), opset


def test_no_nodes_that_do_nothing() -> None:
    def function(x: vt.Tensor) -> vt.Tensor:
        return x.to(vt.float32).clone().reshape(3, 4).permute(0, 1).expand(3, 4) + 1

    assert types(model_of(function, vt.randn(3, 4))) == ["Add"]


def test_equal_constants_are_shared() -> None:
    model = model_of(lambda x: (x + 2.0) * 2.0 - vt.full((), 2.0), vt.randn(3))
    assert len(model.graph.initializer) == 1


# ---------------------------------------------------------------- sizes


def inner_types(function: Callable[..., Any], *args: Any, dynamic: Any) -> list[str]:
    return types(model_of(function, *args, dynamic=dynamic))


def test_reshape_prefers_copied_and_open_dims() -> None:
    x, both = vt.randn(3, 4, 6), {"x": {0: "batch", 1: "seq"}}
    assert inner_types(lambda x: x.flatten(1), x, dynamic=BATCH) == ["Reshape"]
    assert inner_types(lambda x: x.reshape(x.shape[0], -1), x, dynamic=both) == ["Reshape"]
    assert inner_types(lambda x: x.unflatten(2, (2, 3)), x, dynamic=both) == ["Reshape"]
    assert inner_types(lambda x: x.flatten(0, 1), x, dynamic=both) == ["Reshape"]
    heads = ["Reshape", "Transpose"]
    split = inner_types(lambda x: x.unflatten(2, (2, 3)).transpose(1, 2), x, dynamic=both)
    assert split == heads


def test_dynamic_dims_bear_their_names() -> None:
    model = model_of(
        lambda x: (vt.cat([x, x]), x.flatten()), vt.randn(3, 4), dynamic={"x": {0: "batch"}}
    )

    def shape(info: Any) -> list[Any]:
        return [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim]

    assert shape(model.graph.input[0]) == ["batch", 4]
    assert [shape(info) for info in model.graph.output] == [["2*batch", 4], ["4*batch"]]


def test_a_size_is_computed_once() -> None:
    def function(x: vt.Tensor) -> tuple[vt.Tensor, ...]:
        n = x.shape[0]
        return vt.full((n, n), 1.0), vt.arange(n * 2), x * n

    ops = inner_types(function, vt.randn(3), dynamic={"x": {0: "n"}})
    assert ops.count("Shape") == 1


# ---------------------------------------------------------------- names and metadata


def test_nodes_know_their_line_and_module() -> None:
    model = model_of(MLP(), vt.randn(1, 784))
    node = model.graph.node[0]
    assert node.name == "fc1/Gemm"
    metadata = {entry.key: entry.value for entry in node.metadata_props}
    file, _, line = metadata.pop("vitrify.source").rpartition(":")
    assert file.endswith("linear.py") or file.endswith("test_onnx_structure.py")
    assert int(line) > 0
    assert metadata == {"vitrify.op": "linear", "vitrify.module": "fc1"}


def test_the_file_says_who_wrote_it() -> None:
    model = model_of(F.relu, vt.randn(3), producer_version="1.2")
    assert (model.producer_name, model.producer_version) == ("vitrify", "1.2")
    assert model.ir_version == 11  # the first for opset 23
    assert model_of(F.relu, vt.randn(3), opset=17).ir_version == 10


def test_names_of_inputs_and_outputs_can_be_chosen_and_are_checked() -> None:
    program = vt.trace(lambda x, y: (x + y, x * y), vt.randn(3), vt.randn(3))
    graph = program.graph
    model = to_model(graph, {}, ["sum", "product"], input_names=["left", "right"])
    assert [info.name for info in model.graph.input] == ["left", "right"]
    assert [info.name for info in model.graph.output] == ["sum", "product"]
    for outputs, inputs, message in [
        (["a"], None, "1 output names for 2 outputs"),
        (["a", "a"], None, "two outputs are named 'a'"),
        (["a", "x"], None, "an input and an output are both named 'x'"),
        (["a", ""], None, "an output name must be text"),
        (["a", "b"], ["x", "x"], "two inputs are named 'x'"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            to_model(graph, {}, outputs, input_names=inputs)


def test_inputs_constants_and_repeats_are_outputs_by_identity() -> None:
    def function(x: vt.Tensor) -> tuple[vt.Tensor, ...]:
        y = F.relu(x)
        return x, y, y, vt.ones(2)

    assert types(model_of(function, vt.randn(3))) == ["Relu", "Identity", "Identity", "Identity"]


def test_a_weight_may_be_named_as_an_output() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Parameter(vt.randn(3))

        def forward(self, x: vt.Tensor) -> vt.Tensor:
            return x * self.output

    model = model_of(Module(), vt.randn(3))
    assert model.graph.output[0].name == "output"
    assert model.graph.initializer[0].name == "output_1"


def test_equal_programs_give_equal_bytes() -> None:
    net, x = CNN().eval(), vt.randn(2, 1, 8, 8)
    first, second = (
        model_of(net, x, dynamic=BATCH).SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second


# ---------------------------------------------------------------- refusals


def test_an_unknown_opset_is_refused() -> None:
    program = vt.trace(F.relu, vt.randn(3))
    for opset in (16, 27):
        with pytest.raises(ArgumentError, match=f"opset {opset} is not supported") as raised:
            to_model(program.graph, {}, ["y"], opset=opset)
        assert "17 to 26" in str(raised.value)


def test_what_an_opset_cannot_express_is_refused_with_the_line() -> None:
    def function(x: vt.Tensor, y: vt.Tensor) -> vt.Tensor:
        return x & y  # the line

    x = vt.tensor(np.arange(3))
    with pytest.raises(UnsupportedOpError) as raised:
        model_of(function, x, x, opset=17)
    text = str(raised.value)
    assert "bitwise_and(i64[3], i64[3]) cannot be written in ONNX opset 17" in text
    assert "test_onnx_structure.py" in text
    assert "return x & y  # the line" in text
    assert "opset=18" in text


def test_a_missing_kernel_is_named() -> None:
    x, weight = vt.tensor(np.ones((1, 1, 8))), vt.tensor(np.ones((1, 1, 3)))
    with pytest.raises(UnsupportedOpError, match=r"no float64 kernel for ConvTranspose"):
        model_of(F.conv_transpose1d, x, weight)


def test_missing_weights_are_named() -> None:
    program = vt.trace(MLP(), vt.randn(1, 784))
    with pytest.raises(ExportError, match=r"no data for the parameter 'fc1\.weight'"):
        to_model(program.graph, {}, ["y"])


# ---------------------------------------------------------------- coverage

# Ops whose results no file can compute: sizes that depend on values.
WITHOUT_RULE = {"nonzero"}


def test_every_primitive_has_a_rule() -> None:
    missing = {
        name
        for name, op in REGISTRY.items()
        if not op.is_composite and op.pure and name not in RULES and name not in LEAVES
    }
    assert missing - WITHOUT_RULE == set()


def test_every_rule_is_for_an_op() -> None:
    assert set(RULES) - set(REGISTRY) == set()


def test_supports_depends_on_the_opset() -> None:
    gelu, attention = REGISTRY["gelu"], REGISTRY["scaled_dot_product_attention"]
    assert [opset for opset in OPSETS if supports(gelu, opset)] == list(range(20, 27))
    assert [opset for opset in OPSETS if supports(attention, opset)] == [23, 24]
    assert supports(REGISTRY["parameter"])
