"""Symbolic capture: run a function once on symbols, and keep what it did as a graph."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import dims
from ..ir.builder import Builder
from ..ir.dims import Dim, Size, Symbol
from ..ir.errors import ArgumentError, CaptureError, VitrifyError
from ..ir.graph import Graph, Value
from ..ir.location import traceback_location
from ..ir.op import interpreting
from ..ir.types import TensorType
from ..tensor import Tensor, as_tensor, no_grad
from .agreement import disagreements
from .pytree import TreeSpec, flatten, unflatten
from .recorder import Recorder

Dynamic = Mapping[str, Mapping[int, str | Dim]]
# The names of the positional arguments, and those of the others by keyword.
_Layout = tuple[tuple[str, ...], Mapping[str, str]]


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
) -> Captured:
    """Run `function` on symbols shaped like the example arguments, and keep the graph.

    The function runs twice, and both runs must record the same: see `agreement`.

    Args:
        function: A function of tensors, or a module.
        args: Example arguments: trees of tensors and static Python values. Only dtypes and shapes
            of the tensors are looked at.
        kwargs: Keyword arguments, likewise.
        dynamic: For arguments by name (of nested ones by dotted path), the dims whose size may
            differ from call to call, each with a name or a `vt.dim`.

    Raises:
        CaptureError: where the code cannot be captured faithfully.
        ArgumentError: where the arguments or `dynamic` do not fit the function.
    """
    if not callable(function):
        raise ArgumentError(
            f"cannot capture a {type(function).__name__}", instead="vt.trace(model, x)"
        )
    arguments, layout = _bind(function, args, kwargs)
    tensors: list[Any] = []
    specs = tuple(flatten(value, _is_array, tensors, name) for name, value in arguments.items())
    paths = [
        path
        for name, spec in zip(arguments, specs, strict=True)
        for path in spec.tensor_paths(name)
    ]
    if repeated := [path for path in paths if paths.count(path) > 1]:
        raise ArgumentError(f"two inputs are named {repeated[0]!r}", instead="other dict keys")
    values, sizes = _symbolic_inputs(paths, tensors, dynamic or {})
    # Twice: what depends on anything but the inputs differs, and is refused.
    captured, recorder = _record(function, layout, arguments, specs, values, sizes)
    problems = recorder.problems
    if captured is not None and recorder.repeatable:
        again, recorder = _record(function, layout, arguments, specs, values, sizes)
        found = list(recorder.problems)
        if again is not None:
            sides = ((captured.graph, captured.state), (again.graph, again.state))
            found += disagreements(*sides)
        lines = [problem.at for problem in problems]
        problems += [problem for problem in found if problem.at not in lines]
        if again is not None and not problems and captured.output != again.output:
            problems.append(_changing_output(captured.output, again.output))
    if captured is None or problems:
        raise problems[0] if len(problems) == 1 else CaptureError.of(problems)
    return captured


def _record(
    function: Callable[..., Any],
    layout: _Layout,
    arguments: Mapping[str, Any],
    specs: tuple[TreeSpec, ...],
    values: list[Value],
    sizes: Mapping[str, int],
) -> tuple[Captured | None, Recorder]:
    """Run the function once on tensors that stand for `values`.

    Returns:
        What it did, if it came to its end, and the recorder with the problems on the way.
    """
    symbols = iter([Tensor._from_payload(v) for v in values])
    call = {name: unflatten(s, symbols) for name, s in zip(arguments, specs, strict=True)}
    builder = Builder()
    recorder = Recorder(builder, values, sizes, *_known(function))
    try:
        deciding = dims.deciding_with(recorder.decide, observer=recorder.refused)
        with interpreting(recorder), deciding, no_grad():
            positional, keywords = layout
            result = function(
                *[call[name] for name in positional],
                **{keyword: call[name] for keyword, name in keywords.items()},
            )
            outputs: list[Tensor] = []
            output = flatten(result, lambda leaf: isinstance(leaf, Tensor), outputs)
            _check_output(output)
            graph_outputs = [recorder.unwrap(t) for t in outputs]
    except VitrifyError as error:
        recorder.refused(error, error.at or traceback_location(error.__traceback__))
        return None, recorder
    except Exception:
        # With stand-ins for values, code may fail as it never would.
        if not recorder.problems:
            raise
        return None, recorder
    captured = Captured(
        graph=builder.graph(
            values, graph_outputs, _name(function), constraints=recorder.constraints
        ),
        state=recorder.state,
        arguments=tuple(arguments),
        inputs=specs,
        output=output,
        output_names=_output_names(output),
    )
    return captured, recorder


def _changing_output(first: TreeSpec, second: TreeSpec) -> CaptureError:
    pairs = zip(first.leaves("the result"), second.leaves("the result"), strict=False)
    where = next((a for (a, x), (b, y) in pairs if (a, x) != (b, y)), "the result")
    return CaptureError(
        f"{where} is not the same each time the code runs",
        why="Python values are fixed when the program is captured",
        instead="return a tensor, or leave it out",
    )


# ---------------------------------------------------------------- arguments


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Tensor | np.ndarray)


def _forward(function: Any) -> Callable[..., Any]:
    """What says which arguments there are: a module's `forward`, or the function."""
    return getattr(function, "forward", function)


