"""Symbolic tensor sizes: integer polynomials that Python code can compute with.

A size is an `int` or a `Dim`. A `Dim` is a polynomial with integer coefficients over *atoms*: named
symbols, and the calls that are no polynomials (`//`, `%`, `min`, `max`). It is kept in one normal
form, so two sizes that are equal by algebra are the same object in all but identity:

    >>> batch, seq = symbol("batch"), symbol("seq", min=2)
    >>> (4 * batch * seq + 8) // 4
    batch*seq + 2
    >>> minimum(seq, seq // 2)
    seq//2

Arithmetic never guesses: a rewrite happens only where the bounds of the symbols prove it. A
*comparison* has to answer, though, because Python's `if` wants a bool. What the bounds leave open
is put as a `Condition` to the current `decider`: the tracer answers and records, everybody else
gets a `ConstraintError`. Code that only wants to know whether two sizes are the same asks `same`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal, NoReturn, TypeAlias

from .errors import ArgumentError, ConstraintError
from .location import called_by_user

NAME = re.compile(r"[^\W\d]\w*")
_INFINITY = math.inf


# --- atoms ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class _Keyed:
    """Equality, hash and order by a text that describes the whole structure.

    The sizes inside a call must never be compared with `==`: that could ask the decider.
    """

    key: str = field(init=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, eq=False, slots=True)
class Symbol(_Keyed):
    """A named unknown and what is known of it: `min <= value <= max`, None for no limit.

    The limits belong to the identity: two symbols of one name and different limits are different.
    """

    name: str
    min: int | None = 1
    max: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ArgumentError(f"a symbol needs a name like a Python variable, not {self.name!r}")
        for limit in (self.min, self.max):
            if limit is not None and type(limit) is not int:
                raise ArgumentError(f"a limit of {self.name} must be an int or None, not {limit!r}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ArgumentError(f"the symbol {self.name} has min={self.min} above max={self.max}")
        object.__setattr__(self, "key", f"{self.name}[{self.min}:{self.max}]")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, slots=True)
class Call(_Keyed):
    """`floordiv` or `mod` of two sizes, or `min` or `max` of two or more."""

    kind: Literal["floordiv", "mod", "min", "max"]
    args: tuple[Size, ...]

    def __post_init__(self) -> None:
        # "~" sorts behind every name: symbols come before calls.
        object.__setattr__(self, "key", f"~{self.kind}({','.join(map(_key, self.args))})")

    def __str__(self) -> str:
        if self.kind in ("min", "max"):
            return f"{self.kind}({', '.join(map(str, self.args))})"
        left, right = self.args
        left_text, right_text = str(left), str(right)
        if isinstance(left, Dim):
            is_sum = len(left.terms) > 1
            left_text = f"({left_text})" if is_sum or _is_division(_only_atom(left)) else left_text
        if isinstance(right, Dim):
            atom = _only_atom(right)
            bare = atom is not None and not _is_division(atom)
            right_text = right_text if bare else f"({right_text})"
        return left_text + ("//" if self.kind == "floordiv" else " % ") + right_text


Atom: TypeAlias = Symbol | Call
Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
_Bound: TypeAlias = int | float  # a float only where it is infinite


# --- the polynomial -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Dim:
    """A size that is not a constant; made by `symbol` and by arithmetic, never directly.

    Attributes:
        terms: `(monomial, coefficient)` pairs, highest degree first and the constant, whose
            monomial is `()`, last; a monomial is a tuple of `(atom, power)`. Code generators
            walk this.
    """

    terms: tuple[tuple[Monomial, int], ...]
    _key: str = field(init=False)
    _text: str | None = field(init=False, default=None)
    _range: tuple[_Bound, _Bound] | None = field(init=False, default=None)

    # NumPy scalars would otherwise wrap a Dim into an object array instead of leaving it to us.
    __array_ufunc__ = None

    def __post_init__(self) -> None:
        terms = (f"{c}*" + "*".join(f"{a.key}^{p}" for a, p in m) for m, c in self.terms)
        object.__setattr__(self, "_key", "+".join(terms))

    def __add__(self, other: Size) -> Size:
        return _apply(_add, self, other)

    __radd__ = __add__

    def __sub__(self, other: Size) -> Size:
        return _apply(_subtract, self, other)

    def __rsub__(self, other: int) -> Size:
        return _apply(_subtract, other, self)

    def __mul__(self, other: Size) -> Size:
        return _apply(_multiply, self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        return _apply(lambda a, b: _divide(a, b)[0], self, other)

    def __rfloordiv__(self, other: int) -> Size:
        return _apply(lambda a, b: _divide(a, b)[0], other, self)

    def __mod__(self, other: Size) -> Size:
        return _apply(lambda a, b: _divide(a, b)[1], self, other)

    def __rmod__(self, other: int) -> Size:
        return _apply(lambda a, b: _divide(a, b)[1], other, self)

    def __neg__(self) -> Dim:
        return Dim(tuple((monomial, -c) for monomial, c in self.terms))

    def __pow__(self, exponent: int) -> Size:
        if not isinstance(exponent, int):
            return _apply(_multiply, self, exponent)  # which refuses what is no size
        if exponent < 0:
            return self.__truediv__(exponent)
        result: Size = 1
        square: Size = self
        while exponent:
            if exponent & 1:
                result = result * square
            exponent >>= 1
            square = square * square if exponent else square
        return result

    def _refuse_use(self, message: str, instead: str) -> NoReturn:
        """Refuse to give the size's value; the observer sees it first."""
        error = ConstraintError(message, instead=instead)
        if (observer := _observer.get()) is not None:
            observer(self, error, False)
        raise error

    def __truediv__(self, other: object) -> NoReturn:
        self._refuse_use(
            f"the size `{self}` is symbolic, so there is no plain float of it",
            instead="n // 2 for a size, or x / n with a tensor x",
        )

    __rtruediv__ = __truediv__

    def __index__(self) -> int:
        self._refuse_use(
            f"the size `{self}` is symbolic and has no single value here "
            "(range(), int(), float() and len() need one)",
            instead="vt.tensor(n) is a tensor of it, to compute with; or keep this size static",
        )

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, float):  # `n == 2.0` must not fall back to identity and say False
            return other.is_integer() and _compare(self, "==", int(other))
        return _compare(self, "==", other)

    def __ne__(self, other: object) -> bool:
        if isinstance(other, float):
            return not self == other
        return _compare(self, "!=", other)

    def __lt__(self, other: Size) -> bool:
        return _compare(self, "<", other)

    def __le__(self, other: Size) -> bool:
        return _compare(self, "<=", other)

    def __gt__(self, other: Size) -> bool:
        return _compare(self, ">", other)

    def __ge__(self, other: Size) -> bool:
        return _compare(self, ">=", other)

    def __bool__(self) -> bool:
        return _compare(self, "!=", 0)

    def __hash__(self) -> int:
        if _observer.get() is not None and called_by_user():
            # A lookup that finds nothing compares nothing: it would go unnoticed.
            self._refuse_use(
                f"the size `{self}` is symbolic and cannot be a dictionary key or in a set",
                instead="look it up by something static, or keep this size static",
            )
        return hash(self._key)

    def __str__(self) -> str:
        if self._text is None:
            object.__setattr__(self, "_text", _text(self))
        text = self._text or ""
        if (observer := _observer.get()) is not None and called_by_user():
            error = ConstraintError(
                f"the size `{text}` is symbolic, and so is its text",
                why="eager code has a number here",
                instead="keep text out of the captured function, or keep this size static",
            )
            observer(self, error, True)
        return text

    __repr__ = __str__


