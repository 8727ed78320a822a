"""ONNX files.

A model and its weights are one file, up to protobuf's limit of 2 GiB; the weights of a bigger one
lie beside it, in `name.onnx.data`. A file appears whole or not at all, and equal programs give
equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..backends.onnx import DataFile, to_model
from ..ir.errors import ArgumentError, ExportError
from ..ir.version import VERSION
from ..passes import optimize
from .atomic import atomic_write
from .program import Program

# Bytes of weights that go into one file; protobuf's limit is 2 GiB for all that a file holds.
_INLINE_BYTES = (1 << 31) - (1 << 26)

Names = Sequence[str] | Mapping[str, str]


def onnx(
    program: Program,
    path: str | Path,
    *,
    opset: int = 23,
    input_names: Names | None = None,
    output_names: Names | None = None,
) -> Path:
    """Write a program as an ONNX file.

    Dynamic dims keep their names, weights those of the parameters; each node's metadata says which
    line of the user's code, and which module, it comes from. ONNX has one namespace for all: an
    output called as an input is becomes `<name>_out`, where `output_names` does not name it.

    Args:
        program: What `vt.trace` or `vt.load` gave.
        path: Where to write; the folder must exist.
        opset: Version of the ONNX operators, from 17 to 26.
        input_names: Names in place of the arguments' own: all of them in order, or a dict from old
            to new ones.
        output_names: Names of the results, likewise.

    Returns:
        The path.

    Raises:
        ArgumentError: for an unknown opset, or names that do not fit.
        UnsupportedOpError: for an op that the opset, or ONNX Runtime, cannot express; says which
            line of the model it is.
        ExportError: where the file cannot be written, or fails ONNX's own check.

    Example:
        >>> vt.export.onnx(program, "model.onnx", output_names=["logits"])
    """
    if not isinstance(program, Program):
        raise ArgumentError(
            f"a program is exported, not a {type(program).__name__}",
            instead="vt.export.onnx(vt.trace(model, x), path)",
        )
    if not program.output_names:
        raise ExportError(f"{program.name} returns no tensor", why="an ONNX model needs an output")
    target = Path(path)
    state = program.state_dict()
    graph = optimize(state)(program.graph)
    inputs = _renamed("input", [value.name for value in graph.inputs], input_names)
    outputs = _renamed("output", program.output_names, output_names)
    if not isinstance(output_names, Sequence):
        outputs = _apart(outputs, inputs, output_names or {})
    data = DataFile(f"{target.name}.data")
    model = to_model(
        graph,
        state,
        outputs,
        input_names=inputs,
        opset=opset,
        producer_version=VERSION,
        data=data,
    )
    if input_names is None:
        model.metadata_props.add(key="vitrify.arguments", value=_arguments(program))
    _check(model)
    if data.size > _INLINE_BYTES:
        with atomic_write(target.with_name(data.location)) as file:
            data.write(file)
        with atomic_write(target) as file:
            file.write(model.SerializeToString(deterministic=True))
    else:
        with atomic_write(target) as file:
            data.write_inline(model, file)
    return target


def _version() -> str:
    try:
        return version("vitrify")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return ""


def _renamed(what: str, names: Sequence[str], given: Names | None) -> list[str]:
    if given is None:
        return list(names)
    if isinstance(given, str):
        raise ArgumentError(f"{what}_names must be a list or a dict, got {given!r}")
    if not isinstance(given, Mapping):
        return list(given)
    if unknown := [name for name in given if name not in names]:
        raise ArgumentError(
            f"{what}_names renames {unknown[0]!r}, which is not an {what}",
            instead=f"one of: {', '.join(names)}",
        )
    return [given.get(name, name) for name in names]


def _apart(outputs: Sequence[str], inputs: Sequence[str], given: Mapping[str, str]) -> list[str]:
    """The outputs' names; what is called as an input is, and not by the user, gets another."""
    asked = set(given.values())
    taken = {*inputs, *outputs}
    names = []
    for name in outputs:
        if name in inputs and name not in asked:
            name += "_out"
            while name in taken:
                name += "_out"
            taken.add(name)
        names.append(name)
    return names


def _arguments(program: Program) -> str:
    """The function's arguments, each with the Python values in it that capture fixed."""
    captured = program.captured
    arguments: dict[str, Any] = {}
    for name, spec in zip(captured.arguments, captured.inputs, strict=True):
        fixed = {path: leaf.value for path, leaf in spec.leaves(name) if leaf.kind == "static"}
        arguments[name] = {
            path: value if isinstance(value, bool | int | float | str | None) else repr(value)
            for path, value in fixed.items()
        }
    return json.dumps(arguments)


def _check(model: Any) -> None:
    """Have ONNX check the schemas, types and shapes; big weights stand in as inputs.

    Raises:
        ExportError: where something is wrong, which would be a bug of ours.
    """
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.initializer[:]
    for proto in model.graph.initializer:
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            info = onnx.helper.make_tensor_value_info(proto.name, proto.data_type, proto.dims)
            bare.graph.input.append(info)
        else:
            bare.graph.initializer.append(proto)
    try:
        onnx.checker.check_model(bare, full_check=True)
    except Exception as error:  # the checker raises several kinds
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the model fails ONNX's own check: {reason}") from error
