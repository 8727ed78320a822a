"""What follows from constraints agrees with trying all values, and graphs carry them faithfully."""

import contextlib
import itertools
import re
import textwrap
from typing import get_args

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vitrify.ir.constraints import Binding, Constraint, Facts, assuming
from vitrify.ir.dims import Condition, Dim, Relation, Size, deciding_with, maximum, symbol
from vitrify.ir.errors import ConstraintError, FormatError, GraphError
from vitrify.ir.location import Location
from vitrify.ir.parser import parse_graph
from vitrify.ir.printer import print_graph
from vitrify.ir.verify import verify
from vitrify.ops import REGISTRY

batch, seq = symbol("batch"), symbol("seq")
small, other = symbol("small", 0, 6), symbol("other", 1, 5)


def facts(*conditions: Condition) -> Facts:
    return Facts(conditions)


@pytest.mark.parametrize(
    ("known", "asked", "answer"),
    [
        ([], Condition(batch, ">=", 1), True),
        ([], Condition(batch, "==", 1), None),
        ([Condition(batch, "!=", 1)], Condition(batch, "==", 1), False),
        ([Condition(batch, "!=", 1)], Condition(batch, ">=", 2), True),
        ([Condition(batch, "!=", 1)], Condition(batch, "<", 2), False),
        ([Condition(batch, "!=", 1)], Condition(batch, "!=", 2), None),
        ([Condition(batch, ">=", 4)], Condition(batch, ">=", 2), True),
        ([Condition(batch, ">=", 4)], Condition(batch, "!=", 1), True),
        ([Condition(batch, ">=", 4)], Condition(batch, ">", 3), True),
        ([Condition(batch, ">=", 4)], Condition(2 * batch, "<=", 7), False),
        ([Condition(batch, ">=", 4)], Condition(batch, ">=", 5), None),
        ([Condition(2 * batch, ">", 7)], Condition(batch, ">=", 4), True),
        ([Condition(batch, "==", 4)], Condition(batch % 2, "==", 0), True),
        ([Condition(batch, "==", seq)], Condition(seq, "==", batch), True),
        ([Condition(batch, "==", seq)], Condition(batch, "<", seq), False),
        ([Condition(batch, "==", seq)], Condition(3 * batch, "==", 3 * seq), True),
        ([Condition(batch, "==", seq)], Condition(batch**2, "==", seq * batch), True),
        ([Condition(seq, "==", 2 * batch)], Condition(seq // 2, "==", batch), True),
        ([Condition(batch, "<=", seq)], Condition(batch, ">", seq), False),
        ([Condition(batch, "<=", seq)], Condition(batch - 1, "<", seq), True),
        ([Condition(batch, "<=", seq)], Condition(batch, "==", seq), None),
        ([Condition(batch, ">=", 3), Condition(seq, ">", 1)], Condition(batch * seq, ">", 5), True),
        (
            [Condition(batch, "!=", 1), Condition(batch, "!=", 2)],
            Condition(maximum(batch, 3), "==", batch),
            True,
        ),
        ([Condition(batch // 2, "==", 3)], Condition(batch // 2, ">", 2), True),
    ],
    ids=str,
)
def test_what_facts_imply(known: list[Condition], asked: Condition, answer: bool | None) -> None:
    assert Facts(known).decide(asked) is answer


def test_one_more_fact() -> None:
    before = facts(Condition(batch, ">=", 2))
    after = before.and_also(Condition(batch, "!=", 2))
    assert before.decide(Condition(batch, ">=", 3)) is None
    assert after.decide(Condition(batch, ">=", 3)) is True


def test_a_divisor_that_the_facts_make_zero() -> None:
    n = symbol("n", 0)
    known = facts(Condition(n, "==", 0), Condition(6 // n, "==", 1))
    assert known.decide(Condition(7 // n, "==", 1)) is None


def test_conditions_that_contradict_each_other_still_give_an_answer() -> None:
    known = facts(Condition(batch, "==", 1), Condition(batch, "==", 2), Condition(batch, ">", 9))
    assert known.decide(Condition(batch, "==", 1)) in (True, False, None)


RANGES = {"small": range(7), "other": range(1, 6)}
ENVIRONMENTS = [
    dict(zip(RANGES, values, strict=True)) for values in itertools.product(*RANGES.values())
]
SIZES: list[Dim] = [
    size
    for size in (
        small,
        other,
        small + other,
        small - other,
        2 * small - 3 * other,
        small * other,
        small // 2,
        maximum(small, other),
        (small + 1) % other,
        2 * small,
    )
    if isinstance(size, Dim)
]
CONDITIONS = st.builds(
    Condition,
    st.sampled_from(SIZES),
    st.sampled_from(get_args(Relation)),
    st.one_of(st.integers(-4, 12), st.sampled_from(SIZES)),
)


@settings(max_examples=400, deadline=None)
@given(known=st.lists(CONDITIONS, max_size=5), asked=CONDITIONS)
@example([Condition(small, "==", other), Condition(other, "!=", 1)], Condition(small, ">", 1))
def test_an_answer_holds_for_every_value(known: list[Condition], asked: Condition) -> None:
    possible = [env for env in ENVIRONMENTS if all(fact.evaluate(env) for fact in known)]
    assume(possible)
    answer = Facts(known).decide(asked)
    if answer is not None:
        assert {asked.evaluate(env) for env in possible} == {answer}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_facts_about_one_symbol_decide_all_that_follows(data: st.DataObject) -> None:
    relations = st.sampled_from(get_args(Relation))
    conditions = st.builds(Condition, st.just(small), relations, st.integers(-1, 8))
    known = data.draw(st.lists(conditions, max_size=5))
    asked = data.draw(conditions)
    possible = [{"small": k} for k in range(7) if all(c.evaluate({"small": k}) for c in known)]
    assume(possible)
    truths = {asked.evaluate(env) for env in possible}
    decided = Facts(known).decide(asked)
    assert decided is (truths.pop() if len(truths) == 1 else None)


# --- assuming -------------------------------------------------------------------------------------


def constraint(lhs: Size, relation: Relation, rhs: Size, line: int = 12) -> Constraint:
    return Constraint(Condition(lhs, relation, rhs), Location("model.py", line, "conv"))


def test_assumed_constraints_answer_comparisons() -> None:
    with assuming([constraint(batch, "!=", 1)]):
        assert batch != 1
        assert batch >= 2
        with pytest.raises(ConstraintError, match="cannot decide whether batch == 2"):
            bool(batch == 2)
    with pytest.raises(ConstraintError):
        bool(batch != 1)


def test_assumptions_nest_and_leave_the_rest_to_who_decided_outside() -> None:
    asked: list[str] = []

    def answer(condition: Condition) -> bool:
        asked.append(str(condition))
        return True

    with (
        deciding_with(answer),
        assuming([constraint(batch, "!=", 1)]),
        assuming([constraint(seq, "==", 4)]),
    ):
        assert batch > 1
        assert seq < 5
        assert batch == 7
    assert asked == ["batch == 7"]


def test_who_watches_sizes_goes_on_watching_under_assumptions() -> None:
    seen: list[object] = []
    with (
        deciding_with(lambda condition: True, observer=lambda *refusal: seen.append(refusal)),
        assuming([constraint(batch, "!=", 1)]),
        pytest.raises(ConstraintError),
    ):
        int(batch)
    assert len(seen) == 1


def test_constraints_compare_by_structure() -> None:
    a, b = constraint(2 * batch, "!=", 2), constraint(batch, "!=", 1)
    assert a == b
    assert hash(a) == hash(b)
    assert str(a) == "batch != 1"
    assert a != constraint(batch, "!=", 1, line=13)
    assert a != constraint(batch, "==", 1)


# --- binding --------------------------------------------------------------------------------------


def test_bindings_say_what_breaks_a_constraint() -> None:
    binding = Binding()
    binding.bind("x.shape[0]", batch, 1)
    binding.bind("y.shape[1]", seq * 2 + 1, 9)
    binding.check([constraint(batch, "<", seq), constraint(symbol("unbound"), ">", 5)])
    with pytest.raises(ConstraintError) as caught:
        binding.check([constraint(batch, "!=", 1)])
    assert caught.value.message == "x.shape[0] = 1 breaks batch != 1"
    assert caught.value.at == Location("model.py", 12, "conv")
    assert "decides the other way" in caught.value.why
    assert caught.value.instead == "capture another program for such sizes"
    with pytest.raises(ConstraintError) as caught:
        binding.check([Constraint(Condition(batch, "==", seq))])
    expected = "x.shape[0] = 1 and y.shape[1] = 2*seq + 1 = 9 break batch == seq"
    assert caught.value.message == expected
    assert caught.value.at is None


def test_a_constraint_without_a_value_is_broken() -> None:
    n = symbol("n", 0)
    binding = Binding()
    binding.bind("x.shape[0]", n, 0)
    with pytest.raises(ConstraintError, match=r"x.shape\[0\] = 0 breaks 6//n == 3"):
        binding.check([constraint(6 // n, "==", 3)])


# --- graphs ---------------------------------------------------------------------------------------

TEXT = textwrap.dedent(
    """
    graph f(%x: f32[batch, 3], %y: f32[n, 3]) -> (f32[n, 3])
      where batch >= 1, n >= 1, n <= 512 {
      require batch != 1         # model.py:12 in conv
      require batch == n
      require 2*batch + n >= 8   # "my model.py":13
      require batch*n % 7 < 5
      require n < min(batch, 4)  # model.py:14
      %0 = add(%x, %y) : f32[n, 3]  # model.py:20
      return %0
    }
    """
).strip()


def test_the_text_of_a_graph_carries_its_constraints() -> None:
    graph = parse_graph(TEXT, REGISTRY)
    first = graph.constraints[0]
    assert first == constraint(batch, "!=", 1)
    assert print_graph(graph) == TEXT
    assert print_graph(parse_graph(print_graph(graph), REGISTRY)) == TEXT
    assert [str(c.location or "") for c in graph.constraints] == [
        "model.py:12 in conv", "", "my model.py:13", "", "model.py:14"
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    conditions=st.lists(CONDITIONS, max_size=4),
    locations=st.lists(
        st.none()
        | st.builds(Location, st.text(min_size=1), st.integers(1, 999), st.text(max_size=5)),
        min_size=4,
        max_size=4,
    ),
)
def test_any_constraints_round_trip(
    conditions: list[Condition], locations: list[Location | None]
) -> None:
    source = """graph f(%x: f32[small, other]) -> (f32[small, other])
      where other >= 1, other <= 5, small >= 0, small <= 6 { return %x }"""
    constraints = tuple(map(Constraint, conditions, locations))
    assume(all(isinstance(c.lhs - c.rhs, Dim) for c in conditions))
    text = print_graph(parse_graph(source, REGISTRY).replace(constraints=constraints))
    again = parse_graph(text, REGISTRY)
    assert again.constraints == constraints
    assert print_graph(again) == text


def test_line_ends_only_separate() -> None:
    once = " ".join(line for line in TEXT.splitlines() if "#" not in line)
    text = once.replace("require", "require batch\n!=\n1 require batch - (n) < 4 require", 1)
    found = [str(c) for c in parse_graph(text.replace("%0", "%y"), REGISTRY).constraints]
    assert found == ["batch != 1", "batch < n + 4", "batch == n", "batch*n % 7 < 5"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("require", "expected a relation, found '2'"),
        ("require batch", "expected a relation, found 'require'"),
        ("require batch 1", "expected a relation, found '1'"),
        ("require batch !=", "the symbol require"),
        ("require batch = 1", "not a size"),
        ("require batch ! 1", "unexpected character '!'"),
        ("require batch < 1 < 2", "expected a name, found '<'"),
        ("require 1.5 == batch", "not a size"),
        ("require batch != q", "no input's type has the symbol q"),
        ("require batch//0 == 1", "division by zero"),
        ("require batch**99 == 1", "too large"),
        ("require (batch == 1", "closes nothing"),
        ("require f(batch) == 1", "not a size"),
        ("require batch == 1 # here", "expected a location"),
        ("require batch == -", "the symbol require"),
        ("require batch == *", "not a size"),
        ("require == 1", "not a size"),
    ],
)
def test_bad_requirements(line: str, problem: str) -> None:
    with pytest.raises(FormatError, match=re.escape(problem)):
        parse_graph(TEXT.replace("require batch == n", line), REGISTRY)


def test_requirements_in_the_wrong_place() -> None:
    late = TEXT.replace("  return", "  require batch != 2\n  return")
    with pytest.raises(FormatError, match="there is no op 'require'"):
        parse_graph(late, REGISTRY)


def test_equalities_that_would_grow_without_limit() -> None:
    names = [f"n{k}" for k in range(60)]
    huge = 10**59
    text = f"graph f(%x: f32[{', '.join(names)}]) -> () {{\n"
    chain = itertools.pairwise(names)
    text += "".join(f"require {a} == {huge}*{b}\n" for a, b in chain)
    text += "require n0**64 == n1**64\nreturn }"
    with contextlib.suppress(FormatError):
        parse_graph(text, REGISTRY)


def test_types_that_rest_on_constraints_verify() -> None:
    graph = parse_graph(TEXT, REGISTRY)
    verify(graph)
    with pytest.raises(GraphError, match="add cannot be applied like this"):
        verify(graph.replace(constraints=graph.constraints[:1]))


def test_constraints_of_unknown_symbols_are_a_fault() -> None:
    graph = parse_graph(TEXT, REGISTRY)
    for unknown in (symbol("q"), symbol("batch", 2)):
        constraints = (*graph.constraints, constraint(unknown * 2, "<", batch))
        with pytest.raises(GraphError, match="no input's type has the symbol"):
            verify(graph.replace(constraints=constraints))


def test_regions_have_no_constraints() -> None:
    graph = parse_graph(TEXT, REGISTRY)
    node = graph.nodes[0]
    region = parse_graph("graph g() -> () { return }", REGISTRY)
    region = region.replace(constraints=graph.constraints)
    holder = type(node)(node.op, node.inputs, {"body": region}, node.outputs)
    with pytest.raises(GraphError, match="body of add is a region with constraints"):
        verify(graph.replace(nodes=(holder,)))