Size: TypeAlias = int | Dim


def symbol(name: str, min: int | None = 1, max: int | None = None) -> Dim:
    """Returns the size called `name`, known to lie in `min..max` (None: no limit)."""
    return _of_atom(Symbol(name, min, max))


def minimum(*sizes: Size) -> Size:
    """Returns the smallest of the sizes, without those that the bounds rule out."""
    return _extremum("min", sizes)


def maximum(*sizes: Size) -> Size:
    """Returns the largest of the sizes, without those that the bounds rule out."""
    return _extremum("max", sizes)


def product(sizes: Iterable[Size]) -> Size:
    """Returns the product of the sizes, 1 for none: the number of elements of a shape."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def same(a: Size, b: Size) -> bool:
    """Whether two sizes have the same normal form; asks no decider and never raises.

    False does not mean that they differ at run time, only that nothing proves them equal.
    """
    return a is b or _key(a) == _key(b)


def same_shape(a: Sequence[Size], b: Sequence[Size]) -> bool:
    """Whether two shapes have the same rank and pairwise the `same` sizes."""
    return len(a) == len(b) and all(map(same, a, b))


def bounds(size: Size) -> tuple[int | None, int | None]:
    """Returns limits that every value of the size respects, None where there is none."""
    low, high = _range(size)
    return None if isinstance(low, float) else low, None if isinstance(high, float) else high


def symbols(size: Size) -> tuple[Symbol, ...]:
    """Returns the symbols that the size mentions, also inside calls, sorted by name."""
    found: set[Symbol] = set()
    for atom in _atoms(size):
        found.update((atom,) if isinstance(atom, Symbol) else ())
        for arg in atom.args if isinstance(atom, Call) else ():
            found.update(symbols(arg))
    return tuple(sorted(found, key=lambda found_symbol: found_symbol.key))


def substitute(size: Size, mapping: Mapping[str, Size]) -> Size:
    """Returns the size with the named symbols replaced; other symbols stay."""
    total: Size = 0
    for monomial, coefficient in _terms(size):
        factor: Size = coefficient
        for atom, power in monomial:
            if isinstance(atom, Symbol):
                value = mapping.get(atom.name, _of_atom(atom))
            else:
                value = _call(atom.kind, [substitute(arg, mapping) for arg in atom.args])
            factor = factor * value**power
        total = total + factor
    return total


def evaluate(size: Size, env: Mapping[str, int]) -> int:
    """Returns the value of the size.

    Args:
        size: The size.
        env: A value for every symbol in it; they are not checked against the symbols' limits.

    Raises:
        KeyError: A symbol has no value.
        ZeroDivisionError: A divisor comes out as zero.
    """
    for unknown in symbols(size):
        env[unknown.name]
    value = substitute(size, env)
    assert isinstance(value, int)
    return value


def solve(size: Size, value: int) -> dict[str, int] | None:
    """Finds the symbol's value that makes `size` equal to `value`: binds symbols to actual shapes.

    Returns:
        `{name: x}` where the size is `a*symbol + b` and `x` is an integer, `{}` where the size is
        the very int `value`, and None otherwise: no solution, or a form that is not solved here.
        The solution is not checked against the symbol's limits.
    """
    if isinstance(size, int):
        return {} if size == value else None
    (monomial, factor), *constant = size.terms
    if len(monomial) != 1 or any(rest for rest, _ in constant):
        return None
    (atom, power), offset = monomial[0], sum(c for _, c in constant)
    if not isinstance(atom, Symbol) or power != 1 or (value - offset) % factor:
        return None
    return {atom.name: (value - offset) // factor}


# --- comparisons ----------------------------------------------------------------------------------

Relation: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
_MIRRORED: dict[Relation, Relation] = {
    "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="
}  # fmt: skip
RELATIONS: Mapping[str, Relation] = {relation: relation for relation in _MIRRORED}
_PYTHON: dict[Relation, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt,
    "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Condition:
    """A relation of two sizes, such as `batch == 1`.

    It is normalised on creation, so `2 == 2*batch` becomes `batch == 1`: common factors cancel, the
    leading term stands on the left, and each side keeps what it can without a minus sign.
    """

    lhs: Size
    relation: Relation
    rhs: Size

    def __post_init__(self) -> None:
        difference, relation = self.lhs - self.rhs, self.relation
        if isinstance(difference, int):
            return
        if difference.terms[0][1] < 0:
            difference, relation = -difference, _MIRRORED[relation]
        scale = math.gcd(*(c for _, c in difference.terms))
        terms = {monomial: c // scale for monomial, c in difference.terms}
        alone = not any(monomial and c < 0 for monomial, c in terms.items())
        right = {m: -c for m, c in terms.items() if c < 0 or (alone and not m)}
        left = {m: c for m, c in terms.items() if m not in right}
        object.__setattr__(self, "lhs", _build(left))
        object.__setattr__(self, "relation", relation)
        object.__setattr__(self, "rhs", _build(right))

    def __eq__(self, other: object) -> bool:
        # Field by field, and without `==`: comparing conditions must not raise new ones.
        return (
            isinstance(other, Condition)
            and self.relation == other.relation
            and same(self.lhs, other.lhs)
            and same(self.rhs, other.rhs)
        )

    def __hash__(self) -> int:
        return hash((self.lhs, self.relation, self.rhs))

    def __str__(self) -> str:
        return f"{self.lhs} {self.relation} {self.rhs}"

    def evaluate(self, env: Mapping[str, int]) -> bool:
        """Whether the condition holds for these values of its symbols."""
        return _PYTHON[self.relation](evaluate(self.lhs, env), evaluate(self.rhs, env))

    def decided(self) -> bool | None:
        """True or False where the symbols' limits prove it for all values, else None."""
        return _decide(self.lhs - self.rhs, self.relation)


