"""state_dict and load_state_dict."""

import copy

import numpy as np
import pytest

import vitrify as vt
from vitrify import errors, nn


def make():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))


NAMES = [
    "0.weight",
    "0.bias",
    "1.weight",
    "1.bias",
    "1.running_mean",
    "1.running_var",
    "1.num_batches_tracked",
    "2.weight",
]


def values(net):
    return {name: t.tolist() for name, t in net.state_dict().items()}


def test_names_and_order_are_those_of_pytorch():
    assert list(make().state_dict()) == NAMES
    assert next(iter(make().state_dict(prefix="net."))) == "net.0.weight"


def test_state_has_no_history_and_shares_memory():
    net = make()
    state = net.state_dict()
    assert not any(t.requires_grad for t in state.values())
    state["0.bias"].fill_(7)
    assert net[0].bias.tolist() == [7] * 4


def test_a_round_trip_gives_equal_modules():
    net, other = make(), make()
    net(vt.randn(5, 3))
    assert values(net) != values(other)
    parameters = list(other.parameters())
    result = other.load_state_dict(net.state_dict())
    assert values(net) == values(other)
    assert all(a is b for a, b in zip(parameters, other.parameters(), strict=True))
    assert result == ([], [])
    assert str(result) == "<All keys matched successfully>"
    x = vt.randn(4, 3)
    assert net.eval()(x).tolist() == other.eval()(x).tolist()


def test_arrays_of_other_dtypes_are_converted():
    net = make()
    state = {name: np.asarray(t.numpy(), np.float64) for name, t in make().state_dict().items()}
    state["1.num_batches_tracked"] = np.int32(3)
    net.load_state_dict(state)
    assert net[0].weight.dtype is vt.float32
    assert net[1].num_batches_tracked.item() == 3
    np.testing.assert_array_equal(
        net[0].weight.detach().numpy(), state["0.weight"].astype(np.float32)
    )


def test_each_fault_is_listed_and_nothing_is_changed():
    net = make()
    before = values(net)
    state = copy.deepcopy(make().state_dict())
    del state["0.bias"]
    state["head.weight"] = vt.zeros(1)
    state["2.weight"] = vt.zeros(2, 5)
    state["1.num_batches_tracked"] = vt.tensor(1.5)
    state["1.running_var"] = "text"
    with pytest.raises(errors.StateError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "does not fit Sequential" in text
    assert "missing: 0.bias f32[4]" in text
    assert "unexpected: head.weight" in text
    assert "2.weight: shape (2, 5) in the state, (2, 4) in the module" in text
    assert "1.num_batches_tracked: float32 in the state, int64 in the module" in text
    assert "1.running_var: no tensor can hold" in text
    assert values(net) == before


def test_other_names_are_let_pass_if_not_strict():
    net = make()
    state = {"2.weight": vt.zeros(2, 4), "head.weight": vt.zeros(1)}
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == NAMES[:-1]
    assert unexpected == ["head.weight"]
    assert net[2].weight.tolist() == [[0] * 4] * 2
    assert "missing=" in str(net.load_state_dict(state, strict=False))


def test_shapes_count_even_if_not_strict():
    net = make()
    before = values(net)
    with pytest.raises(errors.StateError, match=r"2\.weight"):
        net.load_state_dict({"0.bias": vt.zeros(4), "2.weight": vt.zeros(4)}, strict=False)
    assert values(net) == before


def test_read_only_memory_is_a_fault():
    net = nn.Linear(2, 1, bias=False)
    array = np.zeros((1, 2), np.float32)
    array.flags.writeable = False
    net.weight = nn.Parameter(vt.from_numpy(array))
    with pytest.raises(errors.StateError, match="read-only"):
        net.load_state_dict({"weight": vt.ones(1, 2)})


def test_tied_parameters_stand_under_each_name():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    net.load_state_dict({"0.weight": vt.ones(2, 2), "1.weight": vt.ones(2, 2)})
    assert net[1].weight is net[0].weight
    with pytest.raises(errors.StateError, match=r"missing: 1\.weight"):
        net.load_state_dict({"0.weight": vt.ones(2, 2)})


def test_loading_makes_saved_tensors_stale():
    net = nn.Linear(2, 2)
    x = vt.ones(1, 2, requires_grad=True)
    loss = net(x).sum()
    net.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(errors.AutogradError, match="in-place"):
        loss.backward()


def test_a_state_error_is_a_key_error():
    with pytest.raises(KeyError):
        make().load_state_dict({})
