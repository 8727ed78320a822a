"""Text in, text out: printing and parsing are exact inverses, and bad text is one kind of error."""

import inspect
import math
import re
import textwrap
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vitrify.ir.builder import Builder
from vitrify.ir.dims import Dim, Symbol, maximum, minimum, same, symbol, symbols
from vitrify.ir.errors import FormatError
from vitrify.ir.graph import Graph, Node, Value
from vitrify.ir.location import Location
from vitrify.ir.op import Op
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ir.types import DTYPES, TensorType, float32
from vitrify.ops import REGISTRY


def _op(name: str, infer: Any) -> Op:
    return Op(name, canonical=infer, signature=inspect.signature(infer), infer=infer)


# `note` takes any attributes, `store` defines nothing, `choose` has regions.
NOTE = _op("test.note", lambda x, **attrs: x)
STORE = _op("store", lambda x: ())
CHOOSE = _op("choose", lambda *xs, then, other, **_: tuple(v.type for v in then.outputs))
OPS = {**REGISTRY, **{op.name: op for op in (NOTE, STORE, CHOOSE)}}


def text(source: str) -> str:
    return textwrap.dedent(source).strip()


CASES = {
    "the smallest": """
        graph main() -> () {
          return
        }
        """,
    "a layer": """
        graph net(%x: f32[batch, 3], %y: i64[batch]) -> (f32[batch, 5], i64[batch])
          where batch >= 1, batch <= 512 {
          %fc.weight = parameter "fc.weight" : f32[5, 3]
          %0 = linear(%x, %fc.weight, none) : f32[batch, 5]  # net.py:12 in fc
          %1 = relu(%0) : f32[batch, 5]                      # net.py:13
          return %1, %y
        }
        """,
    "constants": """
        graph main() -> (f32[], f64[], i64[], bool[], f32[], i32[3], u8[1], f32[0]) {
          %0 = constant -0.5 : f32[]
          %1 = constant 1e-05 : f64[]
          %2 = constant -7 : i64[]
          %3 = constant true : bool[]
          %4 = constant -inf : f32[]
          %5 = constant (1, -2, 3) : i32[3]
          %6 = constant (255,) : u8[1]
          %7 = constant () : f32[0]
          return %0, %1, %2, %3, %4, %5, %6, %7
        }
        """,
    "a size as a constant": """
        graph main(%x: f32[n, m]) -> (i64[])
          where m >= 1, n >= 0 {
          %0 = constant 2*m*n : i64[]
          return %0
        }
        """,
    "every literal": r"""
        graph main(%x: f32[]) -> (f32[])
          where n >= 1 {
          %0 = test.note(%x) {a=1, b=-1.0, c=true, d=none, e="\\ \" \n \u{0}é", f=f32, g=bf16[n, 1]} : f32[]
          %1 = test.note(%0) {a=(), b=(1,), c=((1, 2.5), ("a", none)), d=n//2, e=(n + 1)//2} : f32[]
          %2 = test.note(%1) {a=inf, b=-inf, c=nan, d=min(n, 3), e=(n, max(n, 7), (n + 3)//8)} : f32[]
          return %2
        }
        """,  # noqa: E501
    "symbols called like words": """
        graph main(%x: f32[f32, min, graph]) -> (f32[f32, min, graph])
          where f32 >= 1, graph >= 1, inf >= 1, min >= 1, none >= 1, true >= 1 {
          %0 = test.note(%x) {a=(f32), b=f32, c=(true), d=true} : f32[f32, min, graph]
          %1 = test.note(%0) {e=(inf), f=(-inf), g=-inf, h=graph} : f32[f32, min, graph]
          %2 = test.note(%1) {i=min, j=f32 + 1, k=(none), l=2*graph} : f32[f32, min, graph]
          return %2
        }
        """,
    "limits": """
        graph main(%x: f32[a, b, c, d + 4]) -> ()
          where a >= 2, b <= 9, d >= -3, d <= -3 {
          return
        }
        """,
    "names": """
        graph "<lambda>"(%x: f32[], %x_1: f32[]) -> (f32[], f32[]) {
          %layers.0.w = relu(%x) : f32[]
          %0 = relu(%x_1) : f32[]
          return %layers.0.w, %0
        }
        """,
    "several results, none, and one in a tuple": """
        graph main(%x: f32[4, 6]) -> (f32[4, 2], f32[4, 6]) {
          %a, %0 = split_with_sizes(%x) {sizes=(2, 4), dim=1} : f32[4, 2], f32[4, 4]
          store(%a)                                                                         # a.py:1
          %1 = split_with_sizes(%x) {sizes=(6,), dim=1} : f32[4, 6]
          return %a, %1
        }
        """,
    "odd locations": r"""
        graph main(%x: f32[]) -> (f32[]) {
          %0 = relu(%x) : f32[]  # "my net.py":3 in layers.0
          %1 = relu(%0) : f32[]  # <stdin>:1 in "a b"
          %2 = relu(%1) : f32[]  # "a:1 in b\n":2 in x:5
          %3 = relu(%2) : f32[]  # "":0
          return %3
        }
        """,
    "regions": """
        graph main(%p: bool[], %x: f32[n]) -> (f32[n])
          where n >= 1 {
          %0 = choose(%p, %x) {then=graph then(%x: f32[n]) -> (f32[n]) {
              %0 = exp(%x) : f32[n]          # a.py:3
              %1 = test.note(%0) : f32[n]    # a.py:3 in m
              return %1
            }, k=(1,), other=graph other(%y: f32[n]) -> (f32[n]) {
              return %y
            }} : f32[n]  # a.py:2
          return %0
        }
        """,
}


