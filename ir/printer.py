r"""The text form of a graph: one grammar, for people, golden tests and files; `parser` reads it.

    graph net(%x: f32[batch, 1, 8, 8]) -> (f32[batch, 10])
      where batch >= 1 {
      require batch != 8  # net.py:6
      %conv.weight = parameter "conv.weight" : f32[10, 1, 8, 8]
      %0 = conv2d(%x, %conv.weight, none) {stride=(1, 1)} : f32[batch, 10, 1, 1]  # net.py:7 in conv
      %1 = reshape(%0) {shape=(batch, 10)} : f32[batch, 10]                       # net.py:8
      return %1
    }

The grammar, where `x*` repeats, `x?` may be missing, and `x,*` is a list with commas, maybe empty.
White space and line ends only separate, but for the location, which ends its line.

    text      = graph
    graph     = "graph" title "(" (value ":" type),* ")" "->" "(" type,* ")" where? body
    where     = "where" (name (">=" | "<=") integer),*          of every symbol in the whole text
    body      = "{" require* node* "return" value,* "}"
    require   = "require" size ("==" | "!=" | "<" | "<=" | ">" | ">=") size location?
                                              not in regions; over symbols of the inputs' types
    node      = (value,* "=")? call location?                   no "=" where nothing is defined
    call      = op "(" (value | "none"),* ")" attrs? (":" type,*)?
              | "parameter" string ":" type                     short for {name=string, type=type}
              | "constant" literal ":" type                     short for {value=literal, type=type}
    attrs     = "{" (name "=" (literal | graph)),* "}"
    type      = dtype "[" size,* "]"
    literal   = integer | float | "true" | "false" | "none" | string | dtype | type | size
              | "(" ")" | "(" literal "," ")" | "(" literal ("," literal)+ ")"
    size      = what `dims_text.parse_size` reads; in parentheses where a literal would be meant
    dtype     = "bool" | "u8" ... "u64" | "i8" ... "i64" | "f16" | "bf16" | "f32" | "f64"
    title     = name | string
    op        = a name, which may have dots
    value     = "%" and letters, digits, underscores and dots
    integer   = "-"? digits
    float     = as Python prints it: has a point, an exponent, or is "inf", "-inf" or "nan"
    string    = '"' characters '"', with the escapes \\ \" \n and \u{hexadecimal}
    location  = "#" file ":" integer ("in" module)?      strings where the characters are odd

A symbol has the limits that `where` gives it, and no others; what `require` says holds beyond them,
and the types of nodes may rest on it. Regions (graphs as attributes) see
no values from outside; names in them are their own. A value keeps its name if it is one; all digits
stand for a value without a name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .dims import Dim, Symbol, symbols
from .graph import Graph, Node, Value
from .location import Location
from .types import BY_SHORT, DType, TensorType

# The attribute that stands before the type in the short form of a leaf.
LEAVES = {"parameter": "name", "constant": "value"}
WORDS: dict[str, Any] = {
    "true": True,
    "false": False,
    "none": None,
    "inf": float("inf"),
    "nan": float("nan"),
    **BY_SHORT,
}

_HINT = re.compile(r"[A-Za-z_][\w.]*")
_TITLE = re.compile(r"[^\W\d]\w*")
_PLAIN_FILE = re.compile(r"[^\s\":]+")
_PLAIN_MODULE = re.compile(r"[^\s\"]+")
_WIDEST = 80  # a longer line does not push the locations of all others to the right


def print_graph(graph: Graph) -> str:
    """The text of a graph, without a line end; that of a broken one shows undefined values as `%?`.

    Two prints of one graph are equal, and parsing the text and printing it again gives it back.
    """
    return "\n".join(Printout(graph).lines)


def print_literal(value: Any) -> str:
    """The text of an attribute that is no region; `<its class>` for what no graph may hold."""
    match value:
        case None | bool():
            return str(value).lower()
        case int():
            return int.__repr__(value)
        case float():
            return float.__repr__(value)
        case str():
            return print_string(value)
        case DType():
            return value.short
        case TensorType():
            return str(value)
        case Dim():
            text = str(value)
            return f"({text})" if text in WORDS or text == "-inf" else text
        case tuple():
            items = [print_literal(item) for item in value]
            return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return f"<{type(value).__name__}>"


def print_string(text: str) -> str:
    """The text in double quotes, with everything escaped that does not print."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text) + '"'


def print_location(location: Location) -> str:
    """`# file:line in module`."""
    file, module = location.file, location.module
    file = file if _PLAIN_FILE.fullmatch(file) else print_string(file)
    text = f"# {file}:{location.line}"
    if module:
        text += f" in {module if _PLAIN_MODULE.fullmatch(module) else print_string(module)}"
    return text


def graph_symbols(graph: Graph) -> list[Symbol]:
    """Every symbol in the types and attributes of a graph and its regions, sorted by name."""
    found = {symbol for dim in _dims(graph) for symbol in symbols(dim)}
    return sorted(found, key=lambda symbol: (symbol.name, symbol.key))