def _refuse(condition: Condition) -> bool:
    raise ConstraintError(
        f"cannot decide whether {condition}: it depends on the size the program is called with"
    )


decider: ContextVar[Callable[[Condition], bool]] = ContextVar("decider", default=_refuse)
"""Answers the comparisons that the bounds leave open; by default it raises `ConstraintError`."""


_Observer: TypeAlias = Callable[["Dim", ConstraintError, bool], object]
_observer: ContextVar[_Observer | None] = ContextVar("observer", default=None)


@contextmanager
def deciding_with(
    answer: Callable[[Condition], bool],
    observer: _Observer | None = None,
) -> Iterator[None]:
    """Lets `answer` decide open comparisons inside the `with` block.

    Args:
        answer: Returns what the comparison is to give, or raises.
        observer: Sees every refusal to give a size's value, before the caller may swallow it: the
            size, the error, and whether the code goes on, as it does after asking for text.
            While there is one, code outside of the library cannot hash symbolic sizes either.
            Without it, whoever watches outside of the block goes on watching.
    """
    token, observing = decider.set(answer), _observer.set(observer or _observer.get())
    try:
        yield
    finally:
        decider.reset(token)
        _observer.reset(observing)


def _compare(size: Dim, relation: Relation, other: object) -> bool:
    right = _as_size(other)
    if right is None:
        return NotImplemented
    difference = _subtract(size, right)
    answer = _decide(difference, relation)
    return decider.get()(Condition(size, relation, right)) if answer is None else answer


