"""Symbolic capture: run a function once on symbols, and keep what it did as a graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir import dims
from ..ir.builder import Builder
from ..ir.dims import Dim, Size
from ..ir.errors import ArgumentError, CaptureError, CaptureWarning, VitrifyError
from ..ir.graph import Graph
from ..ir.location import traceback_location
from ..ir.op import interpreting
from ..tensor import Tensor, no_grad
from .agreement import disagreements
from .arguments import Dynamic, Example, name_of, read_example
from .pytree import TreeSpec, flatten
from .recorder import Recorder, Settled
from .surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured function.

    Attributes:
        graph: What it does; inputs bear the names of the arguments.
        state: The tensors that the graph's `parameter` nodes name, shared with the model.
        arguments: Names of the function's arguments, in order.
        inputs: The tree of each argument.
        output: The tree of the result.
        output_names: A name for each graph output.
    """

    graph: Graph
    state: Mapping[str, Tensor]
    arguments: tuple[str, ...]
    inputs: tuple[TreeSpec, ...]
    output: TreeSpec
    output_names: tuple[str, ...]


def capture(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    dynamic: Dynamic | None = None,
    strict: bool = True,
) -> Captured:
    """Run `function` on symbols shaped like the example arguments, and keep the graph.

    The function runs twice, and both runs must record the same: see `agreement`.

    Args:
        function: A function of tensors, or a module.
        args: Example arguments: trees of tensors and static Python values. Only dtypes and shapes
            of the tensors are looked at.
        kwargs: Keyword arguments, likewise.
        dynamic: For arguments by name (of nested ones by dotted path), what may differ from call
            to call: the dims, each with a name or a `vt.dim`; `"auto"` for every dim that the code
            does not need to be of one size; True for a Python number, which becomes a tensor.
            `"auto"` alone is for all arguments.
        strict: Whether what would be baked in as a constant (random numbers, a clock, a counter,
            values of tensors that are no inputs, Python values of a module that every run changes,
            the text of a size or a tensor) is refused; otherwise a `CaptureWarning` says so.

    Raises:
        CaptureError: where the code cannot be captured faithfully.
        ArgumentError: where the arguments or `dynamic` do not fit the function.
    """
    if not callable(function):
        raise ArgumentError(
            f"cannot capture a {type(function).__name__}", instead="vt.trace(model, x)"
        )
    settled: dict[str, Size] = {}
    while True:
        example = read_example(function, args, kwargs, dynamic, settled)
        try:
            return _capture(function, example, strict)
        except Settled as found:
            settled = {n: dims.substitute(s, found.sizes) for n, s in settled.items()}
            settled |= found.sizes


def _capture(function: Callable[..., Any], example: Example, strict: bool) -> Captured:
    # Twice: what depends on anything but the inputs differs, and is refused.
    captured, recorder = _record(function, example, strict)
    problems = recorder.problems
    if captured is not None and recorder.repeatable:
        # What the first run changed for good, later ones leave: only changes that go on count.
        before = Surroundings(_owner(function))
        again, second = _record(function, example, strict)
        found = list(second.problems)
        if again is not None:
            sides = ((captured.graph, captured.state), (again.graph, again.state))
            # A disagreement knows the line, so it goes before what only says that there is one.
            differing = disagreements(*sides) or before.changes()
            (found if strict else recorder.warnings).extend(differing)
        lines = [problem.at for problem in problems]
        problems += [p for p in found if p.at is None or p.at not in lines]
        if again is not None and not problems and captured.output != again.output:
            problems.append(_changing_output(captured.output, again.output))
    if captured is None or problems:
        raise problems[0] if len(problems) == 1 else CaptureError.of(_sorted(problems))
    for warning in recorder.warnings:
        warnings.warn(str(warning), CaptureWarning, stacklevel=4)
    return captured


def _record(
    function: Callable[..., Any], example: Example, strict: bool
) -> tuple[Captured | None, Recorder]:
    """Run the function once on tensors that stand for the example's values.

    Returns:
        What it did, if it came to its end, and the recorder with the problems on the way.
    """
    builder = Builder()
    recorder = Recorder(builder, example, *_known(function), strict=strict)
    try:
        deciding = dims.deciding_with(recorder.decide, observer=recorder.value_refused)
        with interpreting(recorder), deciding, no_grad():
            result = example.call(function)
            outputs: list[Tensor] = []
            output = flatten(result, lambda leaf: isinstance(leaf, Tensor), outputs)
            _check_output(output)
            graph_outputs = [recorder.unwrap(t) for t in outputs]
    except VitrifyError as error:
        recorder.refused(error, error.at or traceback_location(error.__traceback__))
        return None, recorder
    except Exception as error:
        # With stand-ins for values, code may fail as it never would.
        if not recorder.problems or recorder.only_texts(error):
            raise
        return None, recorder
    captured = Captured(
        graph=builder.graph(example.values, graph_outputs, name_of(function), recorder.constraints),
        state=recorder.state,
        arguments=example.arguments,
        inputs=example.specs,
        output=output,
        output_names=output_names(output),
    )
    return captured, recorder


def _sorted(problems: Sequence[VitrifyError]) -> list[VitrifyError]:
    """By line; files as they were met, and what has no line at the end."""
    files = [problem.at.file for problem in problems if problem.at is not None]
    return sorted(
        problems,
        key=lambda p: (len(files), 0) if p.at is None else (files.index(p.at.file), p.at.line),
    )


def _changing_output(first: TreeSpec, second: TreeSpec) -> CaptureError:
    pairs = zip(first.leaves("the result"), second.leaves("the result"), strict=False)
    where = next((a for (a, x), (b, y) in pairs if (a, x) != (b, y)), "the result")
    return CaptureError(
        f"{where} is not the same each time the code runs",
        why="Python values are fixed when the program is captured",
        instead="return a tensor, or leave it out",
    )


def _known(function: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Names of the parameters and buffers, and of the modules, if the function is a module."""
    owner = _owner(function)
    if owner is None:
        return {}, {}
    names = {id(t): name for name, t in owner.named_parameters()}
    names |= {id(t): name for name, t in owner.named_buffers()}
    return names, {id(module): path for path, module in owner.named_modules()}


def _owner(function: Any) -> Any:
    """The module that the function is, or is a method of; else None."""
    owner = function if hasattr(function, "named_modules") else getattr(function, "__self__", None)
    return None if isinstance(owner, type) or not hasattr(owner, "named_modules") else owner


# ---------------------------------------------------------------- results


def _check_output(output: TreeSpec) -> None:
    for path, leaf in output.leaves():
        if leaf.kind != "static" or isinstance(leaf.value, bool | int | float | str | None):
            continue
        where = f" at {path}" if path else ""
        what = "symbolic size" if isinstance(leaf.value, Dim) else type(leaf.value).__name__
        raise CaptureError(
            f"the function returns {'an' if what[0] in 'aeiouAEIOU' else 'a'} {what}{where}",
            why="a program returns tensors, in lists, tuples, dicts or dataclasses",
            instead="return vt.tensor(...)  # of a size, too",
        )


def output_names(output: TreeSpec) -> tuple[str, ...]:
    """A name for each tensor of a result: its path, or `output` where it has none."""
    return tuple(
        "output" if not path else path if not path[0].isdigit() else f"output.{path}"
        for path in output.tensor_paths()
    )