def _dims(item: Any) -> Iterator[Dim]:
    match item:
        case Dim():
            yield item
        case TensorType():
            yield from _dims(item.shape)
        case tuple():
            for each in item:
                yield from _dims(each)
        case Graph():
            for value in (*item.inputs, *item.outputs):
                yield from _dims(value.type)
            for constraint in item.constraints:
                yield from _dims((constraint.condition.lhs, constraint.condition.rhs))
            for node in item.nodes:
                for value in node.outputs:
                    yield from _dims(value.type)
                yield from _dims(tuple(node.attrs.values()))


class Printout:
    """A graph's text as lines, and where in it things stand.

    Args:
        graph: What to print.
        indent: Spaces before the closing brace of a region; 0 for a graph that stands alone, which
            alone lists the limits of the symbols and the constraints.

    Attributes:
        lines: The text.
        marks: The number of the line that a node starts in, and that a graph returns in.
    """

    def __init__(self, graph: Graph, indent: int = 0) -> None:
        self.lines: list[str] = []
        self.marks: dict[Node | Graph, int] = {}
        self._names = _unique_names(graph)
        margin = " " * indent
        inputs = ", ".join(f"{self._name(v)}: {v.type}" for v in graph.inputs)
        title = graph.name if _TITLE.fullmatch(graph.name) else print_string(graph.name)
        self._write(f"{margin}graph {title}({inputs}) -> ({_types(graph.outputs)})")
        if not indent and (limits := _limits(graph)):
            self._write(f"{margin}  where {', '.join(limits)}")
        self.lines[-1] += " {"

        located: dict[int, Location | None] = {}
        for constraint in () if indent else graph.constraints:
            located[len(self.lines)] = constraint.location
            self._write(f"  require {constraint}")
        self._add_locations(located)

        located = {}
        for node in graph.nodes:
            self.marks[node] = len(self.lines)
            self._print_node(node, indent + 2)
            located[len(self.lines) - 1] = node.location
        self._add_locations(located)

        self.marks[graph] = len(self.lines)
        results = ", ".join(map(self._name, graph.outputs))
        self._write(f"{margin}  return {results}".rstrip())
        self._write(margin + "}")

    def _write(self, line: str) -> None:
        self.lines.append(line)

    def _add_locations(self, located: Mapping[int, Location | None]) -> None:
        """Write locations to the right of lines, below each other."""
        places = {k: location for k, location in located.items() if location is not None}
        widths = (len(self.lines[k]) for k in places)
        column = max((w for w in widths if w <= _WIDEST), default=0)
        for k, location in places.items():
            self.lines[k] = f"{self.lines[k].ljust(column)}  {print_location(location)}"

    def _name(self, value: Value | None) -> str:
        return "none" if value is None else self._names.get(value, "%?")

    def _print_node(self, node: Node, indent: int) -> None:
        results = ", ".join(map(self._name, node.outputs))
        text = " " * indent + (f"{results} = " if results else "") + node.op.name
        if _is_short(node):
            text += f" {print_literal(node.attrs[LEAVES[node.op.name]])}"
        else:
            text += f"({', '.join(map(self._name, node.inputs))})"
            text = self._add_attrs(node, text, indent)
        if node.outputs:
            text += f" : {_types(node.outputs)}"
        self._write(text)

    def _add_attrs(self, node: Node, text: str, indent: int) -> str:
        """Returns `text` with the attributes; a region writes all lines but the last one."""
        for k, (name, attr) in enumerate(node.attrs.items()):
            text += f"{' {' if k == 0 else ', '}{name}="
            if not isinstance(attr, Graph):
                text += print_literal(attr)
                continue
            region = Printout(attr, indent + 2)
            for inner, line in region.marks.items():
                self.marks.setdefault(inner, len(self.lines) + line)
            self._write(text + region.lines[0].lstrip())
            self.lines.extend(region.lines[1:-1])
            text = region.lines[-1]
        return text + "}" if node.attrs else text


def _unique_names(graph: Graph) -> dict[Value, str]:
    names: dict[Value, str] = {}
    taken: set[str] = set()
    repeats: Counter[str] = Counter()
    unnamed = 0
    values = (*graph.inputs, *(value for node in graph.nodes for value in node.outputs))
    for value in values:
        if value in names:
            continue
        if _HINT.fullmatch(value.name):
            name = value.name
            while name in taken:
                repeats[value.name] += 1
                name = f"{value.name}_{repeats[value.name]}"
        else:
            name, unnamed = str(unnamed), unnamed + 1
        taken.add(name)
        names[value] = "%" + name
    return names


def _is_short(node: Node) -> bool:
    """Whether a node is a leaf in the form that is written without parentheses and braces."""
    lead = LEAVES.get(node.op.name)
    return (
        lead is not None
        and not node.inputs
        and set(node.attrs) == {lead, "type"}
        and len(node.outputs) == 1
        and node.attrs["type"] == node.outputs[0].type
    )


def _types(values: Iterable[Value]) -> str:
    return ", ".join(str(value.type) for value in values)


def _limits(graph: Graph) -> list[str]:
    limits: list[str] = []
    for symbol in graph_symbols(graph):
        limits += [f"{symbol} >= {symbol.min}"] if symbol.min is not None else []
        limits += [f"{symbol} <= {symbol.max}"] if symbol.max is not None else []
    return limits


Graph.__str__ = lambda self: print_graph(self)