@pytest.mark.parametrize("case", CASES)
def test_text_comes_back(case: str) -> None:
    source = text(CASES[case])
    once = print_graph(parse_graph(source, OPS))
    # The printer alone aligns the locations.
    assert _unaligned(once) == _unaligned(source)
    assert print_graph(parse_graph(once, OPS)) == once
    assert str(parse_graph(once, OPS)) == once


def _unaligned(source: str) -> str:
    return re.sub(r" +# ", "  # ", source)


def test_locations_stand_in_one_column() -> None:
    source = text(
        """
        graph main(%x: f32[2]) -> (f32[2]) {
          %0 = relu(%x) : f32[2]          # a.py:1
          %longer_name = relu(%0) : f32[2]  # a.py:2
          %1 = relu(%longer_name) : f32[2]
          return %1
        }
        """
    )
    first, second = (
        line.index("#") for line in str(parse_graph(source, OPS)).splitlines() if "#" in line
    )
    assert first == second
    assert "f32[2]  # a.py:2" in str(parse_graph(source, OPS))


def test_white_space_only_separates() -> None:
    loose = "graph g ( %x:f32 [ n,2 ] )\n->(f32[n , 2])where n>=1{%1=relu( %x ):f32[n,2]return %1}"
    assert str(parse_graph(loose, OPS)) == text(
        """
        graph g(%x: f32[n, 2]) -> (f32[n, 2])
          where n >= 1 {
          %0 = relu(%x) : f32[n, 2]
          return %0
        }
        """
    )


def test_hints_become_names() -> None:
    x, y, z, w = (Value(TensorType(float32, ()), name) for name in ("x", "x", "x_1", "0.weight"))
    assert str(Graph((x, y, z, w), (), (w, z, y, x), name="a b")) == text(
        """
        graph "a b"(%x: f32[], %x_1: f32[], %x_1_1: f32[], %0: f32[]) -> (f32[], f32[], f32[], f32[]) {
          return %0, %x_1_1, %x_1, %x
        }
        """  # noqa: E501
    )


def test_a_broken_graph_can_be_printed() -> None:
    x, y = (Value(TensorType(float32, ())) for _ in range(2))
    node = Node(NOTE, (y, None), {"data": [1], "later": {}}, (x,), None)
    assert str(Graph((), (node, node), (y,))) == text(
        """
        graph main() -> (f32[]) {
          %0 = test.note(%?, none) {data=<list>, later=<dict>} : f32[]
          %0 = test.note(%?, none) {data=<list>, later=<dict>} : f32[]
          return %?
        }
        """
    )


# --- literals, all of them ------------------------------------------------------------------------

