"""What a captured program takes for granted of its symbolic sizes, and what follows from it.

Capture answers each comparison of sizes that Python makes, and records the answer as a
`Constraint` of the graph. Whoever derives types of that graph again does so under `assuming`, which
gives the same answers; whoever runs it checks them first, with a `Binding`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeAlias

from .dims import (
    Condition,
    Dim,
    Relation,
    Size,
    Symbol,
    bounds,
    decider,
    deciding_with,
    solve,
    substitute,
    symbol,
    symbols,
)
from .errors import ConstraintError
from .location import Location

_Key: TypeAlias = tuple[object, ...]
_MAX_REPLACED = 256  # more equal symbols than any program has: files from strangers may be read


@dataclass(frozen=True, slots=True)
class Constraint:
    """A condition that the sizes of a program's inputs must fulfil.

    Attributes:
        condition: The condition, over symbols of the input types.
        location: The user's line that decided it.
    """

    condition: Condition
    location: Location | None = None

    def __str__(self) -> str:
        return str(self.condition)


def assuming(constraints: Iterable[Constraint]) -> AbstractContextManager[None]:
    """Within the block, open comparisons of sizes have the answers that the constraints imply.

    What they leave open is put to whoever decided before: a `ConstraintError` by default.
    """
    facts, outside = Facts(constraint.condition for constraint in constraints), decider.get()

    def answer(condition: Condition) -> bool:
        implied = facts.decide(condition)
        return outside(condition) if implied is None else implied

    return deciding_with(answer)


class Binding:
    """The values that symbols have in one call, found from the actual sizes of its inputs."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {}
        self._sources: dict[str, tuple[str, str]] = {}  # the place, and what was found there

    @property
    def sizes(self) -> Mapping[str, int]:
        """The value of each symbol bound so far."""
        return self._values

    def bind(self, at: str, size: Dim, actual: int) -> None:
        """Learn from the actual value of a symbolic size.

        Args:
            at: Where it stands, as the user would write it: `x.shape[0]`.
            size: What it is in the program.
            actual: What it is in this call.

        Raises:
            ConstraintError: for a value that the size, its symbols' limits or a size bound before
                rule out.
        """
        found = solve(size, actual)
        if found is None:
            raise ConstraintError(f"{at} is {actual}, which {size} cannot be")
        for known in symbols(size):
            value = found[known.name]
            if known.min is not None and value < known.min:
                raise ConstraintError(f"{at} makes {known.name} = {value}, below {known.min}")
            if known.max is not None and value > known.max:
                raise ConstraintError(f"{at} makes {known.name} = {value}, above {known.max}")
            is_all = str(size) == known.name
            shown = f"{at} = {actual}" if is_all else f"{at} = {size} = {actual}"
            self.bind_name(at, known.name, value, shown)

    def bind_name(self, at: str, name: str, value: int, shown: str) -> None:
        """The same for a symbol of which only the name is known."""
        before = self._values.setdefault(name, value)
        source, _ = self._sources.setdefault(name, (at, shown))
        if before != value:
            raise ConstraintError(f"{at} makes {name} = {value}, but {source} makes it {before}")

    def check(self, constraints: Iterable[Constraint]) -> None:
        """Raise a `ConstraintError` for the first constraint that does not hold.

        Those over symbols that nothing has bound are passed over.
        """
        for constraint in constraints:
            condition, location = constraint.condition, constraint.location
            names = [s.name for s in (*symbols(condition.lhs), *symbols(condition.rhs))]
            if not self._values.keys() >= set(names) or self._holds(condition):
                continue
            shown = dict.fromkeys(self._sources[name][1] for name in names)
            decided = "this line" if location is not None else "the code"
            raise ConstraintError(
                f"{' and '.join(shown)} break{'s' if len(shown) == 1 else ''} {constraint}",
                at=location,
                why=f"the program was captured for sizes for which {decided} decides the other way",
                instead="capture another program for such sizes",
            )

    def _holds(self, condition: Condition) -> bool:
        try:
            return condition.evaluate(self._values)
        except ZeroDivisionError:
            return False


@dataclass(slots=True)
class _Known:
    """The values that facts leave to a polynomial: `low <= p <= high`, some of them excluded."""

    low: int | float = -math.inf
    high: int | float = math.inf
    excluded: set[int] = field(default_factory=set)

    def learn(self, relation: Relation, value: int) -> None:
        if relation == "!=":
            self.excluded.add(value)
        if relation in ("==", ">="):
            self.low = max(self.low, value)
        if relation in ("==", "<="):
            self.high = min(self.high, value)

    def within(self, polynomial: Dim) -> _Known:
        """The same, tightened by what the limits of its symbols say of the polynomial."""
        low, high = bounds(polynomial)
        low = self.low if low is None else max(self.low, low)
        high = self.high if high is None else min(self.high, high)
        while low in self.excluded:
            low += 1
        while high in self.excluded:
            high -= 1
        return _Known(low, high, self.excluded)

    def decide(self, relation: Relation, value: int) -> bool | None:
        if relation == "<=":
            return True if self.high <= value else False if self.low > value else None
        if relation == ">=":
            return True if self.low >= value else False if self.high < value else None
        if value < self.low or value > self.high or value in self.excluded:
            return relation == "!="
        return relation == "==" if self.low == self.high else None