def _decide(difference: Size, relation: Relation) -> bool | None:
    """Whether `difference <relation> 0`; None where the bounds do not tell."""
    low, high = _range(difference)
    if relation in ("==", "!="):
        content = math.gcd(*(c for monomial, c in _terms(difference) if monomial))
        if low > 0 or high < 0 or (content and _constant(difference) % content):
            return relation == "!="
        return relation == "==" if low == high else None
    if relation in (">", ">="):
        low, high, relation = -high, -low, _MIRRORED[relation]
    if relation == "<":
        return True if high < 0 else False if low >= 0 else None
    return True if high <= 0 else False if low > 0 else None


# --- polynomial arithmetic ------------------------------------------------------------------------


def _as_size(value: object) -> Size | None:
    if type(value) is int or isinstance(value, Dim):
        return value
    return int(value) if isinstance(value, Integral) else None  # bool and NumPy's integers


def _apply(function: Callable[[Size, Size], Size], left: object, right: object) -> Size:
    a, b = _as_size(left), _as_size(right)
    if a is not None and b is not None:
        return function(a, b)
    for operand, other in ((left, right), (right, left)):
        if isinstance(operand, Dim) and isinstance(other, Real):
            operand.__float__()  # says that there is none
    return NotImplemented


def _key(size: Size) -> str:
    return size._key if isinstance(size, Dim) else str(size)


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(size, Dim):
        return size.terms
    return (((), size),) if size else ()


def _atoms(size: Size) -> Iterator[Atom]:
    return (atom for monomial, _ in _terms(size) for atom, _ in monomial)


def _constant(size: Size) -> int:
    return sum(c for monomial, c in _terms(size)[-1:] if not monomial)


def _of_atom(atom: Atom) -> Dim:
    return Dim(((((atom, 1),), 1),))


def _only_atom(size: Size) -> Atom | None:
    """The atom that is the whole size, if it is one."""
    match _terms(size):
        case ((((atom, 1),), 1),):
            return atom
    return None


