"""Rules written in the ops' own language, and the driver that applies them.

    @rule(lambda x, p, q: permute(permute(x, p), q))
    def compose_permutes(x, p, q):
        return permute(x, tuple(p[i] for i in q))

    rewrite(graph, compose_permutes)

Before:

    graph f(%x: f32[2, 3, 4]) -> (f32[4, 2, 3]) {
      %0 = permute(%x) {dims=(1, 2, 0)} : f32[3, 4, 2]
      %1 = permute(%0) {dims=(1, 2, 0)} : f32[4, 2, 3]
      return %1
    }

After:

    graph f(%x: f32[2, 3, 4]) -> (f32[4, 2, 3]) {
      %0 = permute(%x) {dims=(2, 0, 1)} : f32[4, 2, 3]
      return %0
    }

In a pattern the names of the canonical attributes count, all of them have to be given, and nothing
is filled in. A variable where a tensor stands matches any value (where the tensor is optional, also
its absence), one where an attribute stands any attribute; twice the same variable means the same
value or attribute. A number where a tensor stands matches a constant with this number (and its
sign, where it is 0) everywhere.

A replacement gets tensors and attributes by the names of the variables. It gives a tensor of the
very type of what it replaces, or `decline("why")`, or None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ..ir.builder import BodyRecorder, Builder
from ..ir.errors import ArgumentError, ConstraintError, GraphError
from ..ir.graph import Graph, Node, Value
from ..ir.op import Op, current, interpreting
from .eliminate_dead_code import eliminate_dead_code
from .pattern import Call, Definitions, Match, PatternInterpreter, Variable, match_node
from .substitute import with_inputs

_SWEEPS = 100


# ---------------------------------------------------------------- rules


@dataclass(frozen=True, slots=True)
class Declined:
    """What a replacement gives where it does not want to replace."""

    why: str = ""


def decline(why: str) -> Declined:
    """Leave the matched node as it is; `why` is for those who watch by `observing`."""
    return Declined(why)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A pattern and what to put in its place; made by `rule`.

    Attributes:
        name: The replacement function's name.
        pattern: What is replaced.
        replace: Gives the replacement.
        single_use: Whether nothing else may use the inner nodes that match.
    """

    name: str
    pattern: Call
    replace: Callable[..., Any]
    single_use: bool


def rule(
    pattern: Callable[..., Any], *, single_use: bool = False
) -> Callable[[Callable[..., Any]], Rule]:
    """Declare a rule; decorates the function that gives the replacement.

    Args:
        pattern: A function of the variables that applies ops to them.
        single_use: Whether the rule is for inner nodes that nothing else uses, which so vanish.

    Raises:
        ArgumentError: where the pattern is not made of op calls, or the names of its variables
            are not those of the replacement's parameters.
    """
    names = list(inspect.signature(pattern).parameters)
    with interpreting(PatternInterpreter()):
        call = pattern(*map(Variable, names))
    if not isinstance(call, Call):
        raise ArgumentError(f"a pattern is a call of an op, not {call!r}")

    def declare(replace: Callable[..., Any]) -> Rule:
        parameters = list(inspect.signature(replace).parameters)
        if sorted(parameters) != sorted(names):
            raise ArgumentError(
                f"the pattern has the variables ({', '.join(names)}), "
                f"{replace.__name__} the parameters ({', '.join(parameters)})"
            )
        return Rule(replace.__name__, call, replace, single_use)

    return declare


# ---------------------------------------------------------------- seeing what rules do

# Gets the rule, the node that it matched and why it declined: None where it replaced the node.
Observer = Callable[[Rule, Node, str | None], None]

_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Let `observer` see each match inside the block, whatever pass it happens in."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


# ---------------------------------------------------------------- the driver


class _Replacing(BodyRecorder):
    """Records a replacement, at the location of what it replaces."""

    def __init__(self, node: Node, definitions: Definitions) -> None:
        super().__init__(Builder(), node.location)
        self.definitions = definitions


