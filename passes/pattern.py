"""Patterns: op calls on variables, and how they fit the nodes of a graph."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..ir.errors import ArgumentError
from ..ir.graph import Node, Value
from ..ir.op import Attrs, Op
from ..ops import REGISTRY
from ..ops.registry import tensor_parameters
from .exact import exact_key

_COMMUTATIVE = frozenset(
    REGISTRY[name]
    for name in (
        "add", "mul", "maximum", "minimum", "eq", "ne",
        "logical_and", "logical_or", "logical_xor",
        "bitwise_and", "bitwise_or", "bitwise_xor",
    )
)  # fmt: skip


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

    def values(self, what: str, tensor: Any, instead: str) -> Any:
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
            yield from match_node(pattern, node, definitions, inner)


def match_node(
    pattern: Call, node: Node, definitions: Definitions, match: Match
) -> Iterator[Match]:
    """Every way to extend `match` so that `pattern` fits `node`, whose op is the pattern's.

    Raises:
        ArgumentError: where the pattern does not give the attributes that the op has.
    """
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
