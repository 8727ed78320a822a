"""Capture: what is recorded, under which names, and where it says it comes from."""

import dataclasses
import functools
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import vitrify as vt
from vitrify import nn
from vitrify.errors import CaptureError
from vitrify.ir.dims import same_shape


def text(program):
    """The graph's nodes without locations."""
    lines = str(program.graph).splitlines()
    return "\n".join(line.split("  #")[0].rstrip() for line in lines)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.body(x))


def test_a_module_is_captured_with_its_names_and_paths():
    net = Net()
    program = vt.trace(net, vt.zeros(2, 4), dynamic={"x": {0: "batch"}})
    assert text(program) == (
        "graph Net(%x: f32[batch, 4]) -> (f32[batch, 3])\n"
        "  where batch >= 1 {\n"
        '  %body.0.weight = parameter "body.0.weight" : f32[8, 4]\n'
        '  %body.0.bias = parameter "body.0.bias" : f32[8]\n'
        "  %0 = linear(%x, %body.0.weight, %body.0.bias) : f32[batch, 8]\n"
        "  %1 = relu(%0) : f32[batch, 8]\n"
        '  %head.weight = parameter "head.weight" : f32[3, 8]\n'
        '  %head.bias = parameter "head.bias" : f32[3]\n'
        "  %2 = linear(%1, %head.weight, %head.bias) : f32[batch, 3]\n"
        "  return %2\n"
        "}"
    )
    computed = [node for node in program.graph.nodes if node.location]
    assert [node.location.module for node in computed] == ["body.0", "body.1", "head"]
    assert {node.location.source() for node in computed} == {"return self.head(self.body(x))"}


def test_weights_are_shared_not_copied():
    net = Net()
    program = vt.trace(net, vt.zeros(2, 4))
    assert program.state_dict()["head.weight"] is net.head.weight


def test_capture_computes_nothing():
    def explode(x):
        return x.expand(10**6, 10**6, 10**6).exp().sum()

    program = vt.trace(explode, vt.zeros(1))
    assert program.output_types["output"].shape == ()


def test_a_shared_weight_is_one_parameter():
    layer = nn.Linear(8, 8)
    program = vt.trace(nn.Sequential(layer, layer), vt.zeros(1, 8))
    parameters = [n for n in program.graph.nodes if n.op.name == "parameter"]
    assert len(parameters) == 2


def test_tensors_from_outside_become_constants():
    big, small = vt.arange(100).float(), vt.tensor([1.5, 2.5])
    program = vt.trace(lambda x: x * big + small.sum(), vt.zeros(100))
    assert 'parameter "constant.0" : f32[100]' in text(program)
    assert "constant (1.5, 2.5) : f32[2]" in text(program)
    x = vt.ones(100)
    np.testing.assert_array_equal(program(x).numpy(), np.arange(100, dtype=np.float32) + 4)


Pair = namedtuple("Pair", "first second")


@dataclass
class Result:
    total: vt.Tensor
    parts: list


def test_trees_in_and_out_keep_their_form_and_name_the_inputs():
    def function(batch, pair, scale=2.0, *, flag=None):
        assert flag is None
        total = batch["image"] * scale + pair.first - pair.second
        return Result(total, [batch["extra"][0], (total.sum(), 3)])

    batch = {"image": vt.ones(2), "extra": [vt.zeros(1)]}
    program = vt.trace(function, batch, Pair(vt.ones(2), vt.zeros(2)))
    assert list(program.input_types) == [
        "batch.image",
        "batch.extra.0",
        "pair.first",
        "pair.second",
    ]
    assert program.output_names == ("total", "parts.0", "parts.1.0")
    result = program(batch, Pair(vt.ones(2), vt.zeros(2)))
    assert isinstance(result, Result)
    assert result.total.tolist() == [3.0, 3.0]
    assert result.parts[1][1] == 3


def test_varargs_and_keyword_arguments():
    def function(*xs, **options):
        return xs[0] + xs[1] * options["k"]

    program = vt.trace(function, vt.ones(2), vt.ones(2), k=vt.full((2,), 3.0))
    assert list(program.input_types) == ["xs_0", "xs_1", "k"]
    assert program(vt.ones(2), vt.ones(2), k=vt.full((2,), 3.0)).tolist() == [4.0, 4.0]


