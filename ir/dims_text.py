"""Reads the text of a size back: the inverse of `str(size)`, safe on text from strangers."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from .dims import NAME, Dim, Size, maximum, minimum

_TOKEN = re.compile(rf"\s*(?:(\d+|{NAME.pattern}|\*\*|//|[-+*%(),])|$)")
_MAX_TEXT, _MAX_DEPTH, _MAX_TERMS, _MAX_POWER, _MAX_DIGITS = 10_000, 50, 256, 64, 60


def parse_size(text: str, symbols: Mapping[str, Dim]) -> Size:
    """Reads what `str(size)` wrote.

    Args:
        text: Integers, names, `+ - * // %`, `**` with a literal exponent, `min`, `max` and
            parentheses, with Python's precedence.
        symbols: The size that each name stands for.

    Raises:
        ValueError: The text is something else, names an unknown symbol or is unreasonably large;
            the message tells the position. Files from strangers may be read with this.
    """
    return _Parser(text, symbols).parse()


class _Parser:
    def __init__(self, text: str, symbols: Mapping[str, Dim]) -> None:
        self.text, self.symbols = text, symbols
        self.end = 0  # where the current token ends
        self.depth = 0
        if len(text) > _MAX_TEXT:
            raise ValueError(f"the text of a size is too long: {len(text)} characters")
        self.advance()

    def parse(self) -> Size:
        size = self.sum()
        if self.token:
            self.fail(f"unexpected {self.token!r}")
        return size

    def fail(self, problem: str) -> NoReturn:
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        raise ValueError(f"{problem} at position {self.start} of the size {shown!r}")

    def advance(self) -> str:
        """Moves to the next token ("" at the end) and returns the one before."""
        before = getattr(self, "token", "")
        match = _TOKEN.match(self.text, self.end)
        rest = self.text[self.end :]
        self.start = len(self.text) - len(rest.lstrip())
        if match is None:
            self.fail("unexpected character")
        self.token, self.end = match[1] or "", match.end()
        return before

    def expect(self, token: str) -> None:
        if self.token != token:
            self.fail(f"expected {token!r}")
        self.advance()

    def checked(self, function: Callable[..., Size], *sizes: Size) -> Size:
        """The function's result, unless it grows beyond what a size ever looks like."""
        try:
            result = function(*sizes)
        except ZeroDivisionError:
            self.fail("division by zero")
        terms = result.terms if isinstance(result, Dim) else (((), result),)
        if len(terms) > _MAX_TERMS or any(
            abs(c) >= 10**_MAX_DIGITS or any(power > _MAX_POWER for _, power in monomial)
            for monomial, c in terms
        ):
            self.fail("the size grows too large")
        return result

    def sum(self) -> Size:
        size = self.term()
        while self.token in ("+", "-"):
            operation = operator.add if self.advance() == "+" else operator.sub
            size = self.checked(operation, size, self.term())
        return size

    def term(self) -> Size:
        operations = {"*": operator.mul, "//": operator.floordiv, "%": operator.mod}
        size = self.unary()
        while self.token in operations:
            operation = operations[self.advance()]
            size = self.checked(operation, size, self.unary())
        return size

    def unary(self) -> Size:
        self.depth += 1  # every recursion of the grammar passes here
        if self.depth > _MAX_DEPTH:
            self.fail("too deeply nested")
        if self.token == "-":
            self.advance()
            size = -self.unary()
        else:
            size = self.power()
        self.depth -= 1
        return size

    def power(self) -> Size:
        base = size = self.primary()
        if self.token == "**":
            self.advance()
            exponent = self.number()
            if exponent > _MAX_POWER:
                self.fail(f"the exponent {exponent} is too large")
            size = 1
            for _ in range(exponent):
                size = self.checked(operator.mul, size, base)
        return size

    def number(self) -> int:
        if not self.token.isdecimal() or len(self.token) > _MAX_DIGITS:
            self.fail("expected a number of at most 60 digits")
        return int(self.advance())

    def primary(self) -> Size:
        if self.token == "(":
            self.advance()
            size = self.sum()
            self.expect(")")
            return size
        if not NAME.fullmatch(self.token):
            return self.number()
        if self.token in ("min", "max") and self.text[self.end :].lstrip().startswith("("):
            function = minimum if self.advance() == "min" else maximum
            self.advance()
            sizes = [self.sum()]
            while self.token == ",":
                self.advance()
                sizes.append(self.sum())
            self.expect(")")
            if len(sizes) > _MAX_POWER:
                self.fail("too many arguments")
            return self.checked(function, *sizes)
        if self.token not in self.symbols:
            self.fail(f"unknown symbol {self.token!r}")
        return self.symbols[self.advance()]
