"""PyTorch's semantics: each expression gives here what PyTorch gave (see `torch_expressions`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_expressions import GROUPS, names

import vitrify as vt

EXPECTED = json.loads((Path(__file__).parents[1] / "fixtures" / "semantics.json").read_text())
TOLERANCE = {"float16": 1e-3, "bfloat16": 1e-2, "float32": 1e-6, "float64": 1e-12}


def evaluated(expression: str) -> Any:
    return eval(expression, names(vt, vt.grad))


def assert_described(actual: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert len(actual) == len(expected)
        for y, wanted in zip(actual, expected, strict=True):
            assert_described(y, wanted)
        return
    assert actual.dtype.name == expected["dtype"]
    assert list(actual.shape) == expected["shape"]
    elements = actual.detach().numpy().reshape(-1)
    if not actual.dtype.is_floating_point:
        assert elements.tolist() == expected["elements"]
        return
    rtol = TOLERANCE[expected["dtype"]]
    np.testing.assert_allclose(elements.astype(np.float64), expected["elements"], rtol)
    zero = np.array(expected["elements"]) == 0
    signs = np.signbit(np.array(expected["elements"])[zero])
    np.testing.assert_array_equal(np.signbit(elements.astype(np.float64)[zero]), signs)


@pytest.mark.parametrize(
    "expression", [e for name, group in GROUPS.items() if name != "errors" for e in group]
)
def test_the_result_is_pytorchs(expression: str) -> None:
    assert_described(evaluated(expression), EXPECTED[expression])


@pytest.mark.parametrize("expression", GROUPS["errors"])
def test_what_pytorch_refuses_is_refused(expression: str) -> None:
    assert EXPECTED[expression] == "error"
    with pytest.raises(vt.VitrifyError) as raised:
        evaluated(expression)
    assert str(raised.value)
