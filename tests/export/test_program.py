"""Programs: calls are checked at the door, and the archive needs nothing but itself."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vitrify as vt
from vitrify import nn
from vitrify.errors import ArgumentError, ConstraintError, DTypeError, ExportError, FormatError
from vitrify.ir.constraints import Constraint
from vitrify.ir.dims import Condition
from vitrify.ir.location import Location


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 4, 3)

    def forward(self, x, cache=None, *, scale=2.0):
        y = nn.functional.max_pool2d(nn.functional.relu(self.norm(self.conv(x))), 2)
        out = self.head(y.flatten(1)) * scale
        return {"logits": out, "cache": cache if cache is None else [c + 1 for c in cache]}


@pytest.fixture(scope="module")
def net():
    vt.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def program(net):
    return vt.trace(net, vt.zeros(2, 1, 4, 4), dynamic={"x": {0: vt.dim("batch", max=64)}})


@pytest.fixture(scope="module")
def archive(program, tmp_path_factory):
    return program.save(tmp_path_factory.mktemp("archive") / "net.vt")


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_a_program_computes_what_the_model_does(net, program, size):
    x = vt.randn(size, 1, 4, 4)
    with vt.no_grad():
        expected = net(x)["logits"].numpy()
    np.testing.assert_array_equal(program(x)["logits"].numpy(), expected)
    assert program(x)["cache"] is None


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: p(), ArgumentError, "the argument x is missing"),
        (lambda p: p(vt.zeros(2, 1, 4, 4), None, 2.0, 1), ArgumentError, "4 arguments given"),
        (lambda p: p(vt.zeros(2, 1, 4, 4), y=1), ArgumentError, "no argument is named 'y'"),
        (lambda p: p(vt.zeros(1, 1, 4, 4), x=1), ArgumentError, "x is given twice"),
        (lambda p: p(vt.zeros(2, 1, 4, 4), scale=3.0), ConstraintError, "captured for 2.0"),
        (lambda p: p(vt.zeros(2, 1, 4, 4), scale=2), ConstraintError, "scale is 2, "),
        (lambda p: p(vt.zeros(2, 1, 4, 4), [vt.zeros(1)]), ArgumentError, "cache"),
        (lambda p: p(3.0), ArgumentError, "x must be a tensor"),
        (lambda p: p(vt.zeros(2, 1, 4, 5)), ConstraintError, r"x.shape\[3\] is 5, .* for 4"),
        (lambda p: p(vt.zeros(1, 4, 4)), ConstraintError, "x has shape"),
        (lambda p: p(vt.zeros(65, 1, 4, 4)), ConstraintError, "batch = 65, above 64"),
        (lambda p: p(vt.zeros(0, 1, 4, 4)), ConstraintError, "batch = 0, below 1"),
        (lambda p: p(vt.zeros(2, 1, 4, 4).double()), DTypeError, "x is float64"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_before_anything_runs(program, call, error, message):
    with pytest.raises(error, match=message):
        call(program)


def test_two_inputs_must_agree_on_a_shared_size():
    program = vt.trace(
        lambda x, y: (x, y), vt.zeros(2), vt.zeros(2), dynamic={"x": {0: "n"}, "y": {0: "n"}}
    )
    with pytest.raises(ConstraintError, match=r"y.shape\[0\] makes n = 4, but x.shape\[0\] makes"):
        program(vt.zeros(3), vt.zeros(4))


@pytest.fixture(scope="module")
def constrained():
    batch, seq = vt.dim("batch", max=64), vt.dim("seq")
    program = vt.trace(
        lambda x, y: (x * 2).sum() + y.sum(),
        vt.ones(3, 4),
        vt.ones(9),
        dynamic={"x": {0: batch, 1: seq}, "y": {0: 2 * batch + 3}},
    )
    graph = program.graph.replace(
        constraints=(
            Constraint(Condition(batch, "!=", 1), Location("model.py", 12, "conv")),
            Constraint(Condition(seq, ">", batch)),
        )
    )
    return vt.Program(dataclasses.replace(program.captured, graph=graph))


@pytest.mark.parametrize("saved", [False, True])
def test_recorded_constraints_are_shown_and_checked(constrained, saved, tmp_path):
    program = vt.load(constrained.save(tmp_path / "f.vt")) if saved else constrained
    assert program.graph.constraints == constrained.graph.constraints
    assert program.constraints[-2:] == ("batch != 1  (model.py:12 in conv)", "batch < seq")
    assert set(program.constraints[:-2]) == {"batch >= 1", "seq >= 1", "batch <= 64"}
    assert program(vt.ones(2, 3), vt.ones(7)).item() == 19
    message = r"x.shape\[0\] = 1 breaks batch != 1"
    with pytest.raises(ConstraintError, match=message) as caught:
        program(vt.ones(1, 3), vt.ones(5))
    assert caught.value.at == Location("model.py", 12, "conv")
    assert str(caught.value).startswith("model.py:12 in conv: x.shape[0] = 1 breaks batch != 1")
    assert "this line decides the other way" in caught.value.why
    assert caught.value.instead == "capture another program for such sizes"
    message = r"^x.shape\[0\] = 4 and x.shape\[1\] = 3 break batch < seq\n"
    with pytest.raises(ConstraintError, match=message):
        program(vt.ones(4, 3), vt.ones(11))


def test_an_archive_computes_the_same(program, archive):
    loaded = vt.load(archive)
    x = vt.randn(5, 1, 4, 4)
    np.testing.assert_array_equal(loaded(x)["logits"].numpy(), program(x)["logits"].numpy())
    assert str(loaded.graph) == str(program.graph)
    assert loaded.constraints == program.constraints == ("batch >= 1", "batch <= 64")
    assert loaded.output_names == ("logits",)


def test_an_archive_loads_without_the_code_that_made_it(archive):
    code = (
        f"import vitrify as vt; p = vt.load({str(archive)!r});"
        "print(p(vt.ones(1, 1, 4, 4))['logits'].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(1, 3)"


def test_equal_programs_give_equal_bytes(program, tmp_path):
    first = program.save(tmp_path / "a.vt").read_bytes()
    assert program.save(tmp_path / "b.vt").read_bytes() == first


def test_an_archive_is_readable_with_other_tools(archive):
    with zipfile.ZipFile(archive) as file:
        assert json.loads(file.read("manifest.json"))["arguments"] == ["x", "cache", "scale"]
        assert file.read("graph.txt").startswith(b"graph Net(%x: f32[batch, 1, 4, 4])")
        from safetensors.numpy import load

        assert load(file.read("weights.safetensors"))["conv.weight"].shape == (4, 1, 3, 3)


@pytest.mark.parametrize(
    "dtype", [vt.bfloat16, vt.float16, vt.float64, vt.int8, vt.uint8, vt.bool, vt.uint64]
)
def test_every_dtype_survives_the_archive(dtype, tmp_path):
    weights = vt.arange(40).to(dtype)
    program = vt.trace(lambda x: (weights[:3], x), vt.zeros(1))
    loaded = vt.load(program.save(tmp_path / "p.vt"))
    got = loaded(vt.zeros(1))[0]
    assert got.dtype is dtype
    assert got.tolist() == weights[:3].tolist()


def test_a_failed_save_leaves_the_old_file(program, tmp_path):
    path = program.save(tmp_path / "p.vt")
    before = path.read_bytes()
    broken = vt.trace(lambda x, how: x, vt.zeros(1), object())
    with pytest.raises(ExportError, match="object cannot be kept"):
        broken.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.vt"]
    with pytest.raises(ExportError, match="cannot write"):
        program.save(tmp_path / "no" / "p.vt")


def test_a_file_that_is_missing_or_something_else(tmp_path):
    with pytest.raises(FormatError, match="there is no file"):
        vt.load(tmp_path / "nothing.vt")
    for name, content in {"text": b"hello", "empty": b"", "pickle": b"\x80\x04N."}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match="not a vitrify program"):
            vt.load(tmp_path / name)


def rewritten(archive, path, **entries):
    """A copy of the archive with entries replaced."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            stem = name.split(".")[0]
            data = entries.get(stem, old.read(name))
            new.writestr(name, data(old.read(name)) if callable(data) else data)
    return path


