"""Tokens of the text form, and the errors that show a place in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from .errors import FormatError

T = TypeVar("T")

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<location> \#[^\n]*)
  | (?P<value>    %[\w.]+)
  | (?P<string>   "(?:[^"\\\n]|\\[^\n])*")
  | (?P<float>    [0-9]+(?:\.[0-9]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
  | (?P<integer>  [0-9]+)
  | (?P<name>     [^\W\d]\w*(?:\.\w+)*)
  | (?P<mark>     ->|[=!<>]=|//|\*\*|[-+*%(),:=<>\[\]{}])
  | (?P<end>      \Z)
  )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]{1,6})\}|(.?))")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MAX_DEPTH, _SHOWN = 64, 96


class Token(NamedTuple):
    """A piece of the text and where it stands."""

    kind: str
    text: str
    start: int
    end: int


class Scanner:
    """Moves over the tokens of a text.

    Args:
        text: The text.

    Raises:
        FormatError: for characters that are no token, and brackets that do not match.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.closing: dict[int, int] = {}  # opening bracket -> the one that closes it
        self.listing: set[int] = set()  # opening brackets with a comma directly inside
        self.at = 0
        self._scan()

    def _scan(self) -> None:
        open_: list[int] = []
        end = 0
        while not self.tokens or self.tokens[-1].kind != "end":
            match = _TOKEN.match(self.text, end)
            if match is None or match.lastgroup is None:
                start = len(self.text) - len(self.text[end:].lstrip())
                bad = self.text[start]
                problem = "unclosed string" if bad == '"' else f"unexpected character {bad!r}"
                raise self.error(problem, Token("bad", bad, start, start + 1))
            kind, end = match.lastgroup, match.end()
            token = Token(kind, match[kind], match.start(kind), end)
            here = len(self.tokens)
            self.tokens.append(token)
            if kind == "mark" and token.text in _CLOSING:
                open_.append(here)
                if len(open_) > _MAX_DEPTH:
                    raise self.error("too deeply nested", token)
            elif kind == "mark" and token.text in _CLOSING.values():
                if not open_ or _CLOSING[self.tokens[open_[-1]].text] != token.text:
                    raise self.error(f"{token.text!r} closes nothing", token)
                self.closing[open_.pop()] = here
            elif token.text == "," and open_:
                self.listing.add(open_[-1])
        if open_:
            opening = self.tokens[open_[-1]]
            raise self.error(f"{opening.text!r} is never closed", opening)

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def error(self, problem: str, token: Token | None = None) -> FormatError:
        """The error at a token, by default the current one."""
        start = (token or self.token).start
        line_start = self.text.rfind("\n", 0, start) + 1
        line = self.text[line_start:].split("\n", 1)[0]
        number, column = self.text.count("\n", 0, start) + 1, start - line_start
        shift = max(column - _SHOWN // 2, 0) if len(line) > _SHOWN else 0
        shown = "".join(c if c.isprintable() else " " for c in line[shift : shift + _SHOWN])
        return FormatError(
            f"line {number}, column {column + 1}: {problem}\n"
            f"    {shown}\n    {' ' * (column - shift)}^"
        )

    @contextmanager
    def blaming(self, token: Token, problem: str) -> Iterator[None]:
        """Whatever goes wrong inside is an error at `token`."""
        try:
            yield
        except FormatError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise self.error(f"{problem}: {reason[:300]}", token) from error

    def advance(self) -> Token:
        token = self.token
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def accept(self, text: str) -> bool:
        """Move over a mark or word if it stands here."""
        found = self.token.text == text and self.token.kind in ("mark", "name")
        if found:
            self.advance()
        return found

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.error(f"expected {text!r}, found {self.found()}")

    def take(self, kind: str) -> Token:
        """Move over a token of the given kind and return it."""
        if self.token.kind != kind:
            article = "an" if kind == "integer" else "a"
            raise self.error(f"expected {article} {kind}, found {self.found()}")
        return self.advance()

    def found(self) -> str:
        return repr(self.token.text[:40]) if self.token.text else "the end"

    def list_of(self, item: Callable[[], T], close: str = "") -> list[T]:
        """Items with commas between them, up to `close`, or at least one where there is none."""
        items: list[T] = []
        if close and self.accept(close):
            return items
        items.append(item())
        while self.accept(","):
            items.append(item())
        if close:
            self.expect(close)
        return items

    def skip_group(self) -> None:
        if self.token.text != "(":
            self.expect("(")
        self.at = self.closing[self.at] + 1

    def string(self) -> str:
        token = self.take("string")
        return self.unquoted(token.text, token)

    def unquoted(self, text: str, token: Token) -> str:
        """The text that a string, or a bare word, stands for."""

        def character(match: re.Match[str]) -> str:
            if match[1] and int(match[1], 16) <= 0x10FFFF:
                return chr(int(match[1], 16))
            if match[2] not in ("\\", '"', "n"):
                raise self.error(f"there is no escape {match[0]!r}", token)
            return "\n" if match[2] == "n" else match[2]

        return _ESCAPE.sub(character, text[1:-1]) if text.startswith('"') else text
