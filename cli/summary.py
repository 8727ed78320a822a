"""What `vitrify inspect` says of a program or an ONNX file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..export import Program
from ..export.session import Port, Session
from ..ir.dims import Size, symbol
from ..ir.dims_text import parse_size
from ..ir.errors import FormatError
from ..ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Summary:
    """What a program takes, gives and consists of.

    Attributes:
        what: What kind of thing it is, in words.
        inputs: Types by name.
        outputs: Types by name.
        constraints: What the sizes must fulfil.
        parameters: How many numbers the weights are.
        bytes: How much memory they take.
        ops: How many nodes there are of each op.
    """

    what: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    constraints: tuple[str, ...]
    parameters: int
    bytes: int
    ops: Counter[str]

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON data."""
        return {
            "what": self.what,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "constraints": [*self.constraints],
            "parameters": self.parameters,
            "bytes": self.bytes,
            "ops": dict(self.ops.most_common()),
        }

    def __str__(self) -> str:
        from tabulate import tabulate

        ports = [("input", *item) for item in self.inputs.items()]
        ports += [("output", *item) for item in self.outputs.items()]
        lines = [self.what, "", tabulate(ports, tablefmt="plain")]
        lines += [f"where   {', '.join(self.constraints)}"] if self.constraints else []
        lines += ["", f"{self.parameters:,} parameters, {_size(self.bytes)}", ""]
        lines += [f"{self.ops.total()} nodes"]
        lines += [tabulate(self.ops.most_common(), tablefmt="plain")] if self.ops else []
        return "\n".join(lines)


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:,.3g} GB"


def summarize(program: Program, what: str) -> Summary:
    """The summary of a program."""
    nodes = [n for n in program.graph.walk() if n.op.name not in ("parameter", "constant")]
    state = program.state_dict().values()
    return Summary(
        what,
        {name: str(type) for name, type in program.input_types.items()},
        {name: str(type) for name, type in program.output_types.items()},
        program.constraints,
        sum(math.prod(map(int, t.shape)) for t in state),
        sum(math.prod(map(int, t.shape)) * t.dtype.itemsize for t in state),
        Counter(node.op.name for node in nodes),
    )


def summarize_onnx(path: Path) -> Summary:
    """The summary of an ONNX file.

    Raises:
        FormatError: where it is none, or ONNX Runtime cannot load it.
    """
    import onnx

    session = Session(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises several kinds
        raise FormatError(f"{path} is not an ONNX model: {error}") from None
    opsets = ", ".join(f"{o.domain or 'opset'} {o.version}" for o in model.opset_import)
    producer = " ".join(filter(None, (model.producer_name, model.producer_version)))
    weights = [(math.prod(w.dims), w.data_type) for w in model.graph.initializer]
    itemsize = {
        kind: onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize for _, kind in set(weights)
    }
    return Summary(
        f"ONNX, {opsets}, IR version {model.ir_version}, made by {producer or 'unknown'}",
        _ports(session.inputs),
        _ports(session.outputs),
        (),
        sum(count for count, _ in weights),
        sum(count * itemsize[kind] for count, kind in weights),
        Counter(f"{node.domain}.{node.op_type}".lstrip(".") for node in model.graph.node),
    )


def _ports(ports: Sequence[Port]) -> dict[str, str]:
    return {port.name: str(port).partition(": ")[2] for port in ports}


def onnx_input_types(path: Path) -> dict[str, TensorType]:
    """The inputs of an ONNX file; a size without a name, or with an odd one, is a symbol."""
    ports = Session(path).inputs
    words = {word for p in ports for size in p.shape for word in re.findall(r"\w+", str(size))}
    symbols = {word: symbol(word) for word in words if re.fullmatch(r"[^\W\d]\w*", word)}

    def size(given: int | str | None) -> Size:
        if isinstance(given, int):
            return given
        try:
            return parse_size(given or "n", symbols | {"n": symbol("n")})
        except ValueError:
            return symbol("n")

    return {port.name: TensorType(port.dtype, tuple(map(size, port.shape))) for port in ports}
