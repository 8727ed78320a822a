"""`nn.functional` against stored results and gradients of PyTorch."""

import json
from pathlib import Path

import numpy as np
import pytest
from functional_inputs import inputs

import vitrify as vt
import vitrify.nn.functional as F

FILE = Path(__file__).parents[1] / "fixtures" / "torch_functional.json"
CASES = {entry["case"]: entry for entry in json.loads(FILE.read_text())}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_pytorch(case):
    entry = CASES[case]
    names = {name: vt.tensor(array) for name, array in inputs().items()}
    x = names["x"].requires_grad_()
    out = eval(case, {"F": F, **names})
    assert list(out.shape) == entry["shape"]
    expected = np.reshape(entry["result"], out.shape)
    np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    assert out.requires_grad == ("gradient" in entry)
    if out.requires_grad:
        (out * out).sum().backward()
        expected = np.reshape(entry["gradient"], x.shape)
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-7, atol=1e-9)
        with vt.no_grad():  # may run another kernel
            again = eval(case, {"F": F, **names})
        np.testing.assert_allclose(again.numpy(), out.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_in_place_forms_write_into_the_input():
    for name in ("relu", "relu6", "leaky_relu", "elu", "silu", "mish", "hardswish", "hardtanh"):
        x = vt.tensor([-4.0, -0.5, 0.25, 8.0])
        expected = getattr(F, name)(x)
        result = getattr(F, name)(x, inplace=True)
        assert result is x
        np.testing.assert_array_equal(x.numpy(), expected.numpy())


def test_dropout_keeps_the_mean_and_only_in_training():
    vt.manual_seed(0)
    x = vt.ones(100, 200)
    out = F.dropout(x, 0.25).numpy()
    assert set(np.unique(out)) == {np.float32(0.0), np.float32(1 / 0.75)}
    assert abs((out == 0).mean() - 0.25) < 0.01
    assert F.dropout(x, 0.25, training=False) is x
    assert F.dropout(x, 1.0).numpy().max() == 0.0
    channels = F.dropout2d(vt.ones(8, 16, 3, 3), 0.5).numpy()
    assert (channels == channels[..., :1, :1]).all()
    assert len(np.unique(channels)) == 2
    with pytest.raises(vt.errors.ArgumentError, match="from 0 to 1"):
        F.dropout(x, 1.5)


def test_the_padding_row_of_an_embedding_gets_no_gradient():
    weight = vt.ones(4, 2, requires_grad=True)
    F.embedding(vt.tensor([1, 3, 3]), weight, padding_idx=-1).sum().backward()
    np.testing.assert_array_equal(weight.grad.numpy(), [[0, 0], [1, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: F.softmax(x), "dim"),
        (lambda x: F.pad(x, (1, 2, 3)), "pairs"),
        (lambda x: F.pad(x, (1, 1), "wrap"), "mode"),
        (lambda x: F.pad(x, (3, 0), "reflect"), "more than the 3"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.1), "dropout"),
        (lambda x: F.scaled_dot_product_attention(x, x, x, x, is_causal=True), "not both"),
        (lambda x: F.dropout2d(x), "3 or 4 dims"),
    ],
)
def test_wrong_arguments_are_refused(call, text):
    with pytest.raises(vt.VitrifyError, match=text):
        call(vt.zeros(3, 3))


@pytest.mark.parametrize("p", [2.0, 3.0])
def test_vectors_of_zeros_have_finite_gradients_of_both_orders(p):
    rows = [[0.0, 0.0, 0.0], [1.0, 2.0, -3.0]]
    for function in (vt.normalize, vt.norm):
        x = vt.tensor(rows, dtype=vt.float64, requires_grad=True)
        (first,) = vt.grad(function(x, p, 1).sum(), [x], create_graph=True)
        (second,) = vt.grad((first * first).sum(), [x])
        assert first.isfinite().all() and second.isfinite().all()
