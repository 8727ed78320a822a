"""Registration, walks, modes, conversion and text of modules."""

import contextlib
import copy
import json
from pathlib import Path

import numpy as np
import pytest

import vitrify as vt
from vitrify import errors, nn
from vitrify.ir.op import current, interpreting

TEXTS = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_nn.json").read_text())["texts"]


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.scale = nn.Parameter(vt.ones(3))
        self.register_buffer("count", vt.zeros(1))
        self.register_buffer("scratch", vt.zeros(1), persistent=False)

    def forward(self, x):
        return self.fc(x) * self.scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.second = nn.Sequential(nn.ReLU(), nn.Linear(3, 2, bias=False))
        self.size = 3

    def forward(self, x):
        return self.second(self.first(x))


# ---------------------------------------------------------------- registration


def test_attributes_are_registered_by_what_they_are():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == [
        "first.scale",
        "first.fc.weight",
        "first.fc.bias",
        "second.1.weight",
    ]
    assert [name for name, _ in net.named_buffers()] == ["first.count", "first.scratch"]
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "first",
        "first.fc",
        "second",
        "second.0",
        "second.1",
    ]
    assert net.size == 3
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == []
    assert next(net.named_parameters("net"))[0] == "net.first.scale"


def test_a_buffer_object_is_registered_when_assigned():
    module = nn.Module()
    module.a = nn.Buffer(vt.ones(2))
    module.b = nn.Buffer(vt.ones(2), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["a", "b"]
    assert list(module.state_dict()) == ["a"]


def test_a_parameter_shares_the_memory_of_its_tensor():
    data = vt.zeros(3)
    p = nn.Parameter(data)
    data.add_(1)
    assert p.tolist() == [1, 1, 1]
    assert p.requires_grad
    assert p.is_leaf
    assert repr(p).startswith("Parameter containing:\ntensor(")
    assert not nn.Parameter(vt.zeros(2, dtype=vt.int64), requires_grad=False).requires_grad
    with pytest.raises(errors.DTypeError):
        nn.Parameter(vt.zeros(2, dtype=vt.int64))


def test_assigning_again_keeps_the_place():
    net = Block()
    net.scale = nn.Parameter(vt.zeros(3))
    assert [name for name, _ in net.named_parameters()] == ["scale", "fc.weight", "fc.bias"]
    assert net.scale.tolist() == [0, 0, 0]


def test_an_attribute_may_change_its_kind():
    module = nn.Module()
    module.x = 1
    module.x = nn.Parameter(vt.zeros(1))
    assert len(list(module.parameters())) == 1
    module.x = nn.Identity()
    assert not list(module.parameters())
    assert len(list(module.children())) == 1
    module.x = None
    assert module.x is None
    del module.x
    assert not hasattr(module, "x")
    module.x = 2
    del module.x
    assert not hasattr(module, "x")


def test_a_buffer_can_be_replaced_by_a_tensor():
    block = Block()
    block.count = vt.ones(1)
    assert dict(block.named_buffers())["count"].item() == 1
    block.count = None
    assert "count" not in dict(block.named_buffers())


class Forgetful(nn.Module):
    def __init__(self, value):
        self.options = {"a": 1}  # a plain attribute is fine
        self.layer = value


@pytest.mark.parametrize(
    "value", [nn.Identity(), nn.Parameter(vt.zeros(1)), nn.Buffer(vt.zeros(1))], ids=type
)
def test_forgetting_the_base_constructor_is_explained(value):
    with pytest.raises(errors.ArgumentError, match=r"Forgetful .*super\(\).__init__\(\)"):
        Forgetful(value)


def test_a_module_without_its_tables_says_so():
    module = Forgetful(3)
    with pytest.raises(AttributeError, match="was not called"):
        _ = module.weight
    with pytest.raises(errors.ArgumentError, match="super"):
        module.state_dict()


@pytest.mark.parametrize(
    "act, text",
    [
        (lambda m: setattr(m, "scale", vt.zeros(3)), "parameter of Block"),
        (lambda m: setattr(m, "fc", 3), "module of Block"),
        (lambda m: setattr(m, "count", 3), "buffer of Block"),
        (lambda m: m.register_parameter("p", vt.zeros(1)), "nn.Parameter"),
        (lambda m: m.register_parameter("fc", None), "already"),
        (lambda m: m.register_parameter("a.b", None), "dots"),
        (lambda m: m.register_buffer("", None), "dots"),
        (lambda m: m.register_buffer("b", 3), "tensor"),
        (lambda m: m.add_module("forward", nn.Identity()), "already"),
        (lambda m: m.add_module("x", 3), "module"),
        (lambda m: m.to(3), "to"),
    ],
)
def test_wrong_registrations_are_explained(act, text):
    block = Block()
    before = repr(block), list(block.state_dict())
    with pytest.raises(errors.ArgumentError, match=text):
        act(block)
    assert (repr(block), list(block.state_dict())) == before


def test_a_missing_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'weight'"):
        _ = Block().weight
    with pytest.raises(AttributeError):
        del Block().weight


def test_a_module_without_forward_says_so():
    with pytest.raises(errors.ArgumentError, match="no forward"):
        nn.Module()(1)


def test_names_can_be_looked_up():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("second.1") is net.second[1]
    assert net.get_parameter("first.fc.weight") is net.first.fc.weight
    assert net.get_buffer("first.count") is net.first.count
    assert {"first", "second", "forward"} <= set(dir(net))
    for get, name in [
        (net.get_submodule, "first.nothing"),
        (net.get_parameter, "first.count"),
        (net.get_buffer, "second.bias"),
    ]:
        with pytest.raises(errors.StateError, match=name):
            get(name)


# ---------------------------------------------------------------- shared parts


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3, bias=False)
        self.b = self.a
        self.c = nn.Linear(3, 3, bias=False)
        self.c.weight = self.a.weight

    def forward(self, x):
        return self.c(self.b(self.a(x)))


