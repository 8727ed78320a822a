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
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..ir.builder import BodyRecorder, Builder
from ..ir.errors import ArgumentError, ConstraintError, GraphError
from ..ir.graph import Graph, Node, Value
from ..ir.op import Attrs, Op, current, interpreting
from ..ops import REGISTRY
from ..ops.registry import tensor_parameters
from .eliminate_dead_code import eliminate_dead_code
from .exact import exact_key
from .substitute import with_inputs

_SWEEPS = 100
_COMMUTATIVE = frozenset(
    REGISTRY[name]
    for name in (
        "add", "mul", "maximum", "minimum", "eq", "ne",
        "logical_and", "logical_or", "logical_xor",
        "bitwise_and", "bitwise_or", "bitwise_xor",
    )
)  # fmt: skip


# ---------------------------------------------------------------- patterns


@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """Matches anything, the same thing everywhere."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """Matches a node.

    Attributes:
        op: What the node applies.
        inputs: Variables, calls, numbers, and None for a tensor that is missing.
        attrs: Variables, attributes, and tuples of these.
    """

    op: Op
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]


class PatternInterpreter:
    """Interpreter under which op calls are patterns."""

    computes = False

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        signature = op.__signature__
        attrs = dict(signature.bind(*args, **kwargs).arguments)
        tensors, variadic = tensor_parameters(signature)
        inputs: list[Any] = []
        for name in tensors:
            operand = attrs.pop(name, None)
            inputs.extend(operand if variadic and name == tensors[-1] else (operand,))
        for operand in inputs:
            if not isinstance(operand, Variable | Call | bool | int | float | None):
                raise ArgumentError(f"{operand!r} cannot stand for a tensor in a pattern")
        return self.apply(op, inputs, _attributes(attrs, signature))

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Call:
        return Call(op, tuple(tensors), attrs)

    def wrap(self, value: Value) -> Any:
        self._only_calls()

    def unwrap(self, tensor: Any) -> Value:
        self._only_calls()

    def write(self, target: Any, value: Any) -> Any:
        self._only_calls()

    def scope(self, module: Any) -> AbstractContextManager[Any]:
        self._only_calls()

    def refuse(self, what: str, tensor: Any, instead: str) -> None:
        self._only_calls()

    def _only_calls(self) -> NoReturn:
        raise ArgumentError("a pattern is made of op calls alone")


def _attributes(given: dict[str, Any], signature: inspect.Signature) -> dict[str, Any]:
    """Arguments that are no tensors, by attribute: `f(x, *sizes, shape=None)` has one, `shape`."""
    attrs: dict[str, Any] = {}
    names = [*signature.parameters, ""]
    for name, value in given.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            attrs.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            attrs[names[names.index(name) + 1] or name] = value[0] if len(value) == 1 else value
        else:
            attrs[name] = value
    return attrs


@dataclass(frozen=True, slots=True)
class Match:
    """How a pattern fits.

    Attributes:
        bindings: What each variable stands for.
        inner: The nodes that matched, without the one that is replaced.
    """

    bindings: Mapping[str, Any] = field(default_factory=dict)
    inner: tuple[Node, ...] = ()

    def bind(self, name: str, found: Any) -> Iterator[Match]:
        """The match with `name` bound to `found`; none if it is bound to something else."""
        if name not in self.bindings:
            yield Match({**self.bindings, name: found}, self.inner)
        elif exact_key(self.bindings[name]) == exact_key(found):
            yield self


Definitions = Mapping[Value, Node]


def _match_operand(
    pattern: Any, value: Value | None, definitions: Definitions, match: Match
) -> Iterator[Match]:
    """Every way to extend `match` so that `pattern` fits `value`."""
    if isinstance(pattern, Variable):
        yield from match.bind(pattern.name, value)
    elif value is None or pattern is None:
        if value is pattern:
            yield match
    elif (node := definitions.get(value)) is not None:
        if not isinstance(pattern, Call):
            if _is_constant(node, pattern):
                yield match
        elif node.op is pattern.op and not node.op.many:
            inner = Match(match.bindings, (*match.inner, node))
            yield from _match_node(pattern, node, definitions, inner)


def _match_node(
    pattern: Call, node: Node, definitions: Definitions, match: Match
) -> Iterator[Match]:
    if pattern.attrs.keys() != node.attrs.keys():
        raise ArgumentError(
            f"a pattern gives {pattern.op.name} the attributes ({', '.join(pattern.attrs)}), "
            f"its canonical form has ({', '.join(node.attrs)})"
        )
    if len(pattern.inputs) != len(node.inputs):
        return
    orders = [node.inputs]
    if node.op in _COMMUTATIVE and node.inputs[0] is not node.inputs[1]:
        orders.append(node.inputs[::-1])
    for with_attrs in _match_attr(
        tuple(pattern.attrs.values()), tuple(node.attrs[name] for name in pattern.attrs), match
    ):
        for inputs in orders:
            yield from _match_inputs(pattern.inputs, inputs, definitions, with_attrs)


def _match_inputs(
    patterns: tuple[Any, ...],
    inputs: tuple[Value | None, ...],
    definitions: Definitions,
    match: Match,
) -> Iterator[Match]:
    if not patterns:
        yield match
        return
    for first in _match_operand(patterns[0], inputs[0], definitions, match):
        yield from _match_inputs(patterns[1:], inputs[1:], definitions, first)


def _match_attr(pattern: Any, attr: Any, match: Match) -> Iterator[Match]:
    if isinstance(pattern, Variable):
        yield from match.bind(pattern.name, attr)
    elif isinstance(pattern, tuple) and isinstance(attr, tuple):
        if len(pattern) == len(attr):
            if not pattern:
                yield match
            else:
                for first in _match_attr(pattern[0], attr[0], match):
                    yield from _match_attr(pattern[1:], attr[1:], first)
    elif exact_key(pattern) == exact_key(attr):
        yield match


def _is_constant(node: Node, number: bool | int | float) -> bool:
    """Whether a node is a constant with `number` everywhere: 1 is 1.0, but 0 is not -0.0."""
    if node.op is not REGISTRY["constant"]:
        return False
    value = node.attrs["value"]
    items = value if isinstance(value, tuple) else (value,)
    return bool(items) and all(
        isinstance(item, bool | int | float)
        and item == number
        and math.copysign(1, item) == math.copysign(1, number)
        for item in items
    )


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
    for match in _match_node(rule.pattern, node, definitions, Match()):
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
