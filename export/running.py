"""Whatever can be compared, run in one way: functions, programs and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, VitrifyError
from ..tensor import Tensor, no_grad
from ..tracer import flatten, is_array, output_names, unflatten
from .program import Program, load
from .resizing import Layout, Sized
from .session import Session

Target = Callable[..., Any] | Program | str | Path


@dataclass(frozen=True, slots=True)
class Results:
    """A run's result: tensors by name, and the Python values among them, where they are known."""

    tensors: dict[str, np.ndarray]
    statics: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Runner:
    """Something that can be run.

    Attributes:
        name: What tables call it.
        run: Its results for positional and keyword arguments.
        is_program: Whether it runs on the reference backend.
        layout: Its inputs, where it knows their dims by name.
    """

    name: str
    run: Callable[[tuple[Any, ...], Mapping[str, Any]], Results]
    is_program: bool = False
    layout: Layout | None = None

    def attempt(self, sized: Sized) -> Results | Exception:
        """The results, or the error that refuses these sizes."""
        # The user's own code refuses as it likes, such as by an assertion.
        refusals = Exception if self.layout is None else VitrifyError
        try:
            return self.run(sized.args, sized.kwargs)
        except refusals as error:
            return error


def runner_of(target: Target) -> Runner:
    """What runs a function, a program or a file.

    Raises:
        ArgumentError: for anything else.
        FormatError: for a file that is missing or damaged.
    """
    if isinstance(target, Program):
        return _program_runner("reference", target)
    if isinstance(target, str | Path):
        name, suffix = Path(target).name, Path(target).suffix.lower()
        if suffix == ".onnx":
            session = Session(target)
            results, layout = _onnx_results(session), Layout.of_session(session)
            return Runner(f"{name} in ONNX Runtime", results, layout=layout)
        if suffix == ".vt":
            return _program_runner(f"{name} by reference", load(target))
        raise ArgumentError(f"cannot compare {name}", instead="a file that ends in .onnx or .vt")
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return Runner(f"{name}, eager", _tree_results(target))
    raise ArgumentError(
        f"cannot run a {type(target).__name__}",
        instead="a function, a module, a program, or the path of an .onnx or .vt file",
    )


def _program_runner(name: str, program: Program) -> Runner:
    return Runner(name, _tree_results(program), True, Layout.of_program(program))


def _tree_results(function: Callable[..., Any]) -> Callable[..., Results]:
    def run(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Results:
        # Copies, as the code may write to its arguments.
        args, kwargs = mapped((args, kwargs), lambda tensor: tensor.detach().clone())
        with no_grad():
            result = function(*args, **kwargs)
        leaves: list[Any] = []
        spec = flatten(result, is_array, leaves)
        arrays = [_array(leaf) for leaf in leaves]
        tensors = dict(zip(output_names(spec), arrays, strict=True))
        statics = {
            path or "output": leaf.value for path, leaf in spec.leaves() if leaf.kind == "static"
        }
        return Results(tensors, statics)

    return run


def _onnx_results(session: Session) -> Callable[..., Results]:
    def run(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Results:
        results = session(*args, **kwargs)
        return Results({name: tensor.numpy() for name, tensor in results.items()}, None)

    return run


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy() if isinstance(tensor, Tensor) else tensor


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """The tree with each tensor or array replaced."""
    leaves: list[Any] = []
    spec = flatten(tree, is_array, leaves)
    return unflatten(spec, iter([function(leaf) for leaf in leaves]))
