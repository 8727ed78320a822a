"""The commands. Each shows in its help how it is used."""

from __future__ import annotations

import json
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import click
import numpy as np

from .. import __version__, export
from ..examples import digits
from ..export import Program, Report, compare
from ..export.atomic import atomic_write
from ..export.comparison import jsonable
from ..ir.errors import ArgumentError, CaptureError, VitrifyError
from ..tensor import Tensor, no_grad
from ..tracer import flatten
from .summary import summarize, summarize_onnx
from .targets import arguments_of, comparable, load_target, other_sizes, program_of

FAILED, REFUSED = 1, 2


class Commands(click.Group):
    """Commands whose errors are one clear message; only the user's own have a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VitrifyError as error:
            click.echo(f"error: {_message(error)}", err=True)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            frames = error.__traceback__
            while frames is not None and not _is_users(frames.tb_frame):
                frames = frames.tb_next
            if frames is None and not isinstance(error, SyntaxError):
                raise  # a fault of our own
            shown = traceback.format_exception(type(error), error, frames)
            click.echo("".join(shown), err=True, nl=False)
        ctx.exit(REFUSED)


def _message(error: VitrifyError) -> str:
    """The error; several problems of one capture apart from each other."""
    problems = error.problems if isinstance(error, CaptureError) else ()
    if len(problems) < 2:
        return str(error)
    blocks = [f"{k}. {problem}" for k, problem in enumerate(problems, 1)]
    return "\n\n".join([f"the capture is refused, for {len(problems)} problems", *blocks])


def _is_users(frame: FrameType) -> bool:
    """Whether a line is the user's: not ours, nor from Python or an installed package."""
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    paths = sysconfig.get_paths()
    installed = tuple(paths[key] for key in ("stdlib", "purelib", "platlib"))
    file = frame.f_code.co_filename
    ours = module in (__name__.partition(".")[0], "__main__")
    return not (ours or file.startswith((*installed, "<frozen")))


def _options(*names: str) -> Callable[[Any], Any]:
    """The options of these names, from the table below."""

    def decorate(command: Any) -> Any:
        for name in reversed(names):
            command = _OPTIONS[name](command)
        return command

    return decorate


_OPTIONS: dict[str, Any] = {
    "input": click.option(
        "-i", "--input", "inputs", multiple=True, metavar="[NAME=]VALUE",
        help="An input: f32[2,3] for random numbers, @file.npy, @file.npz, or a plain value. "
        "Without any, what the file calls example_inputs; for .vt and .onnx, random ones.",
    ),
    "dynamic": click.option(
        "--dynamic", multiple=True, metavar="NAME.DIM=SIZE",
        help="A dim that may differ from call to call: x.0=batch.",
    ),
    "dims": click.option(
        "--dims", multiple=True, metavar="SIZE=N,...",
        help="Compare at these sizes of what is dynamic: batch=1,2,7.",
    ),
    "seed": click.option(
        "--seed", default=0, show_default=True,
        help="Of random inputs, and of the weights of modules that are made here.",
    ),
    "json": click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    "rtol": click.option("--rtol", type=float, help="Relative tolerance, for all floats."),
    "atol": click.option("--atol", type=float, help="Absolute tolerance, for all floats."),
}  # fmt: skip


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vitrify")
def main() -> None:
    """Capture tensor programs, export them, and prove that they are the same.

    \b
    A TARGET is one of
      model.py:Net      a function, a module, or a class or function that makes one
      model.vt          a captured program
      model.onnx        an ONNX file

    \b
    Try
      vitrify demo
      vitrify trace model.py:net --input x=f32[2,3] --dynamic x.0=batch
      vitrify export model.py:net -i x=f32[2,3] --dynamic x.0=batch -o net.onnx
      vitrify compare model.py:net net.onnx -i x=f32[7,3]

    \b
    The file may say what its inputs are like, so that no option has to:
      example_inputs = (vt.zeros(2, 3),)      # or a dict by argument name
      dynamic = {"x": {0: "batch"}}

    Exit status: 0 for success, 1 where a comparison failed, 2 where the usage is wrong, the
    capture is refused or a file is bad.
    """