@pytest.mark.parametrize(
    "entries",
    [
        {"manifest": b"{}"},
        {"manifest": b"[" * 100_000},
        {"manifest": lambda d: d.replace(b'"version": 1', b'"version": 2')},
        {"manifest": lambda d: d.replace(b'"x"', b'"y"')},
        {"manifest": lambda d: d.replace(b'"logits"', b'"logits", "more"')},
        {"graph": b""},
        {"graph": b"\xff\xfe"},
        {"graph": lambda d: d.replace(b"relu", b"no_such_op")},
        {"graph": lambda d: d.replace(b"f32[4, 1, 3, 3]", b"f32[4, 1, 3, 4]")},
        {"graph": lambda d: d.replace(b"conv.weight", b"../../etc/passwd")},
        {"graph": lambda d: d.replace(b"return %", b"return %9")},
        {"weights": b""},
        {"weights": b"\xff" * 64},
        {"weights": lambda d: d[:-8]},
    ],
    ids=range(14),
)
def test_a_damaged_or_hostile_archive_gives_one_format_error(archive, tmp_path, entries):
    with pytest.raises(FormatError):
        vt.load(rewritten(archive, tmp_path / "bad.vt", **entries))


def test_a_compressed_entry_is_refused(archive, tmp_path):
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "z.vt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
    with pytest.raises(FormatError, match="compressed"):
        vt.load(tmp_path / "z.vt")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_damage_gives_a_format_error_or_a_program(archive, tmp_path, data):
    content = bytearray(archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.vt"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with pytest.raises(FormatError):
        vt.load(path)
        raise FormatError("undamaged")


def test_the_keys_of_a_dict_may_come_in_another_order_and_be_odd(tmp_path):
    def function(d):
        return d["a"] - d["b c\n"] * 2

    a, b = vt.ones(2), vt.arange(2).float()
    program = vt.trace(function, {"b c\n": b, "a": a})
    for each in (program, vt.load(program.save(tmp_path / "p.vt"))):
        assert each({"a": a, "b c\n": b}).tolist() == [1.0, -1.0]
        assert each({"b c\n": b, "a": a}).tolist() == [1.0, -1.0]


def test_what_is_no_program_or_no_place_is_refused(tmp_path):
    net = nn.Linear(3, 2)
    with pytest.raises(ArgumentError, match="not a Linear") as caught:
        vt.export.onnx(net, tmp_path / "m.onnx")
    assert "vt.trace(model, x)" in str(caught.value)
    program = vt.trace(net, vt.ones(1, 3))
    for write in (program.save, lambda path: vt.export.onnx(program, path)):
        with pytest.raises(ExportError, match="it is a folder"):
            write(tmp_path)
    assert not list(tmp_path.iterdir())