def _order(term: tuple[Monomial, int]) -> tuple[int, list[tuple[str, int]]]:
    # Degree first, then by name: an order that products respect, as polynomial division needs.
    monomial = term[0]
    return -sum(power for _, power in monomial), [(atom.key, -power) for atom, power in monomial]


def _build(terms: Mapping[Monomial, int]) -> Size:
    kept = sorted(((monomial, c) for monomial, c in terms.items() if c), key=_order)
    if not kept or not kept[0][0]:
        return kept[0][1] if kept else 0
    return Dim(tuple(kept))


def _add(a: Size, b: Size, sign: int = 1) -> Size:
    total = dict(_terms(a))
    for monomial, c in _terms(b):
        total[monomial] = total.get(monomial, 0) + sign * c
    return _build(total)


def _subtract(a: Size, b: Size) -> Size:
    return _add(a, b, -1)


def _multiply(a: Size, b: Size) -> Size:
    total: dict[Monomial, int] = {}
    for left, c in _terms(a):
        for right, d in _terms(b):
            powers = dict(left)
            for atom, power in right:
                powers[atom] = powers.get(atom, 0) + power
            monomial = tuple(sorted(powers.items(), key=lambda factor: factor[0].key))
            total[monomial] = total.get(monomial, 0) + c * d
    return _build(total)