names = st.sampled_from(["n", "m", "f32", "true", "none", "inf", "nan", "graph", "min", "size"])


@st.composite
def sizes(draw: st.DrawFn) -> Any:
    """Sizes over a few symbols, each with the one pair of limits that its name decides."""

    def leaf() -> Any:
        name = draw(names)
        limits = {"n": (1, None), "m": (0, 512), "f32": (None, None), "true": (None, 4)}
        return symbol(name, *limits.get(name, (2, None)))

    size = leaf()
    for _ in range(draw(st.integers(0, 3))):
        number = draw(st.integers(-9, 9))
        match draw(st.integers(0, 6)):
            case 0:
                size = size + number
            case 1:
                size = size * (number or 1)
            case 2:
                size = size * leaf()
            case 3:
                size = size // (abs(number) + 1)
            case 4:
                size = size % (abs(number) + 2)
            case 5:
                size = minimum(size, leaf(), number)
            case 6:
                size = maximum(size, leaf(), number)
    return size


types = st.builds(
    lambda dtype, shape: TensorType(dtype, tuple(shape)),
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 2**63 - 1) | sizes().filter(lambda s: isinstance(s, Dim)), max_size=3),
)
literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters())  # surrogates too
    | st.sampled_from(DTYPES)
    | sizes()
    | types,
    lambda items: st.lists(items, max_size=4).map(tuple),
    max_leaves=8,
)


def identical(a: Any, b: Any) -> bool:
    """Equal in type and value, down to the sign of zero."""
    if type(a) is not type(b):
        return False
    match a:
        case tuple():
            return len(a) == len(b) and all(map(identical, a, b))
        case float():
            same_sign = math.copysign(1, a) == math.copysign(1, b)
            return (math.isnan(a) and math.isnan(b)) or (a == b and same_sign)
        case Dim():
            return same(a, b)
    return a == b


def _note(value: Any) -> Graph:
    builder = Builder()
    x = Value(TensorType(float32, ()), "x")
    return builder.graph([x], builder.add(NOTE, [x], {"value": value}))


@given(literals)
@example(10**100)
@example(-0.0)
@example(2.0**70)
@example('"}) # a.py:1')
@example("\ud800\udc00\x00\x85\u2028\\")
@example(((((),),),))
@example((True, 1, 1.0, "1"))
@settings(deadline=None)
def test_literals_come_back(value: Any) -> None:
    printed = print_graph(_note(value))
    parsed = parse_graph(printed, OPS)
    assert identical(parsed.nodes[0].attrs["value"], value)
    assert print_graph(parsed) == printed


@given(st.none() | st.integers(-99, 99), st.none() | st.integers(0, 99))
def test_symbols_come_back(low: int | None, extent: int | None) -> None:
    high = None if extent is None else (low or 0) + extent
    graph = _note(symbol("n", low, high))
    found = parse_graph(str(graph), OPS).nodes[0].attrs["value"]
    assert isinstance(found, Dim)
    assert symbols(found) == (Symbol("n", low, high),)


@given(st.text(min_size=1) | st.just("net.py"), st.integers(0, 10**6), st.text() | st.just("a.0.b"))
@example("a.py", 3, "b:5")
@example("a:3 in b", 5, "")
def test_locations_come_back(file: str, line: int, module: str) -> None:
    location = Location(file, line, module)
    (node,) = _note(1).nodes
    graph = Graph(node.inputs, (_moved(node, location),), node.outputs)  # type: ignore[arg-type]
    assert parse_graph(str(graph), OPS).nodes[0].location == location


def _moved(node: Node, location: Location) -> Node:
    return Node(node.op, node.inputs, node.attrs, node.outputs, location)


# --- bad text -------------------------------------------------------------------------------------