def _bind(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], _Layout]:
    """The example arguments by name, and how they are passed; those of `*args` are numbered."""
    signature = inspect.signature(_forward(function))
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(
            f"the example arguments do not fit {_name(function)}{signature}: {error}"
        ) from None
    # A default that is a tensor stays the function's own, others are arguments like those given.
    missing = [p for name, p in signature.parameters.items() if name not in bound.arguments]
    own = [p.name for p in missing if _has_tensor(p.default)]
    bound.apply_defaults()
    for name in own:
        del bound.arguments[name]
    arguments: dict[str, Any] = {}
    positional: list[str] = []
    keywords: dict[str, str] = {}
    taken = {*signature.parameters, *bound.kwargs}
    # What comes after a default that is left to the function goes by keyword.
    whole = itertools.takewhile(lambda name: name in bound.arguments, signature.parameters)
    leading = set(whole)

    def unused(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            for k, item in enumerate(value):
                positional.append(unused(f"{name}_{k}"))
                arguments[positional[-1]] = item
        elif parameter.kind is parameter.VAR_KEYWORD:
            for keyword, item in value.items():
                # It may have the name of a positional-only parameter.
                key = unused(keyword) if keyword in signature.parameters else keyword
                keywords[keyword], arguments[key] = key, item
        elif parameter.kind is parameter.KEYWORD_ONLY or name not in leading:
            keywords[name], arguments[name] = name, value
        else:
            positional.append(name)
            arguments[name] = value
    return arguments, (tuple(positional), keywords)


def _has_tensor(default: Any) -> bool:
    arrays: list[Any] = []
    flatten(default, _is_array, arrays)
    return bool(arrays)


def _symbolic_inputs(
    paths: list[str], tensors: list[Any], dynamic: Dynamic
) -> tuple[list[Value], dict[str, int]]:
    """The graph's inputs, and the size that each symbol has in the examples."""
    unknown = [name for name in dynamic if name not in paths]
    if unknown:
        raise ArgumentError(
            f"dynamic names {unknown[0]!r}, which is not an input",
            instead=f"one of: {', '.join(paths) or '(there are no tensor inputs)'}",
        )
    named: dict[str, tuple[Symbol, int, str]] = {}
    values = []
    for path, example in zip(paths, tensors, strict=True):
        dtype = example.dtype if isinstance(example, Tensor) else as_tensor(example).dtype
        sizes = [int(n) for n in example.shape]
        shape: list[Size] = list(sizes)
        for dim, given in dynamic.get(path, {}).items():
            if not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
                raise ArgumentError(f"dynamic: {path} has no dim {dim!r}, its shape is {shape}")
            size = dims.symbol(given) if isinstance(given, str) else given
            if not isinstance(size, Dim):
                raise ArgumentError(f"dynamic: a dim's name must be text or a vt.dim, not {given}")
            _check_example(named, size, sizes[dim], f"{path}.shape[{dim}]")
            shape[dim] = size
        values.append(Value(TensorType(dtype, tuple(shape)), path))
    return values, {name: size for name, (_, size, _) in named.items()}


def _check_example(
    named: dict[str, tuple[Symbol, int, str]], size: Dim, example: int, at: str
) -> None:
    """The same name must mean the same size, with the same limits, in every example."""
    env = dims.solve(size, example)
    if env is None:
        raise ArgumentError(f"dynamic: {at} is {example}, which {size} cannot be")
    for symbol in dims.symbols(size):
        value = env[symbol.name]
        before = named.setdefault(symbol.name, (symbol, value, at))
        if before[0] != symbol:
            raise ArgumentError(f"dynamic: {symbol.name} has two different ranges")
        if before[1] != value:
            raise ArgumentError(
                f"dynamic: {symbol.name} is {before[1]} in {before[2]} and {value} in {at}"
            )
        low, high = symbol.min, symbol.max
        if (low is not None and value < low) or (high is not None and value > high):
            raise ArgumentError(f"dynamic: {at} is {example}, outside the range of {symbol.name}")


def _known(function: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Names of the parameters and buffers, and of the modules, if the function is a module."""
    owner = function if hasattr(function, "named_modules") else getattr(function, "__self__", None)
    if owner is None or not hasattr(owner, "named_modules"):
        return {}, {}
    names = {id(t): name for name, t in owner.named_parameters()}
    names |= {id(t): name for name, t in owner.named_buffers()}
    return names, {id(module): path for path, module in owner.named_modules()}


def _name(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name).strip("_") or "main"


# ---------------------------------------------------------------- results


def _check_output(output: TreeSpec) -> None:
    for path, leaf in output.leaves():
        if leaf.kind != "static" or isinstance(leaf.value, bool | int | float | str | None):
            continue
        where = f" at {path}" if path else ""
        what = "symbolic size" if isinstance(leaf.value, Dim) else type(leaf.value).__name__
        raise CaptureError(
            f"the function returns a {what}{where}",
            why="a program returns tensors, in lists, tuples, dicts or dataclasses",
            instead="return vt.tensor(...)  # of a size, too",
        )


def _output_names(output: TreeSpec) -> tuple[str, ...]:
    return tuple(
        "output" if not path else path if not path[0].isdigit() else f"output.{path}"
        for path in output.tensor_paths()
    )