def defined_by(tensor: Any) -> Node | None:
    """In a replacement: the node that gives a tensor or value; None for a graph input."""
    recorder = current()
    if not isinstance(recorder, _Replacing):
        raise ArgumentError("defined_by is for the replacement of a rule")
    value = tensor if isinstance(tensor, Value) else recorder.unwrap(tensor)
    return recorder.definitions.get(value)


def rewrite(graph: Graph, *rules: Rule) -> Graph:
    """Apply the rules, earlier ones first, until none fits any more; then drop dead code.

    Raises:
        GraphError: where that does not come to an end; names the rules that go on and on.
    """
    by_op: dict[Op, list[Rule]] = {}
    for each in rules:
        by_op.setdefault(each.pattern.op, []).append(each)
    endless: set[str] = set()
    for k in range(_SWEEPS):
        fired: set[str] = set()
        swept = _sweep(graph, by_op, fired)
        if not fired:
            return graph
        graph = eliminate_dead_code(swept)
        endless |= fired if k > _SWEEPS // 2 else set()
    raise GraphError(
        f"the rules {', '.join(sorted(endless))} still replace nodes after {_SWEEPS} rounds",
        why="each undoes what another does, or gives what it matches",
    )


def _sweep(graph: Graph, rules: Mapping[Op, list[Rule]], fired: set[str]) -> Graph:
    """Offer each node once to the rules; nodes come after what they use, so chains fold up."""
    definitions: dict[Value, Node] = {}
    replaced: dict[Value, Value] = {}
    uses = graph.uses()
    nodes: list[Node] = []
    for original in graph.nodes:
        node = with_inputs(original, replaced)
        new = [node]
        for each in rules.get(node.op, ()):
            replacement = _try(each, node, definitions, uses)
            if replacement is not None:
                new, values = replacement
                fired.add(each.name)
                for old, value in zip(node.outputs, values, strict=True):
                    replaced[old] = value
                    uses[value] = uses.get(value, 0) + uses.get(old, 0)
                for value in (v for n in new for v in n.inputs if v is not None):
                    uses[value] = uses.get(value, 0) + 1
                break
        nodes.extend(new)
        definitions.update((value, n) for n in new for value in n.outputs)
    outputs = tuple(replaced.get(v, v) for v in graph.outputs)
    return graph.replace(nodes=tuple(nodes), outputs=outputs)


def _try(
    rule: Rule, node: Node, definitions: Definitions, uses: Mapping[Value, int]
) -> tuple[list[Node], list[Value]] | None:
    """The nodes and values that replace `node`; None where the rule does not fit or declines."""
    observer = _observer.get()
    for match in match_node(rule.pattern, node, definitions, Match()):
        shared = [n.op.name for n in match.inner if rule.single_use and uses.get(n.output, 0) > 1]
        if shared:
            outcome = Declined(f"{shared[0]} has other uses")
        else:
            outcome = _replacement(rule, node, match, definitions)
        if observer is not None:
            observer(rule, node, outcome.why if isinstance(outcome, Declined) else None)
        if not isinstance(outcome, Declined):
            return outcome
    return None


def _replacement(
    rule: Rule, node: Node, match: Match, definitions: Definitions
) -> tuple[list[Node], list[Value]] | Declined:
    recorder = _Replacing(node, definitions)
    arguments = {
        name: recorder.wrap(found) if isinstance(found, Value) else found
        for name, found in match.bindings.items()
    }
    try:
        with interpreting(recorder):
            result = rule.replace(**arguments)
    except ConstraintError as error:  # it needs to know more of a symbolic size than is known
        return Declined(error.message)
    if result is None:
        return Declined()
    if isinstance(result, Declined):
        return result
    values = [recorder.unwrap(t) for t in (result if node.op.many else (result,))]
    types = [v.type for v in values], [v.type for v in node.outputs]
    if types[0] != types[1]:
        shown = [", ".join(map(str, group)) for group in types]
        return Declined(f"it gives {shown[0]}, what it matches {shown[1]}")
    return recorder.builder.nodes, values
