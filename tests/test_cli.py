"""The command line: what each command prints and writes, and the status it ends with."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import vitrify as vt
from vitrify.cli import main

MODEL = """\
import numpy as np
import vitrify as vt
import vitrify.nn.functional as F
from beside import WIDTH
from vitrify import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, WIDTH)
        self.drop = nn.Dropout(0.5)

    def forward(self, x, scale=1.0):
        return {"scores": self.drop(F.relu(self.fc(x))) * scale, "best": x.argmax(-1)}


class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()


def make():
    return Net()


def branch(x):
    if x.sum() > 0:
        return x
    return -x


def choosy(x):
    return x + 1 if x.shape[0] == 5 else x


def noisy(x):
    x = x + np.random.rand()
    return x * float(x.sum())


def faulty(x):
    raise KeyError("mine")


net = Net()
number = 3
example_inputs = (vt.zeros(2, 3),)
dynamic = {"x": {0: "batch"}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "beside.py").write_text("WIDTH = 4\n")
    (tmp_path / "bare.py").write_text("def double(x, y=None):\n    return x * 2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path
    for name in ("model", "beside", "bare"):
        sys.modules.pop(name, None)


def vitrify(*args: str) -> Result:
    return CliRunner().invoke(main, args)


def ok(*args: str) -> str:
    result = vitrify(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


# ---------------------------------------------------------------- what the commands do


@pytest.mark.parametrize(
    "command", ["demo", "trace", "explain", "export", "run", "compare", "inspect"]
)
def test_every_help_teaches_by_example(command):
    assert command in ok("--help")
    assert f"  vitrify {command} " in ok(command, "--help")


def test_trace_prints_the_graph_with_the_users_lines():
    text = ok("trace", "model.py:Net")
    assert text.startswith("graph Net(%x: f32[batch, 3]) -> (f32[batch, 4], i64[batch])")
    assert "# model.py:15 in fc" in text
    assert "dropout" not in text  # the module is in evaluation mode
    assert vt.ir.parser.parse_graph(text, vt.ops.REGISTRY).name == "Net"


@pytest.mark.parametrize("name", ["net", "make", "net.forward"])
def test_targets_can_be_instances_factories_and_attributes(name):
    assert "f32[batch, 4]" in ok("trace", f"model.py:{name}")


def test_options_go_before_what_the_file_says():
    text = ok("trace", "model.py:net", "-i", "x=f32[5, 3]", "--dynamic", "x.0=rows")
    assert "%x: f32[rows, 3]" in text
    assert "f32[2, 5]" in ok("trace", "bare.py:double", "-i", "f64[2,5]").replace("f64", "f32")


def test_export_writes_a_file_and_compares_it_at_two_sizes():
    text = ok("export", "model.py:Net", "-o", "net.onnx")
    assert "8 comparisons, all passed" in text
    assert "f32[5, 4]" in text
    x = np.ones((7, 3), np.float32)
    assert vt.run("net.onnx", x)["scores"].shape == (7, 4)
    assert ok("export", "model.py:Net", "-o", "b.onnx", "--no-check") == "wrote b.onnx\n"
    assert Path("b.onnx").read_bytes() == Path("net.onnx").read_bytes()  # weights are of the seed


def test_export_checks_a_size_that_the_program_takes():
    text = ok("export", "model.py:choosy", "-o", "choosy.onnx")
    assert "f32[7, 3]" in text and "f32[5, 3]" not in text
    assert "all passed" in text


def test_compare_at_several_sizes():
    ok("export", "model.py:choosy", "-o", "choosy.onnx")
    text = ok("compare", "model.py:choosy", "choosy.onnx", "--dims", "batch=1,7")
    assert "choosy.onnx in ONNX Runtime, batch=7" in text
    assert "4 comparisons, all passed" in text
    text = ok("compare", "choosy.onnx", "choosy.onnx", "--dims", "batch=3,4")
    assert "2 comparisons, all passed" in text
    result = vitrify("compare", "model.py:choosy", "choosy.onnx", "--dims", "batch=5")
    assert result.exit_code == 1
    assert "refused: model.py:34: x.shape[0] = 5 breaks batch != 5" in result.stdout


def test_compare_captures_with_the_dims_that_the_file_or_the_options_name():
    text = ok("compare", "model.py:net", "--dims", "batch=1,9")
    assert "reference, batch=9" in text
    text = ok("compare", "model.py:net", "--dynamic", "x.0=rows", "--dims", "rows=3")
    assert "reference, rows=3" in text


def test_explain_says_what_was_captured():
    text = ok("explain", "model.py:choosy")
    assert "batch != 5  model.py:34  return x + 1 if x.shape[0] == 5 else x" in text
    ok("trace", "model.py:net", "-o", "net.vt")
    assert "scale = 1.0" in ok("explain", "net.vt")


def test_explain_shows_every_problem_of_a_refused_capture():
    result = vitrify("explain", "model.py:noisy")
    assert result.exit_code == 2
    assert "2 problems" in result.stderr
    assert "\n\n1. model.py:38: " in result.stderr
    assert "\n\n2. model.py:39: float(tensor)" in result.stderr


def test_export_takes_an_opset_and_gives_json():
    data = json.loads(ok("export", "model.py:Net", "-o", "n.onnx", "--opset", "20", "--json"))
    assert (data["output"], data["opset"], data["passed"]) == ("n.onnx", 20, True)
    assert "opset 20" in ok("inspect", "n.onnx")


def test_a_saved_program_can_be_exported_run_and_compared(folder):
    ok("trace", "model.py:Net", "-o", "net.vt")
    (folder / "model.py").unlink()
    assert "all passed" in ok("export", "net.vt", "-o", "net.onnx")
    assert "scores: f32[2, 4]" in ok("run", "net.vt")
    assert "2 comparisons, all passed" in ok("compare", "net.vt", "net.onnx", "-i", "x=f32[9,3]")


def test_run_reads_and_writes_arrays():
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    np.save("x.npy", x)
    np.savez("in.npz", x=x)
    ok("export", "model.py:net", "-o", "net.onnx", "--seed", "4")
    for target, given in (("model.py:net", "x=@x.npy"), ("net.onnx", "@in.npz")):
        text = ok("run", target, "-i", given, "-o", "out.npz", "--seed", "4")
        assert "scores: f32[6, 4]" in text
        with np.load("out.npz") as out:
            assert set(out.files) == {"scores", "best"}
            np.testing.assert_array_equal(out["best"], x.argmax(-1))


def test_run_prints_json_with_values():
    np.save("x.npy", np.array([1.5, np.inf], np.float32))
    data = json.loads(ok("run", "bare.py:double", "-i", "@x.npy", "--json"))
    assert data == {"output": {"type": "f32[2]", "values": [3.0, "inf"]}}


def test_random_inputs_are_of_the_seed():
    first, again, other = (
        ok("run", "bare.py:double", "-i", "x=f32[3]", "--seed", seed) for seed in "112"
    )
    assert first == again != other


def test_python_values_are_inputs():
    ok("trace", "bare.py:double", "-i", "x=f16[2]", "-i", "y=null")
    assert "constant 3.5" in ok("trace", "model.py:net", "-i", "f32[2,3]", "-i", "scale=3.5")


def test_inspect_counts_and_draws():
    text = ok("inspect", "model.py:net", "--picture", "net.png")
    assert "16 parameters, 64 bytes" in text
    assert "batch >= 1" in text
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")
    ok("export", "model.py:net", "-o", "net.onnx")
    data = json.loads(ok("inspect", "net.onnx", "--json"))
    assert data["inputs"] == {"x": "f32[batch, 3]"}
    assert data["parameters"] == 16
    assert data["ops"]["Gemm"] == 1


# ---------------------------------------------------------------- how they end


def test_a_failed_comparison_is_status_1():
    ok("export", "model.py:Net", "-o", "net.onnx")
    result = vitrify("compare", "model.py:Net", "net.onnx", "-i", "x=f32[4,3]", "--seed", "9")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    result = vitrify("compare", "model.py:Net", "net.onnx", "--seed", "9", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["trace", "model.py:branch"], "error: model.py:28: bool(tensor)"),
        (["trace", "model.py:Needs"], "net = Needs(...)"),
        (["trace", "model.py:number"], "is 3, which cannot be called"),
        (["trace", "model.py:nope"], "has no 'nope'\n  instead: Net, Needs, net, make"),
        (["trace", "model.py"], "instead: model.py:Net, model.py:Needs"),
        (["trace", "absent.py:x"], "there is no file absent.py"),
        (["trace", "model.txt"], "cannot tell what 'model.txt' is"),
        (["trace", "bare.py:double"], "the example arguments do not fit double(x, y=None)"),
        (["trace", "model.py:net", "--dynamic", "x"], "--dynamic x.0=batch"),
        (["trace", "model.py:net", "--dynamic", "z.0=n"], "'z', which is not an input"),
        (["trace", "model.py:net", "-o", "net.onnx"], "does not end in .vt"),
        (["export", "model.py:net", "-o", "net.txt"], "does not end in .onnx"),
        (["export", "model.py:net", "-o", "no/net.onnx"], "cannot write no/net.onnx"),
        (["export", "model.py:net", "-o", "n.onnx", "--opset", "5"], "opset 5 is not supported"),
        (["run", "model.py:net", "-i", "x=q8[2]"], "no dtype is called 'q8'"),
        (["run", "model.py:net", "-i", "x=[1]"], "must be a plain value"),
        (["run", "model.py:net", "-i", "x=@no.npy"], "there is no file no.npy"),
        (["run", "model.py:net", "-i", "x=@model.py"], "holds no arrays"),
        (["run", "damaged.onnx"], "cannot be loaded by ONNX Runtime"),
        (["run", "damaged.vt"], "is not a vitrify program"),
        (["inspect", "damaged.onnx"], "cannot be loaded"),
        (["compare", "model.py:net", "damaged.onnx"], "cannot be loaded"),
        (["compare", "model.py:net", "--dims", "n=3"], "no dim is called 'n'"),
        (["compare", "model.py:net", "--dims", "batch"], "cannot read the sizes 'batch'"),
        (["compare", "bare.py:double", "-i", "f32[2]", "--dims", "n=1"], "dims have names"),
        (["explain", "damaged.onnx"], "cannot be loaded"),
    ],
)
def test_every_error_is_one_clear_message_and_status_2(args, said):
    Path("damaged.onnx").write_bytes(b"not a model")
    Path("damaged.vt").write_bytes(b"not a program")
    result = vitrify(*args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("args", [["nope"], ["trace"], ["export", "model.py:net"], ["run", "-x"]])
def test_wrong_usage_is_status_2(args):
    result = vitrify(*args)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr


def test_only_the_users_own_errors_have_a_traceback_of_his_lines():
    result = vitrify("trace", "model.py:faulty")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'model.py", line 43, in faulty' in lines[1]
    assert lines[-1] == "KeyError: 'mine'"
    Path("syntax.py").write_text("def f(:\n")
    result = vitrify("trace", "syntax.py:f")
    assert result.exit_code == 2
    assert "syntax.py" in result.stderr and "cli" not in result.stderr


def test_a_fault_of_our_own_is_not_hidden(monkeypatch):
    monkeypatch.setattr("vitrify.cli.targets.trace", int)
    assert isinstance(vitrify("trace", "model.py:net").exception, TypeError)


def test_a_file_may_bear_the_name_of_a_module_of_python():
    Path("json.py").write_text("def f(x):\n    return x + 1\n")
    assert "json.py:2" in ok("trace", "json.py:f", "-i", "f32[2]")
    assert json.loads("1") == 1


def test_as_a_process_without_a_terminal_nothing_is_noisy():
    done = subprocess.run(
        [sys.executable, "-m", "vitrify", "export", "model.py:net", "-o", "net.onnx"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "all passed" in done.stdout