@main.command()
@click.option("-o", "--out", default="out", show_default=True, help="Where the files go.")
@click.option("--epochs", default=digits.EPOCHS, show_default=True, type=click.IntRange(1))
def demo(out: str, epochs: int) -> None:
    """Train on real digits, capture, export, compare.

    \b
    vitrify demo
    vitrify demo --out /tmp/digits --epochs 3
    """
    if not digits.main(out, epochs):
        raise SystemExit(FAILED)


@main.command("trace")
@click.argument("target")
@_options("input", "dynamic", "seed")
@click.option("-o", "--output", help="Also save the program, as .vt.")
def trace_command(
    target: str, inputs: tuple[str, ...], dynamic: tuple[str, ...], seed: int, output: str | None
) -> None:
    """Capture TARGET and print its graph.

    \b
    vitrify trace model.py:Net -i x=f32[2,3,8,8]
    vitrify trace model.py:step -i x=f32[2,3] -i scale=0.5 --dynamic x.0=batch
    vitrify trace model.py:Net -o net.vt
    """
    program, _ = program_of(load_target(target, seed), inputs, dynamic, seed)
    if output is not None:
        _ending(output, ".vt")
    click.echo(str(program.graph))
    if output is not None:
        program.save(output)
        click.echo(f"saved {output}", err=True)


@main.command("export")
@click.argument("target")
@_options("input", "dynamic", "seed")
@click.option("-o", "--output", required=True, help="The file to write, .onnx.")
@click.option("--opset", default=23, show_default=True, help="Version of ONNX's operators.")
@click.option("--check/--no-check", default=True, help="Compare the file with TARGET.")
@_options("rtol", "atol", "json")
def export_command(
    target: str,
    inputs: tuple[str, ...],
    dynamic: tuple[str, ...],
    seed: int,
    output: str,
    opset: int,
    check: bool,
    rtol: float | None,
    atol: float | None,
    as_json: bool,
) -> None:
    """Write TARGET as an ONNX file, and compare the file with it.

    \b
    vitrify export model.py:Net -i x=f32[2,3,8,8] --dynamic x.0=batch -o net.onnx
    vitrify export net.vt -o net.onnx --opset 20
    """
    from tqdm import tqdm

    _ending(output, ".onnx")
    loaded = load_target(target, seed)
    steps = ("capture", "write", "compare") if check else ("capture", "write")
    report: Report | None = None
    with tqdm(total=len(steps), disable=None, leave=False) as bar:
        bar.set_description("capture")
        program, (args, kwargs) = program_of(loaded, inputs, dynamic, seed)
        bar.update()
        bar.set_description("write")
        export.onnx(program, output, opset=opset)
        bar.update()
        if check:
            bar.set_description("compare")
            targets = (loaded.model, output)
            options: Any = {"inputs": args, "kwargs": kwargs, "rtol": rtol, "atol": atol}
            report = compare(*targets, **options)
            if others := other_sizes(program):
                report += compare(*targets, **options, dims=others)
    if as_json:
        written = {"output": output, "opset": opset}
        _print_json(written if report is None else {**written, **report.to_dict()})
    else:
        click.echo(f"wrote {output}")
        if report is not None:
            click.echo(str(report))
    _finish(report)


@main.command()
@click.argument("target")
@_options("input", "seed")
@click.option("-o", "--output", help="Save the results, as .npz.")
@_options("json")
def run(target: str, inputs: tuple[str, ...], seed: int, output: str | None, as_json: bool) -> None:
    """Run TARGET and print, or save, what it gives.

    \b
    vitrify run net.onnx -i x=@images.npy
    vitrify run net.vt -i x=f32[7,3] --seed 1
    vitrify run model.py:Net -i @inputs.npz -o outputs.npz
    """
    if output is not None:
        _ending(output, ".npz")
    loaded = load_target(target, seed)
    args, kwargs = arguments_of(loaded, inputs, seed)
    if isinstance(loaded.model, Path):
        result: Any = export.run(loaded.model, *args, **kwargs)
    else:
        with no_grad():
            result = loaded.model(*args, **kwargs)
    leaves: list[Tensor] = []
    spec = flatten(result, lambda leaf: isinstance(leaf, Tensor), leaves)
    names = [path or "output" for path, leaf in spec.leaves() if leaf.kind == "tensor"]
    results = dict(zip(names, leaves, strict=True))
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in results.items()}
    if as_json:
        _print_json(
            {
                name: {"type": str(tensor.type), "values": arrays[name].tolist()}
                for name, tensor in results.items()
            }
        )
    else:
        for name, tensor in results.items():
            click.echo(f"{name}: {tensor.type}")
            click.echo(np.array2string(arrays[name], precision=5, threshold=60, edgeitems=3))
    if output is not None:
        with atomic_write(output) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        click.echo(f"saved {output}", err=True)