def _over(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    """The quotient of two monomials, None where it is none."""
    powers = dict(monomial)
    for atom, power in divisor:
        if powers.get(atom, 0) < power:
            return None
        powers[atom] -= power
    return tuple((atom, power) for atom, power in powers.items() if power)


# --- floordiv and mod -----------------------------------------------------------------------------


def _divide(a: Size, b: Size) -> tuple[Size, Size]:
    """Returns `(a // b, a % b)` with Python's meaning of both.

    Each rewrite divides a smaller pair in turn. An atom is made only of a pair that no rewrite
    changes, which is why text read back gives the very same atoms.
    """
    if isinstance(b, int) and (b == 0 or isinstance(a, int)):
        return divmod(a, b) if isinstance(a, int) else divmod(1, b)  # the latter raises
    low, high = _range(b)
    if high < 0:
        quotient, rest = _divide(-a, -b)
        return quotient, -rest
    if low <= 0:  # perhaps zero: whoever evaluates it must see the ZeroDivisionError
        return _of_atom(Call("floordiv", (a, b))), _of_atom(Call("mod", (a, b)))

    whole, rest = _split(a, b)
    if (steps := _constant_quotient(rest, b)) is not None:
        return whole + steps, rest - steps * b
    if not same(rest, a) and (steps := _constant_quotient(a, b)) is not None:
        return steps, a - steps * b
    if len(_terms(b)) > 1:  # n*m//(n + 1) -> m + -m//(n + 1) would only obscure
        whole, rest = 0, a
    factor, offset = _common_factor(rest, b)
    smaller, divisor = _split(rest - offset, factor)[0], _split(b, factor)[0]
    if not (same(smaller, a) and same(divisor, b)):
        quotient, rest = _divide(smaller, divisor)
        return whole + quotient, factor * rest + offset
    return _nested_floordiv(a, b), _nested_mod(a, b)


def _split(a: Size, b: Size) -> tuple[Size, Size]:
    """Returns `(q, r)` with `a == q*b + r`, taking into `q` the terms that divide exactly."""
    if isinstance(b, int):
        whole = _build({m: c // b for m, c in _terms(a) if c % b == 0 or not m})
        return whole, a - whole * b
    (lead, lead_coefficient), whole, rest = b.terms[0], 0, 0
    while terms := _terms(a):
        monomial, c = terms[0]
        over = _over(monomial, lead) if c % lead_coefficient == 0 else None
        if over is None:
            term = _build({monomial: c})
            rest, a = rest + term, a - term
        else:
            term = _build({over: c // lead_coefficient})
            whole, a = whole + term, a - term * b
    return whole, rest


def _constant_quotient(a: Size, b: Size) -> int | None:
    """The value of `a // b` for `b > 0`, where the bounds leave just one."""
    low, high = _range(a)
    if isinstance(b, int):
        if isinstance(low, float) or isinstance(high, float) or low // b != high // b:
            return None
        return low // b
    for steps in (0, -1):
        if _range(a - steps * b)[0] >= 0 and _range((steps + 1) * b - a)[0] > 0:
            return steps
    return None


def _common_factor(a: Size, b: Size) -> tuple[Size, int]:
    """Returns `(f, o)`: `f` divides `b` and `a - o`, and `o >= 0` is too small to change `a//b`."""
    terms = [term for term in _terms(a) if term[0]]
    number = math.gcd(*(c for _, c in (*terms, *_terms(b))))
    powers = dict(_terms(b)[0][0])
    for monomial, _ in (*_terms(a), *_terms(b)):
        here = dict(monomial)
        powers = {atom: min(power, here[atom]) for atom, power in powers.items() if atom in here}
    return _build({tuple(powers.items()): number}), _constant(a) % number


def _nested_floordiv(a: Size, b: Size) -> Size:
    constant = _constant(a)
    inner = _only_atom(a - constant)
    if isinstance(b, int) and isinstance(inner, Call) and inner.kind == "floordiv":
        dividend, divisor = inner.args
        if isinstance(divisor, int):  # (x//3 + 1)//2 == (x + 3)//6
            return (dividend + divisor * constant) // (divisor * b)
    return _of_atom(Call("floordiv", (a, b)))


def _nested_mod(a: Size, b: Size) -> Size:
    for monomial, c in _terms(a) if isinstance(b, int) else ():
        atom = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
        if isinstance(atom, Call) and atom.kind == "mod":
            dividend, divisor = atom.args
            if isinstance(divisor, int) and c * divisor % b == 0:  # (x % 8 + y) % 4 == (x + y) % 4
                return (a + c * (dividend - _of_atom(atom))) % b
    return _of_atom(Call("mod", (a, b)))


def _extremum(kind: Literal["min", "max"], sizes: Sequence[Size]) -> Size:
    if not sizes:
        raise ValueError(f"{kind} of no sizes")
    sign, flat, kept = (1 if kind == "min" else -1), list[Size](), list[Size]()
    for size in sizes:
        atom = _only_atom(size)
        flat.extend(atom.args if isinstance(atom, Call) and atom.kind == kind else (size,))
    for size in sorted(flat, key=lambda size: (isinstance(size, int), _key(size))):
        if not any(_range(sign * (size - other))[0] >= 0 for other in kept):
            kept = [other for other in kept if _range(sign * (other - size))[0] < 0] + [size]
    return kept[0] if len(kept) == 1 else _of_atom(Call(kind, tuple(kept)))


def _call(kind: str, args: Sequence[Size]) -> Size:
    if kind in ("min", "max"):
        return _extremum("min" if kind == "min" else "max", args)
    return _divide(args[0], args[1])[kind == "mod"]


# --- bounds ---------------------------------------------------------------------------------------


def _range(size: Size) -> tuple[_Bound, _Bound]:
    if isinstance(size, int):
        return size, size
    if size._range is None:
        object.__setattr__(size, "_range", (_lower(size, 4), -_lower(-size, 4)))
    assert size._range is not None
    return size._range


def _lower(size: Size, effort: int) -> _Bound:
    """The greatest lower limit found: by intervals, or after replacing a call by what limits it.

    Intervals treat the two n of `n - n//2` as unrelated and find no limit; `n//2 <= n/2` does.
    """
    low: _Bound = 0
    for monomial, c in _terms(size):
        ends: tuple[_Bound, _Bound] = (c, c)
        for atom, power in monomial:
            ends = _corners(_times, ends, _power_range(_atom_range(atom), power))
        low = _plus(low, ends[0])
    if effort:
        for monomial, c in _terms(size):
            atom = monomial[0][0] if len(monomial) == 1 and monomial[0][1] == 1 else None
            if isinstance(atom, Call):
                relaxed = _lower_without(atom, c, size - c * _of_atom(atom), effort - 1)
                if relaxed is not None:
                    return max(low, relaxed)
    return low


def _lower_without(atom: Call, c: int, rest: Size, effort: int) -> _Bound | None:
    """A lower limit of `c*atom + rest` that does not look at the atom any more."""
    if atom.kind in ("min", "max"):
        if len(atom.args) > 4:
            return None  # the work grows with the power `effort` of this number
        pick = min if (c > 0) == (atom.kind == "min") else max
        return pick(_lower(rest + c * arg, effort) for arg in atom.args)
    dividend, divisor = atom.args
    if atom.kind == "floordiv" and isinstance(divisor, int):
        # divisor*(x//divisor) lies between x - divisor + 1 and x.
        near = dividend if c < 0 else dividend - (divisor - 1)
        low = _lower(rest * divisor + c * near, effort)
        return low if isinstance(low, float) else -(-low // divisor)
    if c < 0 and _range(dividend)[0] >= 0 and _range(divisor)[0] > 0:
        return _lower(rest + c * dividend, effort)  # x//y <= x and x % y <= x
    return None


def _atom_range(atom: Atom) -> tuple[_Bound, _Bound]:
    if isinstance(atom, Symbol):
        return (
            -_INFINITY if atom.min is None else atom.min,
            _INFINITY if atom.max is None else atom.max,
        )
    ranges = [_range(arg) for arg in atom.args]
    if atom.kind in ("min", "max"):
        pick = min if atom.kind == "min" else max
        return pick(low for low, _ in ranges), pick(high for _, high in ranges)
    (low, high), (least, most) = ranges
    if atom.kind == "mod":
        ends = min(_plus(least, 1), 0), max(_plus(most, -1), 0)
        return ends if least <= 0 or low < 0 else (0, min(ends[1], high))
    # A zero divisor gives no value at all, so the divisors next to zero are the extreme ones.
    divisors = [y for y in (least, -1, 1, most) if y and least <= y <= most]
    quotients = [_quotient(x, y) for x in (low, high) for y in divisors]
    return min(quotients, default=-_INFINITY), max(quotients, default=_INFINITY)


def _power_range(ends: tuple[_Bound, _Bound], power: int) -> tuple[_Bound, _Bound]:
    low, high = ((_INFINITY if x > 0 or power % 2 == 0 else x) if isinstance(x, float) else x**power
                 for x in ends)  # fmt: skip
    if power % 2 == 0 and ends[0] < 0 < ends[1]:
        return 0, max(low, high)
    return min(low, high), max(low, high)


def _corners(
    function: Callable[[_Bound, _Bound], _Bound],
    a: tuple[_Bound, _Bound],
    b: tuple[_Bound, _Bound],
) -> tuple[_Bound, _Bound]:
    values = [function(x, y) for x in a for y in b]
    return min(values), max(values)


# Plain float arithmetic would overflow on big ints and make nan of 0 * inf.
def _plus(x: _Bound, y: _Bound) -> _Bound:
    return x if isinstance(x, float) else y if isinstance(y, float) else x + y


def _times(x: _Bound, y: _Bound) -> _Bound:
    if x == 0 or y == 0:
        return 0
    if isinstance(x, int) and isinstance(y, int):
        return x * y
    return _INFINITY if (x > 0) == (y > 0) else -_INFINITY


def _quotient(x: _Bound, y: _Bound) -> _Bound:
    if isinstance(y, float):
        return 0 if x == 0 or (x > 0) == (y > 0) else -1
    return _times(x, y) if isinstance(x, float) else x // y


# --- text -----------------------------------------------------------------------------------------


def _is_division(atom: Atom | None) -> bool:
    return isinstance(atom, Call) and atom.kind in ("floordiv", "mod")


def _text(dim: Dim) -> str:
    # A positive term leads where there is one: `b - a`, not `-a + b`.
    leader = next((term for term in dim.terms if term[1] > 0), dim.terms[0])
    text = ""
    for monomial, c in (leader, *(term for term in dim.terms if term is not leader)):
        factors = [] if monomial and abs(c) == 1 else [str(abs(c))]
        # `1 - n//2` needs no parentheses but `-(n//2)` does: unary minus binds tighter than //.
        alone = len(monomial) == 1 and abs(c) == 1 and (c > 0 or text != "")
        for atom, power in monomial:
            factor = str(atom)
            if _is_division(atom) and not (alone and power == 1):
                factor = f"({factor})"
            factors.append(factor if power == 1 else f"{factor}**{power}")
        sign = (" - " if c < 0 else " + ") if text else ("-" if c < 0 else "")
        text += sign + "*".join(factors)
    return text
