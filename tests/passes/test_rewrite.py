"""Patterns, replacements, and the driver."""

import pytest

from vitrify.errors import ArgumentError, GraphError
from vitrify.ir.graph import Graph
from vitrify.ir.location import Location
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ops import (
    REGISTRY,
    add,
    amax,
    cat,
    clamp,
    exp,
    log,
    mul,
    neg,
    permute,
    reshape,
    sin,
    softmax,
    split_with_sizes,
    squeeze,
    sub,
    tanh,
)
from vitrify.passes import decline, defined_by, observing, rewrite, rule


def parse(text: str) -> Graph:
    return parse_graph(text, REGISTRY)


def ops(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


def unary(*names: str) -> Graph:
    """The ops in a row."""
    lines, last = [], "%x"
    for k, name in enumerate(names):
        lines.append(f"%{k} = {name}({last}) : f32[2]")
        last = f"%{k}"
    body = "\n".join(lines)
    return parse(f"graph f(%x: f32[2]) -> (f32[2]) {{\n{body}\nreturn {last}\n}}")


@rule(lambda x: exp(log(x)))
def cancel(x):
    return x


@rule(lambda x: sin(x))
def sin_to_tanh(x):
    return tanh(x)


@rule(lambda x: tanh(x))
def tanh_to_neg(x):
    return neg(x)


def test_idle_gives_the_same_graph():
    graph = unary("exp", "neg", "log")
    assert rewrite(graph, cancel) is graph
    assert rewrite(graph) is graph


def test_rules_apply_to_what_rules_made():
    assert ops(rewrite(unary("sin"), sin_to_tanh, tanh_to_neg)) == ["neg"]
    assert ops(rewrite(unary("log", "exp", "log", "exp", "log"), cancel)) == ["log"]


def test_a_long_chain_folds_up():
    graph = unary(*["log", "exp"] * 3000)
    assert ops(rewrite(graph, cancel)) == []


def test_new_nodes_get_the_location_of_what_they_replace():
    graph = parse(
        "graph f(%x: f32[2]) -> (f32[2]) {\n"
        "%0 = neg(%x) : f32[2] # a.py:1\n%1 = sin(%0) : f32[2] # b.py:2 in net\nreturn %1\n}"
    )
    node = rewrite(graph, sin_to_tanh).nodes[-1]
    assert node.op is tanh
    assert node.location == Location("b.py", 2, "net")


def test_an_inner_node_with_other_uses_stays():
    graph = parse(
        "graph f(%x: f32[2]) -> (f32[2], f32[2]) {\n"
        "%0 = log(%x) : f32[2]\n%1 = exp(%0) : f32[2]\n%2 = neg(%1) : f32[2]\n"
        "return %2, %0\n}"
    )
    assert ops(rewrite(graph, cancel)) == ["log", "neg"]


def test_single_use_declines_shared_inner_nodes():
    @rule(lambda x: exp(log(x)), single_use=True)
    def careful(x):
        return x

    shared = parse(
        "graph f(%x: f32[2]) -> (f32[2], f32[2]) {\n"
        "%0 = log(%x) : f32[2]\n%1 = exp(%0) : f32[2]\nreturn %1, %0\n}"
    )
    seen = []
    with observing(lambda rule, node, why: seen.append((rule.name, node.op.name, why))):
        assert rewrite(shared, careful) is shared
    assert seen == [("careful", "exp", "log has other uses")]
    assert ops(rewrite(unary("log", "exp", "neg"), careful)) == ["neg"]


def test_uses_that_a_rule_adds_count():
    @rule(lambda x: sin(x))
    def twice(x):
        return x + x

    @rule(lambda x: neg(log(x)), single_use=True)
    def careful(x):
        return x

    graph = parse(
        "graph f(%x: f32[2]) -> (f32[2], f32[2]) {\n%0 = log(%x) : f32[2]\n"
        "%1 = sin(%0) : f32[2]\n%2 = neg(%0) : f32[2]\nreturn %1, %2\n}"
    )
    assert ops(rewrite(graph, twice, careful)) == ["log", "add", "neg"]


def test_a_repeated_variable_is_one_value():
    @rule(lambda x: sub(x, x))
    def double(x):
        return neg(x)

    graph = parse(
        "graph f(%x: f32[2], %y: f32[2]) -> (f32[2], f32[2]) {\n"
        "%0 = sub(%x, %y) : f32[2]\n%1 = sub(%x, %x) : f32[2]\nreturn %0, %1\n}"
    )
    assert ops(rewrite(graph, double)) == ["sub", "neg"]


def test_a_repeated_variable_is_one_attribute():
    @rule(lambda x, p: permute(permute(x, p), p))
    def same_twice(x, p):
        return neg(x)

    def graph(first: str, second: str) -> Graph:
        return parse(
            f"graph f(%x: f32[2, 2]) -> (f32[2, 2]) {{\n%0 = permute(%x) {{dims={first}}} :"
            f" f32[2, 2]\n%1 = permute(%0) {{dims={second}}} : f32[2, 2]\nreturn %1\n}}"
        )

    assert ops(rewrite(graph("(1, 0)", "(1, 0)"), same_twice)) == ["neg"]
    assert ops(rewrite(graph("(1, 0)", "(0, 1)"), same_twice)) == ["permute", "permute"]


def test_attributes_in_tuples():
    @rule(lambda x, d: squeeze(x, (d, 2)))
    def note(x, d):
        return reshape(x, (3 + d,))

    graph = parse(
        "graph f(%x: f32[1, 3, 1]) -> (f32[3]) {\n"
        "%0 = squeeze(%x) {dim=(0, 2)} : f32[3]\nreturn %0\n}"
    )
    assert ops(rewrite(graph, note)) == ["reshape"]


@pytest.mark.parametrize("order", ["%0, %y", "%y, %0"])
def test_commutative_ops_match_either_way(order):
    @rule(lambda x, y: add(neg(x), y))
    def subtract(x, y):
        return y - x

    graph = parse(
        "graph f(%x: f32[2], %y: f32[2]) -> (f32[2]) {\n"
        f"%0 = neg(%x) : f32[2]\n%1 = add({order}) : f32[2]\nreturn %1\n}}"
    )
    result = rewrite(graph, subtract)
    assert ops(result) == ["sub"]
    assert [v.name for v in result.nodes[0].inputs if v is not None] == ["y", "x"]


def test_matching_tries_every_combination():
    @rule(lambda x, y: mul(add(x, y), sub(x, y)))
    def difference_of_squares(x, y):
        return x * x - y * y

    graph = parse(
        "graph f(%x: f32[2], %y: f32[2]) -> (f32[2]) {\n%0 = add(%y, %x) : f32[2]\n"
        "%1 = sub(%x, %y) : f32[2]\n%2 = mul(%1, %0) : f32[2]\nreturn %2\n}"
    )
    assert ops(rewrite(graph, difference_of_squares)) == ["mul", "mul", "sub"]


def test_optional_tensors():
    @rule(lambda x, low: clamp(x, low))
    def only_low(x, low):
        return tanh(x) if low is None else neg(x)

    def graph(bounds: str) -> Graph:
        return parse(
            "graph f(%x: f32[2]) -> (f32[2]) {\n%one = constant 1.0 : f32[]\n"
            f"%0 = clamp(%x, {bounds}) : f32[2]\nreturn %0\n}}"
        )

    assert ops(rewrite(graph("%one, none"), only_low)) == ["neg"]
    assert ops(rewrite(graph("%one, %one"), only_low)) == ["constant", "clamp"]
    assert ops(rewrite(graph("none, %one"), only_low)) == ["constant", "clamp"]


def test_sequences_of_tensors():
    @rule(lambda x, y, d: cat([x, neg(y)], d))
    def swap(x, y, d):
        return cat([y, x], d)

    graph = parse(
        "graph f(%x: f32[2], %y: f32[2]) -> (f32[4], f32[6]) {\n%0 = neg(%y) : f32[2]\n"
        "%1 = cat(%x, %0) {dim=0} : f32[4]\n%2 = cat(%x, %0, %0) {dim=0} : f32[6]\n"
        "return %1, %2\n}"
    )
    result = rewrite(graph, swap)
    assert [len(node.inputs) for node in result.nodes] == [1, 2, 3]


def test_a_node_with_many_results():
    @rule(lambda x: split_with_sizes(x, (2, 2), 0))
    def halves(x):
        return x[:2], x[2:]

    graph = parse(
        "graph f(%x: f32[4]) -> (f32[2]) {\n"
        "%0, %1 = split_with_sizes(%x) {sizes=(2, 2), dim=0} : f32[2], f32[2]\nreturn %1\n}"
    )
    assert ops(rewrite(graph, halves)) == ["slice"]


@pytest.mark.parametrize(
    ("number", "literal", "fits"),
    [
        (1, "1.0 : f32[]", True),
        (1.0, "1 : i64[]", True),
        (0, "0.0 : f32[]", True),
        (0, "-0.0 : f32[]", False),
        (-0.0, "-0.0 : f32[]", True),
        (-0.0, "0.0 : f32[]", False),
        (1, "(1.0, 1.0) : f32[2]", True),
        (1, "(1.0, 2.0) : f32[2]", False),
        (1, "() : f32[0]", False),
        (1, "n : i64[]", False),
        (float("nan"), "nan : f32[]", False),
    ],
)
def test_numbers(number, literal, fits):
    @rule(lambda: neg(number))
    def found():
        return None

    dtype_and_shape = literal.partition(" : ")[2]
    graph = parse(
        f"graph f(%s: f32[n]) -> ({dtype_and_shape})\n  where n >= 1 {{\n"
        f"%0 = constant {literal}\n%1 = neg(%0) : {dtype_and_shape}\nreturn %1\n}}"
    )
    matched = []
    with observing(lambda rule, node, why: matched.append(rule)):
        rewrite(graph, found)
    assert bool(matched) is fits


def test_why_rules_decline():
    @rule(lambda x: exp(x))
    def says_why(x):
        return decline("it is Tuesday")

    @rule(lambda x: exp(x))
    def says_nothing(x):
        return None

    @rule(lambda x: exp(x))
    def changes_the_type(x):
        return x.sum()

    seen = []
    graph = unary("exp")
    with observing(lambda rule, node, why: seen.append((rule.name, node.op.name, why))):
        assert rewrite(graph, says_why, says_nothing, changes_the_type) is graph
        rewrite(unary("sin"), sin_to_tanh)
    assert seen == [
        ("says_why", "exp", "it is Tuesday"),
        ("says_nothing", "exp", ""),
        ("changes_the_type", "exp", "it gives f32[], what it matches f32[2]"),
        ("sin_to_tanh", "sin", None),
    ]


def test_an_undecidable_size_declines():
    @rule(lambda x: neg(x))
    def asks(x):
        return x if x.shape[0] == 3 else tanh(x)

    graph = parse(
        "graph f(%x: f32[n]) -> (f32[n])\n  where n >= 1 {\n%0 = neg(%x) : f32[n]\nreturn %0\n}"
    )
    seen = []
    with observing(lambda rule, node, why: seen.append(why)):
        assert rewrite(graph, asks) is graph
    assert "n == 3" in seen[0]


def test_defined_by():
    @rule(lambda x: neg(x))
    def of_exp(x):
        node = defined_by(x)
        return tanh(x) if node is not None and node.op is exp else decline("of something else")

    assert ops(rewrite(unary("exp", "neg", "neg"), of_exp)) == ["exp", "tanh", "neg"]
    with pytest.raises(ArgumentError, match="replacement of a rule"):
        defined_by(None)


def test_rules_without_an_end_are_named():
    @rule(lambda x: tanh(x))
    def tanh_to_sin(x):
        return sin(x)

    graph = unary("sin")
    with pytest.raises(GraphError, match="the rules sin_to_tanh, tanh_to_sin still"):
        rewrite(graph, sin_to_tanh, tanh_to_sin)


def test_errors_in_patterns():
    with pytest.raises(ArgumentError, match=r"variables \(x\).*parameters \(y\)"):
        rule(lambda x: exp(x))(lambda y: y)
    with pytest.raises(ArgumentError, match="a pattern is a call of an op"):
        rule(lambda x: x)
    with pytest.raises(ArgumentError, match="cannot stand for a tensor"):
        rule(lambda x: exp("x"))

    with pytest.raises(TypeError, match="dim"):
        rule(lambda x: softmax(x))

    @rule(lambda x: amax(x))
    def incomplete(x):
        return x

    graph = parse(
        "graph f(%x: f32[2]) -> (f32[]) {\n"
        "%0 = amax(%x) {dim=(0,), keepdim=false} : f32[]\nreturn %0\n}"
    )
    with pytest.raises(ArgumentError, match=r"canonical form has \(dim, keepdim\)"):
        rewrite(graph, incomplete)


def test_the_input_graph_is_left_alone():
    graph = unary("log", "exp", "sin")
    text = print_graph(graph)
    rewrite(graph, cancel, sin_to_tanh)
    assert print_graph(graph) == text