def test_shared_parts_are_walked_once():
    net = Shared()
    assert [name for name, _ in net.named_parameters()] == ["a.weight"]
    assert [name for name, _ in net.named_modules()] == ["", "a", "c"]
    assert len(list(net.children())) == 2
    every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert every == ["a.weight", "b.weight", "c.weight"]


def test_shared_parameters_add_up_their_gradients():
    net = Shared()
    x = vt.randn(2, 3, dtype=vt.float32)
    net(x).sum().backward()
    w, g = net.a.weight.detach().numpy().astype(np.float64), np.zeros((3, 3))
    step = 1e-6
    for k in np.ndindex(3, 3):
        at = []
        for sign in (1, -1):
            v = w.copy()
            v[k] += sign * step
            at.append((x.numpy() @ v.T @ v.T @ v.T).sum())
        g[k] = (at[0] - at[1]) / (2 * step)
    np.testing.assert_allclose(net.a.weight.grad.numpy(), g, rtol=1e-3, atol=1e-4)


def test_deepcopy_keeps_sharing_and_is_independent():
    net = Shared()
    net.tag = nn.Buffer(vt.zeros(1), persistent=False)
    twin = copy.deepcopy(net)
    assert twin.a is twin.b
    assert twin.c.weight is twin.a.weight
    assert twin.a.weight is not net.a.weight
    assert isinstance(twin.a.weight, nn.Parameter)
    assert twin.a.weight.requires_grad
    assert twin.tag.persistent is False
    before = net.a.weight.tolist()
    assert twin.a.weight.tolist() == before
    with vt.no_grad():
        twin.a.weight.zero_()
    assert net.a.weight.tolist() == before
    assert list(twin.state_dict()) == list(net.state_dict())


# ---------------------------------------------------------------- modes, gradients, conversion


def test_train_and_eval_reach_every_module():
    net = Net()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.first.train()
    assert [m.training for m in net.modules()] == [False, True, True, False, False, False]


def test_apply_goes_from_the_leaves_up():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_gradients_can_be_stopped_and_forgotten():
    net = Net()
    x = vt.ones(2, 3)
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert not net.requires_grad_(False)(x).requires_grad


def test_conversion_keeps_the_parameter_objects():
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    weight, before = net[0].weight, net[0].weight.tolist()
    net(vt.ones(4, 3)).sum().backward()
    assert net.double() is net
    assert net[0].weight is weight
    assert weight.dtype is vt.float64
    assert weight.grad.dtype is vt.float64
    assert weight.tolist() == before
    assert net[1].running_mean.dtype is vt.float64
    assert net[1].num_batches_tracked.dtype is vt.int64
    assert net(vt.ones(4, 3, dtype=vt.float64)).dtype is vt.float64
    for method, dtype in [("half", vt.float16), ("bfloat16", vt.bfloat16), ("float", vt.float32)]:
        assert getattr(net, method)()[0].weight.dtype is dtype
    assert net.to(vt.float64)[0].weight.dtype is vt.float64
    assert net.to("cpu", dtype=vt.float32).cpu()[0].weight.dtype is vt.float32
    assert net.to(vt.zeros(1, dtype=vt.float64))[0].weight.dtype is vt.float64
    with pytest.raises(errors.DTypeError, match="int64"):
        net.to(vt.int64)


def test_conversion_makes_saved_tensors_stale():
    net = nn.Linear(2, 2)
    x = vt.ones(1, 2, requires_grad=True)
    loss = net(x).sum()
    net.double()
    with pytest.raises(errors.AutogradError):
        loss.backward()


# ---------------------------------------------------------------- calls and text


def test_a_call_enters_the_scope_of_the_interpreter():
    path = []

    class Watching:
        """The eager interpreter, noting where modules begin and end."""

        def __getattr__(self, name):
            return getattr(eager, name)

        @contextlib.contextmanager
        def scope(self, module):
            path.append(type(module).__name__)
            yield
            path.append(f"/{type(module).__name__}")

    eager = current()
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with interpreting(Watching()):
        net(vt.ones(1, 2))
    assert path == ["Sequential", "Linear", "/Linear", "ReLU", "/ReLU", "/Sequential"]


@pytest.mark.parametrize("code", TEXTS)
def test_text_is_that_of_pytorch(code):
    assert repr(eval(code, vars(nn).copy())) == TEXTS[code]


def test_text_shows_nested_modules():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Block(\n"
        "    (fc): Linear(in_features=3, out_features=3, bias=True)\n"
        "  )\n"
        "  (second): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=2, bias=False)\n"
        "  )\n"
        ")"
    )
