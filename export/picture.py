"""A picture of a graph: boxes in layers from top to bottom, in columns where there are many.

Parameters and constants are no boxes of their own but lines in the box that uses them. An edge that
spans several layers passes through *bends*, places kept free for it in the layers between.
All lengths are in points (1/72 inch).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..ir.errors import BackendError, ExportError
from ..ir.graph import Graph, Node, Value
from ..ir.op import Op
from ..ir.types import TensorType
from .program import Program

# Fill and line by the file of `ops/` that an op is declared in, its family.
_BLUE, _GREEN, _ORANGE = ("#e3edfb", "#3f74c4"), ("#e2f3e6", "#37935a"), ("#fdeedd", "#cf7a1f")
_PURPLE, _RED, _GREY = ("#efe6f9", "#7d52b5"), ("#fbe5e6", "#c24a52"), ("#f1f2f4", "#7b8088")
_ENDS = ("#ffffff", "#22262b")
_FAMILIES = {
    "linalg": _BLUE, "conv": _BLUE, "attention": _BLUE,
    "activation": _ORANGE, "elementwise": _ORANGE, "compare": _ORANGE,
    "norm": _PURPLE, "reduce": _PURPLE, "loss": _PURPLE,
    "pool": _GREEN,
    "index": _RED, "create": _RED,
}  # fmt: skip

_FONT, _LINE, _CHAR = 8.0, 11.5, 0.615  # size, height of a line, width of a letter over the size
_PAD = 7.0  # inside of a box
_GAP, _BETWEEN = 22.0, 26.0  # boxes side by side, layers
_GUTTER = 64.0  # between columns
_MARGIN = 18.0
_TALL = 1100.0  # a column becomes no taller than about this
_DPI = 144
_EDGE: dict[str, Any] = {"color": "#8a9099", "linewidth": 1.1, "zorder": 2}


@dataclass(eq=False, slots=True)
class _Box:
    """A box, or a bend of an edge if it has no lines.

    Attributes:
        lines: The text; the first is the title.
        tag: Text at the right of the title.
        colours: Fill and line.
        below: What its edges lead to, in the next layer.
        above: Where edges come from, in the layer before.
        layer: The number of its layer, from the top.
        column: The number of the column that its layer is in.
        x: Of the centre.
        y: Of the upper edge, downwards.
        height: Of the text, or for a bend, of its layer.
    """

    lines: list[str] = field(default_factory=list)
    tag: str = ""
    colours: tuple[str, str] = _GREY
    below: list[_Box] = field(default_factory=list)
    above: list[_Box] = field(default_factory=list)
    layer: int = 0
    column: int = 0
    x: float = 0.0
    y: float = 0.0
    height: float = 0.0

    def __post_init__(self) -> None:
        self.height = len(self.lines) * _LINE + 2 * _PAD - 3 if self.lines else 0.0

    @property
    def width(self) -> float:
        if not self.lines:
            return 8.0
        title = len(self.lines[0]) + (len(self.tag) + 3 if self.tag else 0)
        return max(title, *map(len, self.lines), 8) * _FONT * _CHAR + 2 * _PAD


def draw(program: Program | Graph, path: str | Path) -> Path:
    """Draw a graph with its ops, types, module paths and parameters.

    Args:
        program: What to draw.
        path: The file to write; its ending (.png, .svg, .pdf) is the format.

    Raises:
        BackendError: where matplotlib is not installed.
        ExportError: where the file cannot be written.
    """
    if isinstance(program, Program):
        graph, names = program.graph, program.output_names
    else:
        graph, names = program, [f"output {k}" for k in range(len(program.outputs))]
    layers = _layers(_boxes(graph, names))
    _order(layers)
    columns = _columns(layers)
    for column in columns:
        _place_across(column)
    width, height = _place_columns(columns)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise BackendError(
            "drawing needs matplotlib, which is not installed",
            instead='pip install "vitrify[demo]"',
        ) from None
    figure = Figure(figsize=(width / 72, height / 72), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    turning: dict[int, list[tuple[_Box, _Box]]] = defaultdict(list)
    for box in (box for layer in layers for box in layer):
        if box.lines:
            _draw_box(axes, box)
        else:
            axes.plot((box.x, box.x), (box.y, box.y + box.height), **_EDGE)
        for end in box.below:
            if end.column == box.column:
                _draw_curve(axes, box, end)
            else:
                turning[end.column].append((box, end))
    for column, edges in turning.items():
        left = min(b.x - b.width / 2 for layer in layers for b in layer if b.column == column)
        _draw_turns(axes, edges, left - _GUTTER / 2)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ExportError(f"cannot write the picture {path}: {error}") from None
    return Path(path)


# ---------------------------------------------------------------- from graph to boxes


def _boxes(graph: Graph, output_names: Sequence[str]) -> list[_Box]:
    """The boxes in topological order, with edges that may skip layers."""
    made: dict[Value, _Box] = {}
    folded: dict[Value, str] = {}
    boxes: list[_Box] = []
    results = set(graph.outputs)
    for value in graph.inputs:
        made[value] = _Box([value.name or "input", str(value.type)], "input", _ENDS)
        boxes.append(made[value])
    for node in graph.nodes:
        leaf = node.op.name in ("parameter", "constant")
        if leaf and not results.intersection(node.outputs):
            folded[node.output] = _leaf(node)
            continue
        types = [_type(value.type) for value in node.outputs]
        lines = [node.op.name, *types[:3], *(["..."] if len(types) > 3 else [])]
        lines += list(dict.fromkeys(folded[v] for v in node.inputs if v in folded))
        module = node.location.module if node.location is not None else ""
        box = _Box(lines, _clipped(module, 28), _colours(node.op))
        sources = dict.fromkeys(made[v] for v in node.inputs if v in made)
        for source in sources:
            source.below.append(box)
        box.above = list(sources)
        made.update(dict.fromkeys(node.outputs, box))
        boxes.append(box)
    for name, value in zip(output_names, graph.outputs, strict=True):
        box = _Box([name, _type(value.type)], "", _ENDS, above=[made[value]])
        made[value].below.append(box)
        boxes.append(box)
    return boxes


def _leaf(node: Node) -> str:
    """The line that stands for a parameter or a constant."""
    if node.op.name == "constant":
        return _clipped(f"= {node.attrs['value']}", 36)
    return f"{_clipped(node.attrs['name'].rpartition('.')[2], 24)} {_type(node.attrs['type'])}"


def _type(type: TensorType) -> str:
    return _clipped(str(type), 44)


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _colours(op: Op) -> tuple[str, str]:
    family = (op.body or op.canonical).__module__.rpartition(".")[2]
    return _FAMILIES.get(family, _GREY)


# ---------------------------------------------------------------- layers


def _layers(boxes: list[_Box]) -> list[list[_Box]]:
    """Boxes by their longest path from an input; long edges get bends in the layers between."""
    for box in boxes:
        box.layer = max((above.layer + 1 for above in box.above), default=0)
    for box in reversed(boxes):  # what starts a path goes right above what needs it
        if not box.above and box.below:
            box.layer = min(below.layer for below in box.below) - 1
    layers: list[list[_Box]] = [[] for _ in range(1 + max((b.layer for b in boxes), default=0))]
    for box in boxes:
        layers[box.layer].append(box)
    for box in boxes:
        # One chain of bends serves all the far ends of a box.
        chain = {box.layer: box}
        for end in sorted(box.below, key=lambda end: end.layer):
            if end.layer == box.layer + 1:
                continue
            for layer in range(box.layer + 1, end.layer):
                if layer not in chain:
                    chain[layer] = bend = _Box(above=[chain[layer - 1]], layer=layer)
                    chain[layer - 1].below.append(bend)
                    layers[layer].append(bend)
            last = chain[end.layer - 1]
            last.below.append(end)
            end.above[end.above.index(box)] = last
        box.below = [end for end in box.below if end.layer == box.layer + 1]
    return layers


def _order(layers: list[list[_Box]]) -> None:
    """Order each layer so that few edges cross: by the mean place of what it is joined to."""

    def sort(layer: list[_Box], beside: list[_Box], down: bool) -> None:
        place = {box: k for k, box in enumerate(beside)}
        before = {box: k for k, box in enumerate(layer)}

        def mean(box: _Box) -> float:
            joined = [place[b] for b in (box.above if down else box.below)]
            return sum(joined) / len(joined) if joined else before[box]

        layer.sort(key=mean)

    for _ in range(6):
        for above, layer in pairwise(layers):
            sort(layer, above, down=True)
        for layer, below in reversed(list(pairwise(layers))):
            sort(layer, below, down=False)


def _place_across(layers: list[list[_Box]]) -> None:
    """Set `x`: near what a box is joined to, in order and without overlap."""
    inside = {box for layer in layers for box in layer}
    joined = {box: [b for b in (*box.above, *box.below) if b in inside] for box in inside}
    for layer in layers:
        x = -sum(box.width + _GAP for box in layer) / 2
        for box in layer:
            box.x = x + box.width / 2
            x += box.width + _GAP
    for sweep in range(100):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = []
            for box in layer:
                pulls = [(_pull(box, b), b.x) for b in joined[box]]
                total = sum(pull for pull, _ in pulls)
                wanted.append(sum(p * x for p, x in pulls) / total if total else box.x)
            _settle(layer, wanted)


def _pull(a: _Box, b: _Box) -> float:
    """How much two joined boxes want to stand below each other: long edges are to be straight."""
    bends = (not a.lines) + (not b.lines)
    return (2.0, 0.5, 16.0)[bends]


def _settle(layer: list[_Box], wanted: list[float]) -> None:
    """Place boxes as near to `wanted` as order and gaps allow; overlapping ones share a shift."""
    groups: list[tuple[list[tuple[_Box, float]], float]] = []  # (box, offset) and where it starts
    for box, x in zip(layer, wanted, strict=True):
        members, start = [(box, 0.0)], x
        while groups:
            before, at = groups[-1]
            last, offset = before[-1]
            room = (last.width + members[0][0].width) / 2 + _GAP
            if at + offset + room <= start:
                break
            groups.pop()
            shift = offset + room
            a, b = len(before), len(members)
            start = (at * a + (start - shift) * b) / (a + b)
            members = before + [(box, o + shift) for box, o in members]
        groups.append((members, start))
    for members, start in groups:
        for box, offset in members:
            box.x = start + offset


# ---------------------------------------------------------------- columns


def _columns(layers: list[list[_Box]]) -> list[list[list[_Box]]]:
    """Cut a tall stack of layers into columns of like height, where few edges are cut."""
    heights = [_height(layer) + _BETWEEN for layer in layers]
    count = max(1, math.ceil(sum(heights) / _TALL))
    columns: list[list[list[_Box]]] = []
    start, total = 0, sum(heights)
    for column in range(1, count):
        best, done = start, 0.0
        cost = math.inf
        for k, height in enumerate(heights):
            done += height
            if k < start or k + 1 >= len(layers):
                continue
            cut = sum(len(box.below) for box in layers[k])
            off = abs(done - total * column / count) / _TALL
            if (here := (cut - 1) * 0.2 + off) < cost:
                best, cost = k + 1, here
        columns.append(layers[start:best])
        start = best
    return [column for column in (*columns, layers[start:]) if column]


def _height(layer: Iterable[_Box]) -> float:
    return max(box.height for box in layer)


def _place_columns(columns: list[list[list[_Box]]]) -> tuple[float, float]:
    """Set `y` and move `x` of every box; returns the size of the picture."""
    left, tallest = _MARGIN, 0.0
    for number, column in enumerate(columns):
        boxes = [box for layer in column for box in layer]
        low = min(box.x - box.width / 2 for box in boxes)
        high = max(box.x + box.width / 2 for box in boxes)
        y = _MARGIN + (_BETWEEN if number else 0)
        for layer in column:
            height = _height(layer)
            for box in layer:
                box.column = number
                box.x += left - low
                box.height = box.height or height
                box.y = y + (height - box.height) / 2
            y += height + _BETWEEN
        tallest = max(tallest, y - _BETWEEN)
        left += high - low + _GUTTER
    room = _BETWEEN if len(columns) > 1 else 0  # for edges to the next column
    return left - _GUTTER + _MARGIN, tallest + room + _MARGIN


# ---------------------------------------------------------------- drawing


def _draw_box(axes: Any, box: _Box) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, line = box.colours
    left, width = box.x - box.width / 2, box.width
    shape = f"round,pad=0,rounding_size={4 if box.colours is not _ENDS else 9}"
    axes.add_patch(
        FancyBboxPatch(
            (left, box.y), width, box.height, shape,
            facecolor=fill, edgecolor=line, linewidth=1.0, zorder=3,
        )
    )  # fmt: skip
    style: dict[str, Any] = {"family": "monospace", "va": "center", "zorder": 4}
    for k, text in enumerate(box.lines):
        y = box.y + _PAD - 1 + (k + 0.5) * _LINE
        colour = "#15181c" if k == 0 else "#3b4148" if k == 1 else "#767d86"
        weight = "bold" if k == 0 else "normal"
        axes.text(left + _PAD, y, text, size=_FONT, color=colour, weight=weight, **style)
    if box.tag:
        y = box.y + _PAD - 1 + 0.5 * _LINE
        right = left + width - _PAD
        axes.text(right, y, box.tag, size=_FONT, color=line, ha="right", **style)


def _draw_curve(axes: Any, box: _Box, end: _Box) -> None:
    top, foot = box.y + box.height, end.y
    middle = (top + foot) / 2
    points = [(box.x, top), (box.x, middle), (end.x, middle), (end.x, foot)]
    _draw_path(axes, points, end, curved=True)


def _draw_turns(axes: Any, edges: list[tuple[_Box, _Box]], gutter: float) -> None:
    """Draw edges that lead round the foot of a column and in from above the next one."""
    # In this order, and with lanes next to each other, they do not cross at the turns.
    edges = sorted(edges, key=lambda edge: -edge[0].x)
    foot = max(box.y + box.height for box, _ in edges) + 8
    for k, (box, end) in enumerate(edges):
        x = gutter + (k - (len(edges) - 1) / 2) * 7
        low, high = foot + 6 * k, end.y - 12 - 6 * (len(edges) - 1 - k)
        start, stop = (box.x, box.y + box.height), (end.x, end.y)
        points = [start, (box.x, low), (x, low), (x, high), (end.x, high), stop]
        _draw_path(axes, points, end, curved=False)


def _draw_path(axes: Any, points: list[tuple[float, float]], end: _Box, *, curved: bool) -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    step = Curve.CURVE4 if curved else Curve.LINETO
    path = Curve(points, [Curve.MOVETO] + [step] * (len(points) - 1))
    head = "-|>,head_length=4,head_width=2.2" if end.lines else "-"
    axes.add_patch(FancyArrowPatch(path=path, arrowstyle=head, shrinkA=0, shrinkB=0, **_EDGE))
