"""Sequences and dicts of modules and parameters."""

import pytest

import vitrify as vt
from vitrify import errors, nn


def test_sequential_calls_one_after_the_other():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).append(nn.Flatten(0))
    assert net(vt.ones(4, 2)).shape == (12,)
    assert isinstance(net[-1], nn.Flatten)
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Flatten"]
    assert net[:2][0] is net[0]
    assert len(net[1:]) == 2
    net.insert(1, nn.Tanh())
    del net[0]
    assert list(dict(net.named_children())) == ["0", "1", "2"]
    assert isinstance(net[0], nn.Tanh)
    net[0] = nn.Sigmoid()
    assert isinstance(net[0], nn.Sigmoid)
    assert len(net.extend([nn.ReLU()])) == 4
    with pytest.raises(IndexError):
        _ = net[4]


def test_sequential_takes_names():
    net = nn.Sequential({"fc": nn.Linear(2, 3), "act": nn.ReLU()})
    assert net.fc is net[0]
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"]
    assert list(dict(net[1:].named_children())) == ["act"]


def test_module_list():
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    layers.append(nn.ReLU()).extend([nn.ReLU()])
    assert len(layers) == 5
    assert len(layers[1:3]) == 2
    assert layers[-2] is layers[3]
    assert len(list(layers.parameters())) == 6
    with pytest.raises(errors.ArgumentError, match="no forward"):
        layers(1)


def test_module_dict():
    layers = nn.ModuleDict({"a": nn.Linear(2, 2)})
    layers["b"] = nn.ReLU()
    assert list(layers) == list(layers.keys()) == ["a", "b"]
    assert [type(m).__name__ for _, m in layers.items()] == ["Linear", "ReLU"]
    assert "a" in layers
    assert isinstance(layers.pop("b"), nn.ReLU)
    del layers["a"]
    assert len(layers) == 0
    with pytest.raises(errors.ArgumentError):
        layers["x"] = 3
    with pytest.raises(errors.ArgumentError, match="already"):
        layers["keys"] = nn.ReLU()


def test_parameter_list_and_dict():
    several = nn.ParameterList([vt.ones(2), nn.Parameter(vt.zeros(1))]).append(vt.ones(3))
    assert len(several) == len(list(several.parameters())) == 3
    several[-1] = vt.zeros(2)
    assert [p.shape for p in several] == [(2,), (1,), (2,)]
    assert "(0): Parameter(f32[2])" in repr(several)
    named = nn.ParameterDict({"w": vt.ones(2)})
    named["b"] = vt.zeros(1)
    assert [name for name, _ in named.named_parameters()] == list(named) == ["w", "b"]
    assert named["w"].requires_grad
    assert "w" in named
    del named["w"]
    assert len(named) == 1
    with pytest.raises(errors.ArgumentError):
        several.append(3)