BODY = "graph main(%x: f32[2, 3]) -> (f32[2, 3]) {{\n  {}\n  return %0\n}}"


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("%0 = rleu(%x) : f32[2, 3]", 8, "there is no op 'rleu'"),
        ("%0 = relu(%y) : f32[2, 3]", 13, "%y is not defined above"),
        ("%0 = relu(%0) : f32[2, 3]", 13, "%0 is not defined above"),
        ("%x = relu(%x) : f32[2, 3]", 3, "%x is defined twice"),
        ("%0 = relu(%x) : f32[3, 2]", 8, "relu gives (f32[2, 3]), but the text has"),
        ("%0 = relu(%x) : f64[2, 3]", 8, "relu gives (f32[2, 3]), but the text has"),
        ("%0 = relu(%x)", 8, "relu gives (f32[2, 3]), but the text has"),
        ("relu(%x)", 3, "relu gives (f32[2, 3]), but the text has"),
        ("%0, %1 = relu(%x) : f32[2, 3], f32[2, 3]", 12, "relu has 1 results, not 2"),
        ("%0 = relu(%x, %x) : f32[2, 3]", 8, "relu cannot be applied like this"),
        ("%0 = relu() : f32[2, 3]", 8, "relu cannot be applied like this"),
        ("%0 = relu(none) : f32[2, 3]", 8, "relu cannot be applied like this"),
        ("%0 = relu(%x) {dim=1} : f32[2, 3]", 8, "relu cannot be applied like this"),
        ("%0 = linear(%x, %x, %x) : f32[2, 3]", 8, "linear cannot be applied like this"),
        ('%0 = reshape(%x) {shape="23"} : f32[2, 3]', 8, "reshape"),
        ("%0 = reshape(%x) {shape=(2, 3, n)} : f32[2, 3]", 8, "reshape"),
        ("%0 = index(%x, %x) {dims=(0, 999999999999)} : f32[2, 3]", 8, "index"),
        ("%0 = relu(%x) : f33[2, 3]", 19, "there is no dtype 'f33'"),
        ("%0 = relu(%x) : f32[2, -3]", 19, "no tensor has such a shape"),
        ("%0 = relu(%x) : f32[2, 9223372036854775808]", 19, "no tensor has such a shape"),
        ("%0 = relu(%x) : f32[2, 1//0]", 26, "not a size: division by zero"),
        ("%0 = relu(%x) : f32[2, a b]", 26, "not a size"),
        ("%0 = relu(%x) : f32[2, (n+m+k)**64]", 26, "not a size"),
        ("%0 = relu(%x) : f32[2, ]", 26, "not a size"),
        ("%0 = relu(%x : f32[2, 3]", 3, "'}' closes nothing"),
        ("%0 = relu(%x]) : f32[2, 3]", 15, "']' closes nothing"),
        ("%0 = relu(%x) : f32[2, 3] # here", 29, "expected a location"),
        ("%0 = relu(%x) : f32[2, 3] @", 29, "unexpected character '@'"),
        ('%0 = parameter "w : f32[2, 3]', 18, "unclosed string"),
        (r'%0 = parameter "\q" : f32[2, 3]', 18, r"there is no escape '\\q'"),
        (r'%0 = parameter "\u{110000}" : f32[2, 3]', 18, r"there is no escape"),
        ("%0 = parameter 3 : f32[2, 3]", 18, "expected a string, found '3'"),
        ("%0 = constant 3 f32[2, 3]", 17, "not a size"),
        ("%0 = constant (1, 2) : f32[2, 3]", 8, "constant cannot be applied like this"),
        ('%0 = constant "a" : f32[2, 3]', 8, "constant cannot be applied like this"),
        ("%0 = constant 300 : u8[]", 8, "constant cannot be applied like this"),
        ("%0 = test.note(%x) {a=1, a=2} : f32[2, 3]", 28, "a second 'a'"),
        ("%0 = test.note(%x) {a=1.5 5} : f32[2, 3]", 29, "expected '}'"),
        ("%0 = test.note(%x) {a=(1, 2)*n} : f32[2, 3]", 31, "expected '}'"),
        ("%0 = test.note(%x) {1=1} : f32[2, 3]", 23, "expected a name, found '1'"),
        ("%0 = test.note(%x) {a=" + "(" * 99 + ",)" * 99 + "} : f32[2, 3]", 87, "too deeply"),
        ("%0 = test.note(%x) {a=" + "-" * 999 + "n} : f32[2, 3]", 25, "too deeply nested"),
        ("%0 = test.note(%x) {a=" + "9" * 9999 + "} : f32[2, 3]", 25, "not a number"),
        ("return %x }", 3, "closes nothing"),
    ],
)
def test_what_is_wrong_and_where(line: str, column: int, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_graph(BODY.format(line), OPS)
    message = str(caught.value)
    assert problem in message
    if "closes nothing" not in problem:
        assert message.startswith(f"line 2, column {column}: ")
    *_, shown, caret = message.splitlines()
    assert caret.strip() == "^"
    assert len(shown) >= len(caret) and max(map(len, message.splitlines())) < 400


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "line 1, column 1: expected 'graph', found the end"),
        ("graph", "expected a name, found the end"),
        ("graph g", "expected '('"),
        ("graph g() -> ()", "expected '{'"),
        ("graph g() -> () { return } }", "'}' closes nothing"),
        ("graph g() -> () { return } graph", "nothing may follow the graph"),
        ("graph g() -> () { return", "'{' is never closed"),
        ("graph g() -> () { }", "expected a name, found '}'"),
        ("graph g(%x: f32[], %x: f32[]) -> () { return }", "%x is defined twice"),
        ("graph g(%x: f32[]) -> () { return %x }", "promises () but returns (f32[])"),
        ("graph g(%x: f32[]) -> (f64[]) { return %x }", "promises (f64[]) but returns (f32[])"),
        ("graph g() -> () where n > 1 { return }", "expected '>=' or '<='"),
        ("graph g() -> () where n = 1 { return }", "expected '>=' or '<='"),
        ("graph g() -> () where n >= 3, n <= 1 { return }", "a limit that no symbol has"),
        ("graph g() -> () where n >= 3, n >= 3 { return }", "a second limit"),
        ("graph g() -> () where a.b >= 3 { return }", "a limit that no symbol has"),
        ("graph g() -> () where n >= x { return }", "expected an integer"),
    ],
)
def test_what_is_wrong_outside_of_nodes(source: str, problem: str) -> None:
    with pytest.raises(FormatError, match=re.escape(problem)):
        parse_graph(source, OPS)


