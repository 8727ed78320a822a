"""Reads the text form of a graph; the grammar stands at the top of `printer`.

The text may come from a stranger's file: whatever is wrong with it, the answer is a `FormatError`
that shows the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .builder import Builder
from .constraints import Constraint, assuming
from .dims import RELATIONS, Condition, Dim, Size, symbol, symbols
from .dims_text import parse_size
from .graph import Graph, Value
from .location import Location
from .op import Op
from .printer import LEAVES, WORDS
from .scanner import Scanner, Token
from .types import BY_SHORT, TensorType
from .verify import is_sound_type

_STRING = r'"(?:[^"\\]|\\.)*"'
_LOCATION = re.compile(
    rf'#\s*({_STRING}|[^\s":]+):(-?[0-9]{{1,9}})(?:\s+in\s+({_STRING}|[^\s"]+))?\s*'
)
_AFTER_LITERAL = (",", ")", "]", "}", ":", "")
_MAX_NDIM = 64


def parse_graph(text: str, ops: Mapping[str, Op]) -> Graph:
    """The graph that `print_graph` wrote as `text`.

    Every node's type is derived again by its op and compared with the one in the text.

    Args:
        text: The text.
        ops: The ops that it may use, by name.

    Raises:
        FormatError: The text is anything else; the message shows line, column and the place.
    """
    parser = _Parser(text, ops)
    try:
        return parser.text_form()
    except RecursionError as error:
        raise parser.error("too deeply nested") from error


class _Parser(Scanner):
    def __init__(self, text: str, ops: Mapping[str, Op]) -> None:
        super().__init__(text)
        self.ops = ops
        self.symbols: dict[str, Dim] = {}

    # --- graphs -----------------------------------------------------------------------------------

    def text_form(self) -> Graph:
        graph = self.graph(alone=True)
        if self.token.kind != "end":
            raise self.error("nothing may follow the graph")
        return graph

    def graph(self, *, alone: bool) -> Graph:
        self.expect("graph")
        name = self.string() if self.token.kind == "string" else self.take("name").text
        # The limits of the symbols have to be known before the first type is read.
        signature = self.at
        self.skip_group()
        self.expect("->")
        self.skip_group()
        if alone and self.accept("where"):
            self.limits()
        body, self.at = self.at, signature

        scope: dict[str, Value] = {}
        self.expect("(")
        inputs = self.list_of(lambda: self.input(scope), ")")
        self.expect("->")
        self.expect("(")
        types = self.list_of(self.type, ")")
        self.at = body
        opening = self.token
        self.expect("{")
        builder = Builder()
        constraints = self.requirements(inputs) if alone else ()
        with self.blaming(opening, "not what can be required"):
            assumptions = assuming(constraints)
        with assumptions:
            while not (self.token.kind == "name" and self.token.text == "return"):
                self.node(builder, scope)
        keyword = self.advance()
        outputs = []
        if self.token.text != "}":
            outputs = self.list_of(lambda: self.use(scope))
        self.expect("}")
        if [value.type for value in outputs] != types:
            raise self.error(
                f"the graph promises ({_shown(types)}) "
                f"but returns ({_shown(value.type for value in outputs)})",
                keyword,
            )
        return builder.graph(inputs, outputs, name, constraints)

    def requirements(self, inputs: Iterable[Value]) -> tuple[Constraint, ...]:
        known = {s for value in inputs for size in value.type.shape for s in symbols(size)}
        constraints: list[Constraint] = []
        while self.token.text == "require" and self.token.kind == "name":
            keyword = self.advance()
            lhs, relation = self.side(), RELATIONS.get(self.token.text)
            if relation is None:
                raise self.error(f"expected a relation, found {self.found()}")
            self.advance()
            rhs = self.side()
            with self.blaming(keyword, "not a requirement"):
                condition = Condition(lhs, relation, rhs)
            if unknown := {*symbols(lhs), *symbols(rhs)} - known:
                raise self.error(
                    f"no input's type has the symbol {min(map(str, unknown))}", keyword
                )
            location = self.location() if self.token.kind == "location" else None
            constraints.append(Constraint(condition, location))
        return tuple(constraints)

    def side(self) -> Size:
        """A side of a relation: a size up to where no size goes on."""
        start = self.at
        while self.token.kind in ("name", "integer", "mark") and self.token.text not in RELATIONS:
            before = self.tokens[self.at - 1]
            is_operand = self.token.kind != "mark"
            if self.at > start and is_operand and (before.kind != "mark" or before.text == ")"):
                break
            self.at = self.closing.get(self.at, self.at)
            self.advance()
        return self.size_between(self.tokens[start], self.tokens[self.at - 1].end)

    def limits(self) -> None:
        limits: dict[str, dict[str, int]] = {}
        for name, comparison, limit in self.list_of(self.limit):
            known = limits.setdefault(name.text, {})
            if comparison.text in known:
                raise self.error(f"a second limit {comparison.text} of {name.text}", name)
            known[comparison.text] = limit
            with self.blaming(name, "a limit that no symbol has"):
                low, high = known.get(">="), known.get("<=")
                self.symbols[name.text] = symbol(name.text, low, high)

    def limit(self) -> tuple[Token, Token, int]:
        name, comparison = self.take("name"), self.take("mark")
        if comparison.text not in (">=", "<="):
            raise self.error("expected '>=' or '<='", comparison)
        return name, comparison, self.integer()

    def input(self, scope: dict[str, Value]) -> Value:
        token = self.take("value")
        self.expect(":")
        return self.define(token, Value(self.type(), _hint(token)), scope)

    def define(self, token: Token, value: Value, scope: dict[str, Value]) -> Value:
        if token.text in scope:
            raise self.error(f"{token.text} is defined twice", token)
        scope[token.text] = value
        return value

    def use(self, scope: dict[str, Value]) -> Value:
        token = self.take("value")
        if token.text not in scope:
            raise self.error(f"{token.text} is not defined above", token)
        return scope[token.text]

    def use_or_none(self, scope: dict[str, Value]) -> Value | None:
        return None if self.accept("none") else self.use(scope)

    # --- nodes ------------------------------------------------------------------------------------

    def node(self, builder: Builder, scope: dict[str, Value]) -> None:
        results: list[Token] = []
        if self.token.kind == "value":
            results = self.list_of(lambda: self.take("value"))
            self.expect("=")
        called = self.take("name")
        op = self.ops.get(called.text)
        if op is None:
            raise self.error(f"there is no op {called.text!r}", called)
        inputs: list[Value | None] = []
        attrs: dict[str, Any] = {}
        if called.text in LEAVES:
            is_name = called.text == "parameter"
            attrs[LEAVES[called.text]] = self.string() if is_name else self.literal()
            colon = self.at
            self.expect(":")
            attrs["type"] = self.type()
            self.at = colon
        else:
            self.expect("(")
            inputs = self.list_of(lambda: self.use_or_none(scope), ")")
            if self.accept("{"):
                self.list_of(lambda: self.attr(attrs), "}")
        types = self.list_of(self.type) if self.accept(":") else []
        location = self.location() if self.token.kind == "location" else None

        with self.blaming(called, f"{op.name} cannot be applied like this"):
            outputs = builder.add(op, inputs, attrs, location, list(map(_hint, results)))
            inferred = [value.type for value in outputs]
            as_written = len(results) == len(inferred) and inferred == types
            if not (as_written and all(map(is_sound_type, inferred))):
                raise self.error(
                    f"{op.name} gives ({_shown(inferred)}), "
                    f"but the text has {len(results)} values of ({_shown(types)})",
                    called,
                )
        for token, value in zip(results, outputs, strict=True):
            self.define(token, value, scope)

    def attr(self, attrs: dict[str, Any]) -> None:
        name = self.take("name")
        if name.text in attrs:
            raise self.error(f"a second {name.text!r}", name)
        self.expect("=")
        # A size may be called "graph" too, but no size goes on like a graph.
        ahead = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        is_graph = self.token.text == "graph" and ahead.kind in ("name", "string")
        attrs[name.text] = self.graph(alone=False) if is_graph else self.literal()

    def location(self) -> Location:
        token = self.take("location")
        match = _LOCATION.fullmatch(token.text)
        if match is None:
            raise self.error("expected a location, `# file:line in module`", token)
        file, line, module = match[1], int(match[2]), match[3] or ""
        return Location(self.unquoted(file, token), line, self.unquoted(module, token))

    # --- types and literals -----------------------------------------------------------------------

    def type(self) -> TensorType:
        token = self.take("name")
        if token.text not in BY_SHORT:
            raise self.error(f"there is no dtype {token.text!r}", token)
        self.expect("[")
        type = TensorType(BY_SHORT[token.text], tuple(self.list_of(self.size, "]")))
        if type.ndim > _MAX_NDIM or not is_sound_type(type):
            raise self.error("no tensor has such a shape", token)
        return type

    def size(self) -> Size:
        first = self.token
        end = first.start
        while self.token.text not in _AFTER_LITERAL:
            self.at = self.closing.get(self.at, self.at)
            end = self.advance().end
        return self.size_between(first, end)

    def size_between(self, first: Token, end: int) -> Size:
        text = self.text[first.start : end]
        for name in re.findall(r"[^\W\d]\w*", text):
            if name not in self.symbols:
                self.symbols[name] = symbol(name, None, None)
        with self.blaming(first, "not a size"):
            return parse_size(text, self.symbols)

    def literal(self) -> Any:
        token = self.token
        ahead = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
        if token.kind == "string":
            return self.string()
        if token.text == "(" and (ahead.text == ")" or self.at in self.listing):
            return self.tuple()
        if token.text in BY_SHORT and ahead.text == "[":
            return self.type()
        is_last = ahead.text in _AFTER_LITERAL
        if token.text in WORDS and is_last:
            return WORDS[self.advance().text]
        negative = token.text == "-" and ahead.kind in ("float", "integer", "name")
        kind = ahead.kind if negative else token.kind
        if negative:
            is_last = self.tokens[min(self.at + 2, len(self.tokens) - 1)].text in _AFTER_LITERAL
        if kind == "integer" and is_last:
            return self.integer()
        if kind == "float":
            self.accept("-")
            number = float(self.advance().text)
            return -number if negative else number
        if negative and ahead.text == "inf" and is_last:
            self.at += 2
            return -float("inf")
        return self.size()

    def tuple(self) -> tuple[Any, ...]:
        self.expect("(")
        if self.accept(")"):
            return ()
        items = [self.literal()]
        self.expect(",")
        if self.accept(")"):
            return tuple(items)
        items += self.list_of(self.literal, ")")
        return tuple(items)

    def integer(self) -> int:
        first = self.token
        negative = self.accept("-")
        token = self.take("integer")
        with self.blaming(first, "not a number"):  # Python refuses those of thousands of digits
            return -int(token.text) if negative else int(token.text)


def _hint(token: Token) -> str:
    name = token.text[1:]
    return "" if re.fullmatch("[0-9]+", name) else name


def _shown(types: Any) -> str:
    return ", ".join(map(str, types))