class Facts:
    """Conditions that hold, and what they imply.

    Complete for one polynomial (`batch`, `seq - heads`) at a time; beyond that, a fact about a
    single symbol narrows it everywhere, and one that equates a symbol with a number, or with a
    multiple of another symbol, replaces it everywhere.

    Args:
        conditions: What holds. Nothing sensible follows from conditions that contradict each other.
    """

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        self._conditions = tuple(conditions)
        self._replaced: dict[str, Size] = {}
        limits: list[Condition] = []
        for condition in self._conditions:
            limits += self._equate(condition)
        conditions = (*self._conditions, *limits)
        narrowed = self._narrowed(self._collect(conditions))
        self._replaced = {
            name: substitute(size, narrowed) for name, size in self._replaced.items()
        } | narrowed
        self._known = self._collect(conditions)

    def and_also(self, condition: Condition) -> Facts:
        """These facts and one more."""
        return Facts((*self._conditions, condition))

    def decide(self, condition: Condition) -> bool | None:
        """Whether the condition holds wherever the facts do; None where they do not tell."""
        condition = self._rewritten(condition)
        if (answer := condition.decided()) is not None:
            return answer
        form = _form(condition)
        if form is None:
            return None
        polynomial, relation, value = form
        known = self._known.get(polynomial.terms, _Known())
        return known.within(polynomial).decide(relation, value)

    def _equate(self, condition: Condition) -> list[Condition]:
        """Replaces a symbol that the condition equates; returns what its limits now say."""
        if condition.relation != "==" or len(self._replaced) == _MAX_REPLACED:
            return []
        equation = _equation(self._rewritten(condition))
        if equation is None:
            return []
        old, new = equation
        self._replaced = {
            name: substitute(size, {old.name: new}) for name, size in self._replaced.items()
        } | {old.name: new}
        low = [] if old.min is None else [Condition(new, ">=", old.min)]
        return low if old.max is None else [*low, Condition(new, "<=", old.max)]

    def _rewritten(self, condition: Condition) -> Condition:
        if not self._replaced:
            return condition
        try:
            lhs, rhs = (substitute(s, self._replaced) for s in (condition.lhs, condition.rhs))
        except ZeroDivisionError:  # a divisor that the facts make zero
            return condition
        return Condition(lhs, condition.relation, rhs)

    def _collect(self, conditions: Iterable[Condition]) -> dict[_Key, _Known]:
        # The terms, not the polynomial itself: a lookup must not compare sizes with `==`.
        known: dict[_Key, _Known] = {}
        for condition in conditions:
            if (form := _form(self._rewritten(condition))) is not None:
                polynomial, relation, value = form
                known.setdefault(polynomial.terms, _Known()).learn(relation, value)
        return known

    def _narrowed(self, known: Mapping[_Key, _Known]) -> dict[str, Size]:
        narrowed: dict[str, Size] = {}
        for terms, facts in known.items():
            match terms:
                case ((((Symbol() as old, 1),), 1),):
                    inside = facts.within(symbol(old.name, old.min, old.max))
                    low, high = inside.low, inside.high
                    if low < high:
                        narrowed[old.name] = symbol(old.name, _finite(low), _finite(high))
                    elif isinstance(low, int) and low == high:
                        narrowed[old.name] = low
        return narrowed


def _finite(bound: int | float) -> int | None:
    return None if isinstance(bound, float) else bound


def _form(condition: Condition) -> tuple[Dim, Relation, int] | None:
    """The condition as `p <relation> value` with p primitive, without a constant, its first
    coefficient positive, and one of the relations == != <= >=; None where it is no condition on
    any p.
    """
    difference = condition.lhs - condition.rhs
    if isinstance(difference, int):
        return None
    # `Condition` sees to it that the first coefficient is positive.
    relation, constant = condition.relation, sum(c for m, c in difference.terms if not m)
    scale = math.gcd(*(c for monomial, c in difference.terms if monomial))
    polynomial = (difference - constant) // scale
    assert isinstance(polynomial, Dim)
    match relation:
        case "<":
            return polynomial, "<=", -(constant // scale) - 1
        case "<=":
            return polynomial, "<=", -constant // scale
        case ">":
            return polynomial, ">=", -constant // scale + 1
        case ">=":
            return polynomial, ">=", -(constant // scale)
    return None if constant % scale else (polynomial, relation, -constant // scale)


def _equation(condition: Condition) -> tuple[Symbol, Size] | None:
    """A symbol, and the number or `a*symbol + b` that the equality says it is.

    Larger replacements could make sizes grow without limit.
    """
    form = _form(condition)
    if form is None:
        return None
    polynomial, _, value = form
    atoms = [monomial[0] for monomial, _ in polynomial.terms if len(monomial) == 1]
    if len(atoms) != len(polynomial.terms) or len(atoms) > 2:
        return None
    if not all(isinstance(atom, Symbol) and power == 1 for atom, power in atoms):
        return None
    for (atom, _), (_, c) in zip(atoms, polynomial.terms, strict=True):
        if isinstance(atom, Symbol) and abs(c) == 1:
            alone = symbol(atom.name, atom.min, atom.max)
            return atom, alone - c * (polynomial - value)
    return None