def test_a_region_sees_nothing_from_outside() -> None:
    region = "graph r() -> (f32[2, 3]) { return %x }"
    line = f"%0 = choose(%x) {{then={region}, other={region}}} : f32[2, 3]"
    with pytest.raises(FormatError, match="%x is not defined above"):
        parse_graph(BODY.format(line), OPS)


def test_deep_regions() -> None:
    line = "%0 = relu(%x) : f32[2, 3]"
    for _ in range(1000):
        line = f"%0 = choose() {{then={BODY.format(line)}, other=1}} : f32[2, 3]"
    with pytest.raises(FormatError, match="too deeply nested"):
        parse_graph(BODY.format(line), OPS)


SNIPPETS = [
    "graph", "where", "return", "none", "true", "%x", "%0", "%", "f32", "f32[2]", "n", "min(", "(",
    ")", "[", "]", "{", "}", ",", ":", "=", "->", ">=", "-", "**", "//", "0", "-1", "1e999", "1.5",
    '"', '"a"', "\\", "#", "# a.py:1", "\n", "\x00", "\u2028", "é", "²", "९", " ", "relu", "dim=",
    "9223372036854775807", "99999999999999999999", "reshape(%x)", "constant", "parameter",
]  # fmt: skip


@given(st.sampled_from(sorted(CASES)), st.data())
@settings(max_examples=400, deadline=None)
def test_mutated_text_is_read_or_refused(case: str, data: st.DataObject) -> None:
    source = text(CASES[case])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(source)))
        end = min(start + data.draw(st.integers(0, 12)), len(source))
        again = data.draw(st.integers(0, len(source)))
        piece = (
            st.sampled_from(SNIPPETS) | st.just(source[again : again + 12]) | st.text(max_size=3)
        )
        source = source[:start] + data.draw(piece) + source[end:]
    try:
        graph = parse_graph(source, OPS)
    except FormatError as error:
        assert re.match(r"line \d+, column \d+: ", str(error))
    else:
        assert str(parse_graph(str(graph), OPS)) == str(graph)
