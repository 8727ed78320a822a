"""Symbolic sizes as ONNX nodes: int64 arithmetic over the shapes of the graph's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from ...ir.dims import Atom, Dim, Size, Symbol, bounds, same
from ...ir.errors import ExportError
from ...ir.graph import Value
from ...ir.types import int64
from .writer import Ref, Writer


class Sizes:
    """Computes sizes at run time; every one of them once.

    Args:
        writer: Where the nodes go.
        inputs: The graph's inputs.
    """

    def __init__(self, writer: Writer, inputs: Sequence[tuple[Value, Ref]]) -> None:
        self._writer = writer
        self._known: dict[str, Ref] = {}
        self._places: dict[str, tuple[Ref, int]] = {}  # where an input's shape has the very size
        self._solvable: dict[Symbol, tuple[Dim, int, int]] = {}  # size == a * symbol + b
        for value, ref in inputs:
            for axis, size in enumerate(value.type.shape):
                if isinstance(size, Dim):
                    self._places.setdefault(str(size), (ref, axis))
                    self._learn(size)

    def _learn(self, size: Dim) -> None:
        (monomial, factor), *rest = size.terms
        if len(monomial) != 1 or any(m for m, _ in rest):
            return
        atom, power = monomial[0]
        if isinstance(atom, Symbol) and power == 1:
            self._solvable.setdefault(atom, (size, factor, sum(c for _, c in rest)))

    def one(self, size: Size) -> Ref:
        """The size as an int64 vector of one element."""
        if not isinstance(size, Dim):
            return self._writer.ints([size])
        text = str(size)
        if text not in self._known:
            place = self._places.get(text)
            self._known[text] = self._sum(size) if place is None else self._read(*place)
        return self._known[text]

    def scalar(self, size: Size) -> Ref:
        """The size as a 0-d int64 tensor."""
        if not isinstance(size, Dim):
            return self._writer.constant(size, int64)
        text = f"{size} as a scalar"
        if text not in self._known:
            self._known[text] = self._writer.op("Squeeze", self.one(size), self._writer.ints([0]))
        return self._known[text]

    def vector(self, sizes: Sequence[Size]) -> Ref:
        """The sizes as one int64 vector."""
        if not any(isinstance(size, Dim) for size in sizes):
            return self._writer.ints([int(size) for size in sizes])
        text = f"({', '.join(map(str, sizes))})"
        if text in self._known:
            return self._known[text]
        parts: list[Ref] = []
        run: list[int] = []
        for size in sizes:
            if not isinstance(size, Dim):
                run.append(size)
                continue
            if run:
                parts.append(self._writer.ints(run))
                run = []
            parts.append(self.one(size))
        if run:
            parts.append(self._writer.ints(run))
        joined = parts[0] if len(parts) == 1 else self._writer.op("Concat", *parts, axis=0)
        self._known[text] = joined
        return joined

    # ------------------------------------------------------------ arithmetic

    def _read(self, tensor: Ref, axis: int) -> Ref:
        return self._writer.op("Shape", tensor, out=int64, start=axis, end=axis + 1)

    def _sum(self, size: Dim) -> Ref:
        total: Ref | None = None
        # Positive terms first, so that negative ones are subtracted rather than multiplied by -1.
        for monomial, coefficient in sorted(size.terms, key=lambda term: term[1] < 0):
            factors = [self._atom(atom) for atom, power in monomial for _ in range(power)]
            factor = coefficient if total is None else abs(coefficient)
            if factor != 1 or not factors:
                factors.append(self._writer.ints([factor]))
            term = reduce(lambda x, y: self._writer.op("Mul", x, y), factors)
            if total is None:
                total = term
            else:
                total = self._writer.op("Add" if coefficient > 0 else "Sub", total, term)
        assert total is not None
        return total

    def _atom(self, atom: Atom) -> Ref:
        if str(atom) in self._known:
            return self._known[str(atom)]
        if isinstance(atom, Symbol):
            result = self._symbol(atom)
        elif atom.kind in ("min", "max"):
            args = [self.one(arg) for arg in atom.args]
            result = self._writer.op("Min" if atom.kind == "min" else "Max", *args)
        else:
            left, right = atom.args
            result = self._division(atom.kind, left, right)
        self._known[str(atom)] = result
        return result

    def _symbol(self, symbol: Symbol) -> Ref:
        if symbol not in self._solvable:
            raise ExportError(
                f"the size {symbol.name} cannot be computed from the shapes of the inputs",
                instead="pass an input that has a dim of just this size",
            )
        size, factor, offset = self._solvable[symbol]
        result = self._read(*self._places[str(size)])
        if offset:
            result = self._writer.op("Sub", result, self._writer.ints([offset]))
        if not same(factor, 1):
            result = self._writer.op("Div", result, self._writer.ints([factor]))
        return result

    def _division(self, kind: str, left: Size, right: Size) -> Ref:
        """`//` or `%` rounding down; ONNX rounds Div to zero, its Mod has the divisor's sign."""
        x, y = self.one(left), self.one(right)
        if kind == "mod":
            return self._writer.op("Mod", x, y)
        low, divisor = bounds(left)[0], bounds(right)[0]
        if low is None or low < 0 or divisor is None or divisor < 1:
            x = self._writer.op("Sub", x, self._writer.op("Mod", x, y))
        return self._writer.op("Div", x, y)
