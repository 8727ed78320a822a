"""What was captured, in plain text: `vitrify explain model.py:net`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from ..backends.onnx.registry import LEAVES, supports
from ..ir.dims import Symbol, symbols
from ..ir.errors import ArgumentError
from ..ir.graph import Graph, Node
from .program import Program

_MOST_WEIGHTS = 20


def explain(program: Program) -> str:
    """A report of what a program took over from the code it was captured from.

    It lists inputs with their types, Python values that were fixed, the ranges of dynamic sizes,
    what the code decided about them (with its lines), outputs, weights, randomness, branches, and
    the ops with what becomes of each in ONNX.

    Args:
        program: From `vitrify.trace` or `vitrify.load`.

    Raises:
        ArgumentError: for anything else.

    Example:
        >>> print(vt.export.explain(program))
    """
    if not isinstance(program, Program):
        raise ArgumentError(
            f"a program is explained, not a {type(program).__name__}",
            instead="vt.export.explain(vt.trace(model, x))",
        )
    nodes = [node for node in program.graph.walk() if node.op.name not in LEAVES]
    sections = {
        "inputs": _columns((name, str(t)) for name, t in program.input_types.items()),
        "Python values, fixed": _fixed_inputs(program),
        "dynamic sizes": _sizes(program),
        "decided about sizes": _constraints(program),
        "outputs": _outputs(program),
        "weights": _weights(program),
        "randomness": _randomness(nodes),
        "branches": _branches(nodes),
        "ops": _ops(nodes),
    }
    lines = [f"program {program.name}: {_count(len(nodes), 'node')}"]
    for title, found in sections.items():
        lines += ["", title, *(f"  {line}" for line in found or ["none"])]
    return "\n".join(lines)


def _fixed_inputs(program: Program) -> list[str]:
    captured = program.captured
    return [
        f"{path} = {leaf.value!r}"
        for name, spec in zip(captured.arguments, captured.inputs, strict=True)
        for path, leaf in spec.leaves(name)
        if leaf.kind == "static"
    ]


def _sizes(program: Program) -> list[str]:
    """Each symbol with its range and where it stands."""
    places: dict[str, list[str]] = {}
    for name, type in program.input_types.items():
        for k, size in enumerate(type.shape):
            for symbol in symbols(size):
                at = f"{name}.shape[{k}]"
                shown = at if str(size) == symbol.name else f"{at} = {size}"
                places.setdefault(_range(symbol), []).append(shown)
    return _columns((range, ", ".join(found)) for range, found in places.items())


def _range(symbol: Symbol) -> str:
    low = "" if symbol.min is None else f"{symbol.min} <= "
    high = "" if symbol.max is None else f" <= {symbol.max}"
    return f"{low}{symbol.name}{high}"


def _constraints(program: Program) -> list[str]:
    """Each recorded constraint with the line that decided it."""
    rows = []
    for constraint in program.graph.constraints:
        location = constraint.location
        source = location.source() if location is not None else ""
        rows.append((str(constraint), str(location or ""), source))
    return _columns(rows)


def _outputs(program: Program) -> list[str]:
    fixed = [
        f"{path} = {leaf.value!r}, fixed"
        for path, leaf in program.captured.output.leaves("output")
        if leaf.kind == "static"
    ]
    return _columns((name, str(t)) for name, t in program.output_types.items()) + fixed


def _weights(program: Program) -> list[str]:
    """Parameters and buffers; the largest by name."""
    state = program.state_dict()
    if not state:
        return []
    numbers = {name: math.prod(map(int, t.shape)) for name, t in state.items()}
    bytes = sum(numbers[name] * t.dtype.itemsize for name, t in state.items())
    parameters = sum(t.requires_grad for t in state.values())
    # Archives do not say which weights are trained.
    kinds = [_count(len(state), "weight")]
    if parameters:
        kinds = [_count(parameters, "parameter")]
        if others := len(state) - parameters:
            kinds.append(_count(others, "buffer or constant", "buffers and constants"))
    total = f"{_count(sum(numbers.values()), 'number')}, {_count(bytes, 'byte')}"
    uses = _uses(program.graph)
    shown = sorted(state, key=lambda name: -numbers[name])[:_MOST_WEIGHTS]
    rows = []
    for name in uses:  # in the order in which the graph takes them
        if name in shown:
            shared = f"shared by {uses[name]} nodes" if uses[name] > 1 else ""
            rows.append((name, str(state[name].type), shared))
    rest = len(state) - len(rows)
    more = [f"and {rest} smaller"] if rest else []
    return [f"{', '.join(kinds)}: {total}", *_columns(rows), *more]


def _uses(graph: Graph) -> Counter[str]:
    """How many nodes use each weight, in the order of their first appearance."""
    nodes = list(graph.walk())
    names = {n.output: n.attrs["name"] for n in nodes if n.op.name == "parameter"}
    uses = Counter(dict.fromkeys(names.values(), 0))
    for node in nodes:
        uses.update({names[value] for value in node.inputs if value is not None and value in names})
    return uses


def _randomness(nodes: Sequence[Node]) -> list[str]:
    impure = Counter(node.op.name for node in nodes if not node.op.pure)
    if not impure:
        return ["none: the same inputs give the same outputs"]
    return [f"{name}: {_count(count, 'node')}" for name, count in impure.items()]


def _branches(nodes: Sequence[Node]) -> list[str]:
    found = [n for n in nodes if any(isinstance(attr, Graph) for attr in n.attrs.values())]
    if not found:
        return ["none: every call runs every node"]
    return _columns((node.op.name, str(node.location or "")) for node in found)


def _ops(nodes: Sequence[Node]) -> list[str]:
    """How many nodes there are of each op, and what ONNX makes of them."""
    counts = Counter(node.op for node in nodes)
    rows = []
    for op, count in counts.most_common():
        if supports(op):
            fate = "whole in ONNX" if op.is_composite else ""
        else:
            fate = "expanded for ONNX" if op.is_composite else "not in ONNX"
        rows.append((f"{count}", op.name, fate))
    return _columns(rows)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """The rows as lines with aligned columns."""
    table = [*rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    cells = ((text.ljust(width) for text, width in zip(r, widths, strict=True)) for r in table)
    return ["  ".join(row).rstrip() for row in cells]