def test_sizes_stay_symbolic():
    def function(x):
        b, n = x.shape
        y = x.reshape(b * 2, n // 2)
        return vt.cat([y, y]).flatten() * b, vt.arange(b), vt.ones(b, 2 * n)

    program = vt.trace(function, vt.zeros(3, 4), dynamic={"x": {0: "batch"}})
    shapes = [t.shape for t in program.output_types.values()]
    batch = program.input_types["x"].shape[0]
    assert same_shape(shapes[0], (8 * batch,))
    assert same_shape(shapes[1], (batch,))
    assert same_shape(shapes[2], (batch, 8))
    for size in (1, 2, 5):
        x = vt.randn(size, 4)
        for got, expected in zip(program(x), function(x), strict=True):
            np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_an_example_of_size_one_gives_the_same_program():
    def function(x):
        return (x - x.mean(0, keepdim=True)).softmax(-1)

    programs = [vt.trace(function, vt.zeros(n, 3), dynamic={"x": {0: "batch"}}) for n in (1, 7)]
    assert str(programs[0].graph) == str(programs[1].graph)


def test_a_symbol_is_shared_between_inputs_and_its_range_is_kept():
    rows = vt.dim("rows", min=2, max=8)
    program = vt.trace(
        lambda x, y: x + y, vt.zeros(3, 1), vt.zeros(3, 5), dynamic={"x": {0: rows}, "y": {0: rows}}
    )
    assert program.constraints == ("rows >= 2", "rows <= 8")
    assert program(vt.zeros(8, 1), vt.zeros(8, 5)).shape == (8, 5)


@pytest.mark.parametrize(
    ("dynamic", "message"),
    [
        ({"z": {0: "n"}}, "'z', which is not an input"),
        ({"x": {2: "n"}}, "x has no dim 2"),
        ({"x": {0: 3}}, "must be text or a vt.dim"),
        ({"x": {0: "n", 1: "n"}}, "n is 3 in x.shape"),
        ({"x": {0: vt.dim("n", min=5)}}, "outside the range of n"),
        ({"x": {0: 2 * vt.dim("n")}}, "which 2.n cannot be"),
    ],
)
def test_dynamic_dims_that_do_not_fit_are_refused(dynamic, message):
    with pytest.raises(vt.errors.ArgumentError, match=message):
        vt.trace(lambda x: x, vt.zeros(3, 4), dynamic=dynamic)


def test_arguments_that_do_not_fit_the_function_are_refused():
    with pytest.raises(vt.errors.ArgumentError, match="missing a required argument: 'y'"):
        vt.trace(lambda x, y: x, vt.zeros(1))


def test_composites_are_one_node_each():
    program = vt.trace(lambda x: vt.silu(vt.softmax(x, -1)), vt.zeros(2, 3))
    assert [n.op.name for n in program.graph.nodes] == ["softmax", "silu"]


def test_parameters_that_require_gradients_do_not_change_the_program():
    w = vt.ones(3, 3, requires_grad=True)
    program = vt.trace(lambda x: nn.functional.linear(x, w), vt.zeros(2, 3))
    assert program.graph.nodes[-1].op.name == "linear"
    assert not program(vt.zeros(2, 3)).requires_grad


def test_a_big_model_is_captured_without_touching_its_weights():
    layers = [nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64), nn.LayerNorm(64)] * 12
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        parameter._data.flags.writeable = False
    program = vt.trace(model, vt.zeros(1, 64), dynamic={"input": {0: "n"}})
    for name, tensor in program.state_dict().items():
        assert tensor is model.get_parameter(name)


def test_arguments_whose_names_clash_are_passed_as_they_were():
    def starred(args_0, *args, xs_2=None):
        return args_0 - args[0] * 2

    def keyword(x, /, **kwargs):
        return x - kwargs["x"] * 2

    x, y = vt.ones(2), vt.arange(2).float()
    assert vt.trace(starred, x, y)(x, y).tolist() == [1.0, -1.0]
    program = vt.trace(keyword, x, x=y)
    assert program(x, x_=y).tolist() == [1.0, -1.0]


def test_a_default_that_is_a_tensor_stays_the_functions_own():
    weight = vt.arange(3).float()

    def function(x, w=weight, k=2.0):
        return x * w * k

    x = vt.ones(3)
    for program in (vt.trace(function, x), vt.trace(functools.partial(vt.mul, other=weight), x)):
        assert [value.name for value in program.graph.inputs] in (["x"], ["input"])
    assert vt.trace(function, x)(x).tolist() == [0.0, 2.0, 4.0]
    assert vt.trace(function, x, k=3.0)(x).tolist() == [0.0, 3.0, 6.0]
    assert vt.trace(function, x, x)(x, x).tolist() == [2.0, 2.0, 2.0]


def test_two_inputs_of_one_name_are_refused():
    with pytest.raises(vt.errors.ArgumentError, match=r"two inputs are named 'd.a.b'"):
        vt.trace(lambda d: d["a.b"], {"a.b": vt.ones(1), "a": {"b": vt.ones(1)}})


def test_a_dataclass_is_rebuilt_without_running_its_init_again():
    @dataclasses.dataclass(frozen=True)
    class Doubled:
        a: vt.Tensor
        k: int = dataclasses.field(default=3, init=False)

        def __post_init__(self):
            object.__setattr__(self, "a", self.a * 2)

    given = Doubled(vt.ones(2))
    program = vt.trace(lambda d: Doubled(d.a * d.k), given)
    result = program(given)
    assert isinstance(result, Doubled)
    assert result.a.tolist() == [12.0, 12.0] and result.k == 3


def test_a_returned_size_is_refused_with_the_mend():
    x = vt.ones(2, 3)
    with pytest.raises(CaptureError, match=r"returns a symbolic size at 1\.0") as caught:
        vt.trace(lambda x: (x, x.shape), x, dynamic={"x": {0: "n"}})
    assert "vt.tensor(...)" in str(caught.value)
    program = vt.trace(lambda x: vt.tensor(x.shape), x, dynamic={"x": {0: "n"}})
    assert program(vt.ones(5, 3)).tolist() == [5, 3]


def test_tensors_of_symbolic_sizes():
    def function(x):
        n = x.shape[0]
        return vt.tensor(n), vt.tensor([[n, 1.5], [2, True]]), vt.as_tensor(n * 2 + 1)

    program = vt.trace(function, vt.ones(2), dynamic={"x": {0: "n"}})
    one, many, odd = program(vt.ones(7))
    assert one.dtype is vt.int64 and one.tolist() == 7
    assert many.dtype is vt.float32 and many.tolist() == [[7.0, 1.5], [2.0, 1.0]]
    assert odd.tolist() == 15