@main.command("compare")
@click.argument("target")
@click.argument("candidates", nargs=-1)
@_options("input", "dims", "dynamic", "seed", "rtol", "atol", "json")
def compare_command(
    target: str,
    candidates: tuple[str, ...],
    inputs: tuple[str, ...],
    dims: tuple[str, ...],
    dynamic: tuple[str, ...],
    seed: int,
    rtol: float | None,
    atol: float | None,
    as_json: bool,
) -> None:
    """Compare what TARGET and the CANDIDATES compute from the same inputs.

    A function or module is also captured and compared with its own program.

    \b
    vitrify compare model.py:net net.onnx -i x=f32[7,3]
    vitrify compare model.py:net net.onnx --dims batch=1,2,7
    vitrify compare net.vt net.onnx --rtol 1e-3
    vitrify compare old.onnx new.onnx -i x=@images.npy --json
    """
    loaded = load_target(target, seed)
    others = [load_target(candidate, seed) for candidate in candidates]
    args, kwargs = arguments_of(loaded, inputs, seed)
    loads, texts = (loaded, *others), (target, *candidates)
    targets = [comparable(t, text) for t, text in zip(loads, texts, strict=True)]
    files = any(isinstance(t.model, Program | Path) for t in loads)
    if dynamic or (dims and not files):
        # The names of dims come from a program: the target's own.
        program, _ = program_of(loaded, inputs, dynamic, seed)
        targets.insert(1, program)
    report = compare(
        *targets, inputs=args, kwargs=kwargs, rtol=rtol, atol=atol, dims=" ".join(dims) or None
    )
    if as_json:
        _print_json(report.to_dict())
    else:
        click.echo(str(report))
    _finish(report)


@main.command()
@click.argument("target")
@_options("input", "dynamic", "seed")
@click.option("--picture", help="Also draw the graph, as .png, .svg or .pdf.")
@_options("json")
def inspect(
    target: str,
    inputs: tuple[str, ...],
    dynamic: tuple[str, ...],
    seed: int,
    picture: str | None,
    as_json: bool,
) -> None:
    """Say what TARGET takes, gives and consists of.

    \b
    vitrify inspect net.onnx
    vitrify inspect net.vt --picture net.png
    vitrify inspect model.py:Net -i x=f32[2,3] --json
    """
    loaded = load_target(target, seed)
    if isinstance(loaded.model, Path):
        if picture is not None:
            raise ArgumentError("an ONNX file cannot be drawn", instead="the .vt it came from")
        summary = summarize_onnx(loaded.model)
    else:
        program, _ = program_of(loaded, inputs, dynamic, seed)
        summary = summarize(program, f"program {program.name}")
        if picture is not None:
            export.draw(program, picture)
    if as_json:
        _print_json(summary.to_dict())
    else:
        click.echo(str(summary))


@main.command()
@click.argument("target")
@_options("input", "dynamic", "seed")
def explain(target: str, inputs: tuple[str, ...], dynamic: tuple[str, ...], seed: int) -> None:
    """Report what was captured of TARGET, or everything that is in the way.

    \b
    vitrify explain model.py:Net -i x=f32[2,3] --dynamic x.0=batch
    vitrify explain net.vt
    """
    program, _ = program_of(load_target(target, seed), inputs, dynamic, seed)
    click.echo(export.explain(program))


# ---------------------------------------------------------------- what they share


def _ending(path: str, ending: str) -> None:
    if Path(path).suffix != ending:
        raise ArgumentError(f"the output {path} does not end in {ending}")


def _print_json(data: Any) -> None:
    click.echo(json.dumps(jsonable(data), indent=1))


def _finish(report: Report | None) -> None:
    if report is not None and not report.passed:
        raise SystemExit(FAILED)
