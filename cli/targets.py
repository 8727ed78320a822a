"""What a command works on: `path/to/file.py:name`, or a file that was written before."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ..export import Program, load, trace
from ..ir.constraints import Binding
from ..ir.dims import symbols
from ..ir.errors import ArgumentError, ConstraintError, FormatError
from ..tensor import manual_seed
from ..tracer import unflatten
from .inputs import Arguments, parse_dynamic, parse_inputs, random_inputs
from .summary import onnx_input_types

_FORMS = "model.py:Net, model.vt or model.onnx"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be run.

    Attributes:
        model: A function, a module in evaluation mode, a program, or the path of an ONNX file.
        args: The file's own `example_inputs`, if it is a tuple.
        kwargs: The same, if it is a dict.
        dynamic: The file's own `dynamic`.
    """

    model: Callable[..., Any] | Program | Path
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    dynamic: Mapping[str, Any] | None = None


def load_target(text: str, seed: int) -> Target:
    """Find what the command line names.

    A class, or a function without arguments, is called; a module is switched to evaluation.

    Args:
        text: As on the command line.
        seed: Of the random numbers that modules start with, when the file is run and again when
            something is made: so neither depends on what else the file makes.

    Raises:
        ArgumentError: where there is no such file or name, or nothing that can be run.
        FormatError: for a damaged archive.
    """
    path, colon, name = text.rpartition(":")
    file = Path(path if colon and path.endswith(".py") else text)
    if file.suffix not in (".py", ".onnx", ".vt"):
        raise ArgumentError(f"cannot tell what {text!r} is", instead=_FORMS)
    if not file.is_file():
        raise FormatError(f"there is no file {file}")
    if file.suffix == ".onnx":
        return Target(file)
    if file.suffix == ".vt":
        return Target(load(file))
    manual_seed(seed)
    module = _import(file)
    if not colon or not name:
        found = ", ".join(f"{file}:{name}" for name in _offered(module)[:6])
        raise ArgumentError(f"{file} needs the name of what to take from it", instead=found)
    manual_seed(seed)
    model = _made(_attribute(module, file, name), text)
    owner = getattr(model, "__self__", model)  # of a method
    if callable(getattr(owner, "eval", None)):
        owner.eval()
    inputs = getattr(module, "example_inputs", None)
    dynamic = getattr(module, "dynamic", None)
    if isinstance(inputs, Mapping):
        return Target(model, kwargs=inputs, dynamic=dynamic)
    if inputs is not None and not isinstance(inputs, tuple | list):
        raise ArgumentError(
            f"example_inputs in {file} is a {type(inputs).__name__}",
            instead="example_inputs = (x,)  # or a dict by argument name",
        )
    return Target(model, args=tuple(inputs or ()), dynamic=dynamic)


def comparable(target: Target, text: str) -> Any:
    """What `compare` takes: archives by path, so that tables name the file."""
    return text if isinstance(target.model, Program) else target.model


def arguments_of(target: Target, inputs: tuple[str, ...], seed: int) -> Arguments:
    """The inputs to run a target with: given, the file's own, or random ones of its types."""
    if inputs:
        return parse_inputs(inputs, seed)
    if target.args or target.kwargs:
        return target.args, dict(target.kwargs or {})
    if isinstance(target.model, Program):
        return (), _random_arguments(target.model, seed)
    if isinstance(target.model, Path):
        return (), random_inputs(onnx_input_types(target.model), seed)
    return (), {}


def _random_arguments(program: Program, seed: int) -> dict[str, Any]:
    """Random arguments by name; dynamic sizes are 2 where their limits allow it."""
    captured = program.captured
    tensors = iter(random_inputs(program.input_types, seed).values())
    trees = [unflatten(spec, tensors) for spec in captured.inputs]
    return dict(zip(captured.arguments, trees, strict=True))


def other_sizes(program: Program) -> dict[str, int]:
    """A size for each dynamic one that the program takes; nothing where none is found."""
    found = (s for t in program.input_types.values() for size in t.shape for s in symbols(size))
    limits = {symbol.name: symbol for symbol in found}
    for wanted in (5, 7, 6, 8, 12, 16, 4, 3, 1):
        sizes, binding = {}, Binding()
        for name, symbol in limits.items():
            least = wanted if symbol.min is None else max(wanted, symbol.min)
            sizes[name] = least if symbol.max is None else min(least, symbol.max)
            binding.bind_name(name, name, sizes[name], f"{name} = {sizes[name]}")
        try:
            binding.check(program.graph.constraints)
        except ConstraintError:
            continue
        return sizes
    return {}


def program_of(
    target: Target, inputs: tuple[str, ...], dynamic: tuple[str, ...], seed: int
) -> tuple[Program, Arguments]:
    """The captured program of a target, and the inputs to run it with."""
    args, kwargs = arguments_of(target, inputs, seed)
    if isinstance(target.model, Path):
        raise ArgumentError(
            "an ONNX file is not a program", instead="model.py:Net, or a program saved as .vt"
        )
    if isinstance(target.model, Program):
        if dynamic:
            raise ArgumentError("the dynamic dims of a saved program are fixed")
        return target.model, (args, kwargs)
    sizes = parse_dynamic(dynamic) or target.dynamic
    return trace(target.model, *args, dynamic=sizes, **kwargs), (args, kwargs)


# ---------------------------------------------------------------- the user's file


def _import(file: Path) -> ModuleType:
    """Run the user's file as a module of its own name, with its folder to import from."""
    file = file.resolve()
    known = sys.modules.get(file.stem)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    # Another module may have the name already, such as one of Python's own.
    name = file.stem if known is None else f"{file.stem}_at_{abs(hash(file)):x}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _offered(module: ModuleType) -> list[str]:
    """Names in the module that look like something to capture; modules and classes first."""

    def own(value: Any) -> bool:
        return getattr(value, "__module__", None) == module.__name__

    names = [n for n, v in vars(module).items() if not n.startswith("_") and callable(v) and own(v)]
    return sorted(names, key=lambda name: inspect.isfunction(getattr(module, name)))


def _attribute(module: ModuleType, file: Path, name: str) -> Any:
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            found = ", ".join(_offered(module)[:6])
            raise ArgumentError(f"{file} has no {name!r}", instead=found)
        value = getattr(value, part)
    return value


def _made(value: Any, text: str) -> Any:
    """The instance of a class, or what a function without arguments returns."""
    if inspect.isclass(value) or (inspect.isfunction(value) and not _needed(value, all=True)):
        if _needed(value):
            raise ArgumentError(
                f"{text} takes arguments, which a command cannot give",
                instead=f"net = {value.__name__}(...)  # in the file, and then name `net`",
            )
        value = value()
    if not callable(value):
        raise ArgumentError(
            f"{text} is {value!r:.60}, which cannot be called",
            instead="the name of a function, a module, or what makes one",
        )
    return value


def _needed(function: Callable[..., Any], all: bool = False) -> list[str]:
    """Names of the parameters that a call has to give, or of all of them."""
    return [
        name
        for name, p in inspect.signature(function).parameters.items()
        if all or (p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    ]
