"""Comparing what a model computes with what was made of it: programs and files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, VitrifyError
from ..tensor import Tensor, as_tensor
from .difference import Difference, describe, measure
from .program import trace
from .resizing import Dims, Sized, resize
from .running import Results, Runner, Target, mapped, runner_of


@dataclass(frozen=True, slots=True)
class Row:
    """One output of one candidate.

    Attributes:
        output: The output's name.
        candidate: Who computed it, and from which sizes where they were given.
        type: dtype and shape that the judge gave; `refused` where it refused the inputs.
        difference: How far the candidate is from the judge.
    """

    output: str
    candidate: str
    type: str
    difference: Difference

    @property
    def passed(self) -> bool:
        return not self.difference.problem


@dataclass(frozen=True, slots=True)
class Report:
    """What `compare` found. True where everything agrees; its text is a table.

    Attributes:
        judge: Who computed the expected values.
        rows: One for each output of each candidate.
        notes: What else a reader should know, such as a refused capture.
    """

    judge: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every output of every candidate agrees."""
        return all(row.passed for row in self.rows)

    def __bool__(self) -> bool:
        return self.passed

    def __add__(self, other: Report) -> Report:
        """Both reports as one."""
        notes = tuple(dict.fromkeys(self.notes + other.notes))
        return Report(self.judge, self.rows + other.rows, notes)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON data; infinities and NaNs are text."""
        rows = [
            {
                "output": row.output,
                "candidate": row.candidate,
                "type": row.type,
                "passed": row.passed,
                **asdict(row.difference),
            }
            for row in self.rows
        ]
        return {
            "passed": self.passed,
            "judge": self.judge,
            "rows": jsonable(rows),
            "notes": [*self.notes],
        }

    def __str__(self) -> str:
        from tabulate import tabulate

        header = (
            "output",
            "type",
            "candidate",
            "max abs",
            "max rel",
            "ULPs",
            "rtol",
            "atol",
            "result",
        )
        table = []
        for row in self.rows:
            d = row.difference
            numbers = (d.max_abs, d.max_rel, d.max_ulp, d.rtol, d.atol)
            verdict = "ok" if row.passed else "FAILED"
            table += [(row.output, row.type, row.candidate, *map(_short, numbers), verdict)]
        right = ("left",) * 3 + ("right",) * 5 + ("left",)
        lines = [f"expected values: {self.judge}"]
        lines += [tabulate(table, header, "simple", colalign=right, disable_numparse=True)]
        for row in self.rows:
            if not row.passed:
                lines += [f"{row.output} of {row.candidate}: {row.difference.problem}"]
        lines += [f"note: {note}" for note in self.notes]
        failed = sum(not row.passed for row in self.rows)
        count = f"{len(self.rows)} comparison{'s' * (len(self.rows) != 1)}"
        lines += [f"{failed} of {count} FAILED" if failed else f"{count}, all passed"]
        return "\n".join(lines)


def compare(
    model: Target,
    *candidates: Target,
    inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    dims: Dims | None = None,
) -> Report:
    """Run a model and what was made of it on the same inputs, and compare the results.

    A function or module is run eagerly. It is also captured, and the captured program is compared
    on the reference backend, unless a program or an archive is among the candidates.

    With `dims`, inputs of other sizes are made from the given ones: tiled or cut along the dims of
    these names, with values that vary from row to row, integers within the range of the example.
    Which dims have which name is known from a program, an archive or an `.onnx` among the targets.
    A candidate that refuses sizes fails, unless the judge refuses them, too; where the judge does,
    a candidate that computes something fails.

    Args:
        model: The judge: a function, a module, a `Program` (on the reference backend), or the path
            of an `.onnx` (in ONNX Runtime) or of a `.vt`.
        *candidates: What is compared with it, likewise.
        inputs: The positional arguments, as a tuple or list; a single tensor may stand alone.
        kwargs: Keyword arguments.
        rtol: Relative tolerance for floats; by default it depends on the dtype, see
            `vitrify.export.difference`.
        atol: Absolute tolerance for floats, likewise.
        dims: The sizes to compare at instead of those of the inputs: `"batch=1,2,7"` or
            `{"batch": [1, 2, 7]}`; of several names every combination, at most 64.

    Raises:
        ArgumentError: where there is nothing to compare with, the model would be changed by
            running it, or `dims` names what no target knows.
        VitrifyError: where a candidate cannot be read or run on these inputs.

    Example:
        >>> report = vt.compare(net, "net.onnx", inputs=(x,), dims="batch=1,2,7")
        >>> print(report)
        >>> assert report.passed
    """
    args = (inputs,) if isinstance(inputs, Tensor | np.ndarray) else tuple(inputs)
    named: Mapping[str, Any]
    args, named = mapped((args, dict(kwargs or {})), as_tensor)
    notes: list[str] = []
    if getattr(model, "training", False):
        notes.append(_check_training(model))
    runners = [runner_of(target) for target in (model, *candidates)]
    resized = None
    if dims is not None:
        layouts = [runner.layout for runner in runners if runner.layout is not None]
        resized = resize(dims, layouts, args, named)
    if callable(model) and not any(runner.is_program for runner in runners):
        try:
            dynamic = None if resized is None else resized.dynamic
            program = trace(model, *args, dynamic=dynamic, **named)
        except VitrifyError as error:
            notes.append(f"not compared with the reference backend, as capture is refused: {error}")
        else:
            runners.insert(1, runner_of(program))
    if len(runners) == 1:
        raise ArgumentError(
            "there is nothing to compare the model with",
            why=notes[-1] if notes else "a program runs on the reference backend alone",
            instead='vt.compare(model, "model.onnx", inputs=(x,))',
        )
    names = _unique([runner.name for runner in runners])
    rows: list[Row] = []
    if resized is not None:
        rows = _compare_sizes(names, runners, resized.all, rtol, atol)
    else:
        expected = runners[0].run(args, named)
        for name, runner in zip(names[1:], runners[1:], strict=True):
            rows += _compare_results(name, expected, runner.run(args, named), rtol, atol)
    if not rows:
        raise ArgumentError("the model returns no tensors, so there is nothing to compare")
    return Report(names[0], tuple(rows), tuple(notes))


def _check_training(model: Any) -> str:
    """A warning for a module in training mode."""
    if any(True for _ in model.buffers()):
        raise ArgumentError(
            "the model is in training mode",
            why="running it would change its buffers, such as the running means of batch norm",
            instead="vt.compare(model.eval(), ...)",
        )
    return "the model is in training mode, where dropout makes results differ; use model.eval()"


# ---------------------------------------------------------------- matching results


def _compare_sizes(
    names: Sequence[str],
    runners: Sequence[Runner],
    sized: Sequence[Sized],
    rtol: float | None,
    atol: float | None,
) -> list[Row]:
    """The rows of every combination of sizes.

    Raises:
        Exception: what the judge raises, where it refuses every combination.
    """
    rows: list[Row] = []
    refusals: list[Exception] = []
    for sample in sized:
        expected = runners[0].attempt(sample)
        refusals += [expected] if isinstance(expected, Exception) else []
        for name, runner in zip(names[1:], runners[1:], strict=True):
            candidate, got = f"{name}, {sample.label}", runner.attempt(sample)
            if isinstance(expected, Exception) or isinstance(got, Exception):
                rows.append(_refusal(names[0], candidate, expected, got))
            else:
                rows += _compare_results(candidate, expected, got, rtol, atol)
    if len(refusals) == len(sized):
        raise refusals[-1]
    return rows


def _refusal(
    judge: str, candidate: str, expected: Results | Exception, got: Results | Exception
) -> Row:
    """The row of a candidate where it, the judge or both refuse the sizes."""
    problem = ""
    if not isinstance(expected, Exception):
        problem = f"refused: {_first_line(got)}"
    elif not isinstance(got, Exception):
        problem = f"it computes what {judge} refuses: {_first_line(expected)}"
    type = "refused" if isinstance(expected, Exception) else "-"
    return Row("all outputs", candidate, type, Difference(problem))


def _first_line(error: Any) -> str:
    text = str(error) if isinstance(error, VitrifyError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0]


def _compare_results(
    candidate: str, expected: Results, got: Results, rtol: float | None, atol: float | None
) -> list[Row]:
    """A row for each tensor of the result, and for what is not there or is no tensor and differs.

    Tensors are matched by name where both have the same names, else by order.
    """
    rows = []
    names = list(expected.tensors)
    others = names if set(names) == set(got.tensors) else list(got.tensors)
    for k, name in enumerate(names):
        array = expected.tensors[name]
        if k < len(others):
            difference = measure(array, got.tensors[others[k]], rtol, atol)
        else:
            difference = Difference("there is no such output")
        rows.append(Row(name, candidate, describe(array), difference))
    for extra in others[len(names) :]:
        rows.append(Row(extra, candidate, "none", Difference("this output is not expected")))
    if expected.statics is not None and got.statics is not None:
        for path in dict.fromkeys([*expected.statics, *got.statics]):
            wanted, found = (_static(r.statics, path) for r in (expected, got))
            if wanted != found:
                problem = Difference(f"it is {found}, not {wanted}")
                rows.append(Row(path, candidate, wanted, problem))
    return rows


def _static(statics: Mapping[str, Any] | None, path: str) -> str:
    return repr(statics[path]) if statics and path in statics else "no Python value"


# ---------------------------------------------------------------- text


def _unique(names: Sequence[str]) -> list[str]:
    """The names with a number behind those that were there before."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def _short(number: float | None) -> str:
    if number is None:
        return "-"
    return str(number) if isinstance(number, int) else f"{number:.2g}"


def jsonable(data: Any) -> Any:
    """The data with infinities and NaNs, which JSON does not have, as text."""
    if isinstance(data, dict):
        return {key: jsonable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [jsonable(item) for item in data]
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    return data
