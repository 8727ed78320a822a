"""The report of a capture says what the code, the example and the weights gave it."""

import pytest

import vitrify as vt
import vitrify.nn.functional as F
from vitrify import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x, scale=1.0, cache=None):
        if x.shape[0] == 4:
            x = x + 1
        return {"y": F.gelu(self.fc(self.norm(self.fc(x)))) * scale, "kind": "gelu"}


def sections(text):
    """The lines of the report below each title."""
    head, *blocks = text.split("\n\n")
    parts = (block.split("\n") for block in blocks)
    return head, {title: [line.strip() for line in lines] for title, *lines in parts}


def test_a_module_is_explained():
    batch = vt.dim("batch", max=64)
    program = vt.trace(Net().eval(), vt.ones(2, 3), dynamic={"x": {0: batch}})
    head, found = sections(vt.export.explain(program))
    assert head == "program Net: 5 nodes"
    assert found["inputs"] == ["x  f32[batch, 3]"]
    assert found["Python values, fixed"] == ["scale = 1.0", "cache = None"]
    assert found["dynamic sizes"] == ["1 <= batch <= 64  x.shape[0]"]
    (decided,) = found["decided about sizes"]
    assert decided.startswith("batch != 4  ")
    assert "test_explanation.py:17" in decided
    assert decided.endswith("if x.shape[0] == 4:")
    assert found["outputs"] == ["y  f32[batch, 3]", "output.kind = 'gelu', fixed"]
    total, *weights = found["weights"]
    assert total == "4 parameters, 2 buffers and constants: 24 numbers, 96 bytes"
    assert weights[0].split() == ["fc.weight", "f32[3,", "3]", "shared", "by", "2", "nodes"]
    assert weights[2].split() == ["norm.running_mean", "f32[3]"]
    assert found["randomness"] == ["none: the same inputs give the same outputs"]
    assert found["branches"] == ["none: every call runs every node"]
    assert found["ops"][0].split() == ["2", "linear", "whole", "in", "ONNX"]
    assert ["1", "mul"] in [line.split() for line in found["ops"]]


def test_what_is_not_there_is_said():
    _, found = sections(vt.export.explain(vt.trace(lambda x: x.abs(), vt.ones(2))))
    assert found["dynamic sizes"] == found["weights"] == found["decided about sizes"] == ["none"]


def test_sizes_that_are_expressions_name_their_places():
    n = vt.dim("n")
    program = vt.trace(lambda x, y: x[:, :1] * y, vt.ones(4, 2), vt.ones(4, 1), dynamic={
        "x": {0: 2 * n}, "y": {0: 2 * n},
    })  # fmt: skip
    _, found = sections(vt.export.explain(program))
    assert found["dynamic sizes"] == ["1 <= n  x.shape[0] = 2*n, y.shape[0] = 2*n"]


def test_many_weights_are_cut_to_the_largest():
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(15)))
    _, found = sections(vt.export.explain(vt.trace(net.eval(), vt.ones(1, 2))))
    total, *shown, more = found["weights"]
    assert total == "30 parameters: 90 numbers, 360 bytes"
    assert len(shown) == 20
    assert sum("weight" in line for line in shown) == 15
    assert more == "and 10 smaller"


def test_an_archive_is_explained_without_its_code(tmp_path):
    program = vt.trace(Net().eval(), vt.ones(2, 3), dynamic={"x": {0: "batch"}})
    loaded = vt.load(program.save(tmp_path / "net.vt"))
    before, after = (sections(vt.export.explain(p))[1] for p in (program, loaded))
    # Which weights are parameters is the model's to know.
    assert after["weights"].pop(0) == "6 weights: 24 numbers, 96 bytes"
    before["weights"].pop(0)
    assert before == after


def test_only_programs_are_explained():
    with pytest.raises(vt.errors.ArgumentError, match="a program is explained, not a Net"):
        vt.export.explain(Net())  # type: ignore[arg-type]
