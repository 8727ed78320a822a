"""The interpreter that capture runs the user's code under: op calls append nodes.

Nothing is computed and no data is copied. Concrete tensors that the code reaches become named
state, writes are functionalized as eager would have carried them out, and what needs a tensor's
values is refused with the user's line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from ..ir.builder import BodyRecorder, Builder
from ..ir.constraints import Constraint, Facts
from ..ir.dims import Condition, Dim, Relation, Size, same, same_shape, solve, symbol, symbols
from ..ir.errors import CaptureError, ConstraintError, DTypeError, VitrifyError
from ..ir.graph import Value
from ..ir.location import Location, user_location
from ..ir.op import Attrs, Op
from ..ops import REGISTRY
from ..ops.arrays import numpy_dtype
from ..ops.registry import check_tensors
from ..tensor import Tensor
from .arguments import Example

_INLINE_ELEMENTS = 16  # constants of up to this many elements are written into the graph
_NOT: dict[Relation, Relation] = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"
}  # fmt: skip
_MOST_NOTES = 50  # problems after which a run does not go on


class Settled(BaseException):
    """The code needs automatic symbols to be of these sizes: the capture starts again with them.

    No `Exception`, so that the user's code does not catch it.
    """

    def __init__(self, sizes: Mapping[str, Size]) -> None:
        super().__init__(sizes)
        self.sizes = sizes


class Recorder(BodyRecorder):
    """Records the user's code into a builder.

    Args:
        builder: Where nodes go.
        example: What the function is captured with.
        names: The names of known tensors (parameters and buffers), by `id`.
        modules: The paths of known modules, by `id`.
        strict: Whether it is refused to bake in what is known but no input.

    Attributes:
        state: The concrete tensors that the graph refers to by name.
        constraints: What the code decided about symbolic sizes, as the examples' sizes have it.
        problems: Why the program cannot be captured faithfully. The run goes on after some, to find
            others; what is recorded after the first may be wrong, also where user code catches it.
        warnings: What was baked in all the same, where `strict` is off.
        repeatable: Whether another run may be expected to record the same.
    """

    def __init__(
        self,
        builder: Builder,
        example: Example,
        names: Mapping[int, str],
        modules: Mapping[int, str],
        *,
        strict: bool,
    ) -> None:
        super().__init__(builder)
        self.state: dict[str, Tensor] = {}
        self.constraints: list[Constraint] = []
        self._facts = Facts()
        self.warnings: list[VitrifyError] = []
        self._example = example
        self._strict = strict
        self.problems: list[VitrifyError] = []
        self.repeatable = True
        self._texts: list[VitrifyError] = []
        self._notes = 0
        self._inputs = set(example.values)
        self._values = set(example.values)
        self._names = names
        self._modules = modules
        self._path: list[str] = [""]
        self._lifted: dict[int, tuple[Tensor, Value]] = {}

    # ------------------------------------------------------------ op calls

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.location = user_location(self._path[-1])
        try:
            try:
                return self.apply(op, *op.canonical(*args, **kwargs))
            except AttributeError:
                check_tensors(op, args, kwargs)
                raise
        except VitrifyError as error:
            raise self._failed(error, (*args, *kwargs.values())) from None

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Any:
        try:
            inputs = [None if t is None else self.unwrap(t) for t in tensors]
            for name, attr in attrs.items():
                self._check_attr(op, name, attr)
            outputs = self.builder.add(op, inputs, attrs, self.location)
        except VitrifyError as error:
            raise self._failed(error, (*tensors, *attrs.values())) from None
        self._values.update(outputs)
        result = self._result(op, outputs)
        if op.view is not None and isinstance(tensors[0]._data, Value):
            for k, out in enumerate(result if op.many else (result,)):
                out._version = tensors[0]._version
                out._view = (tensors[0], op, attrs, k)
                out._seen = out._version[1]
        return result

    def _refuse(self, message: str, *, why: str, instead: str) -> NoReturn:
        raise self.refused(CaptureError(message, why=why, instead=instead))

    def refused(self, error: VitrifyError, at: Location | None = None) -> VitrifyError:
        """The error with the user's line; kept, because the user's code may catch it.

        The first of a line is enough: others there may be its consequence.
        """
        error = self._located(error, at)
        if error.at is None or error.at not in [known.at for known in self.problems]:
            self.problems.append(error)
        return error

    def _located(self, error: VitrifyError, at: Location | None = None) -> VitrifyError:
        """The error with the user's line; an undecided size is a matter of the capture here."""
        at = error.at or at or user_location(self._path[-1])
        kind = CaptureError if isinstance(error, ConstraintError) else type(error)
        return kind(error.message, at=at, why=error.why, instead=error.instead)

    def _failed(self, error: VitrifyError, arguments: Iterable[Any]) -> VitrifyError:
        """The error of an op call: a refusal, unless eager code is sure to meet it too."""
        sizes = (size for a in arguments if isinstance(a, Tensor) for size in a.shape)
        refusal = isinstance(error, CaptureError | ConstraintError)
        if refusal or any(isinstance(size, Dim) for size in (*sizes, *arguments)):
            return self.refused(error)
        return self._located(error)

    def _check_attr(self, op: Op, name: str, attr: Any) -> None:
        if isinstance(attr, tuple):
            for item in attr:
                self._check_attr(op, name, item)
        elif isinstance(attr, Tensor):
            raise CaptureError(
                f"the argument {name} of {op.name} is a tensor",
                why="it must be known when the program is captured",
                instead="pass a Python number",
            )

    def unwrap(self, tensor: Any) -> Value:
        """The graph value of a tensor: its own, or that of the state it becomes."""
        if not isinstance(tensor, Tensor):
            return super().unwrap(REGISTRY["constant"](tensor))
        if not isinstance(tensor._data, Value):
            return self._lift(tensor)
        if tensor._view is not None and tensor._seen != tensor._version[1]:
            self._refresh(tensor)
        if tensor._data not in self._values:
            raise CaptureError(
                "a tensor of another capture is used here",
                why="it stood for a value inside that capture, which has ended",
                instead="pass it in as an argument; a cache: fill it before the capture",
            )
        return tensor._data

    def _lift(self, tensor: Tensor) -> Value:
        """A concrete tensor as a parameter node; a small unnamed one as a constant."""
        known = self._lifted.get(id(tensor))
        if known is not None:
            return known[1]
        name = self._names.get(id(tensor))
        if name is None and tensor._data.size <= _INLINE_ELEMENTS:
            value = self._constant(tensor)
        else:
            location = None
            if name is None:
                name = f"constant.{sum(key.startswith('constant.') for key in self.state)}"
                location = self.location
            attrs = {"name": name, "type": tensor.type}
            (value,) = self.builder.add(REGISTRY["parameter"], (), attrs, location, [name])
            self.state[name] = tensor
        self._lifted[id(tensor)] = (tensor, value)
        self._values.add(value)
        return value

    def _constant(self, tensor: Tensor) -> Value:
        flat = tensor._data.reshape(-1)
        numbers = list(map(float, flat)) if tensor.dtype.is_floating_point else flat.tolist()
        value = tuple(numbers) if tensor.ndim else numbers[0]
        attrs = {"value": value, "type": tensor.type}
        return self.builder.add(REGISTRY["constant"], (), attrs, self.location)[0]

    # ------------------------------------------------------------ writes

    def write(self, target: Tensor, value: Tensor) -> Tensor:
        """Functionalize an in-place write: whatever shares the target's memory sees the new value.

        Raises:
            CaptureError: for a write to state or to an input, and where it depends on the memory
                layout whether another tensor shares the memory.
        """
        self.location = user_location(self._path[-1])
        root = target
        while root._view is not None:
            root = root._view[0]
        if not isinstance(root._data, Value):
            name = self._names.get(id(root))
            self._refuse(
                f"an in-place write to {name or 'a tensor made outside the captured function'}",
                why="state that changes from call to call cannot be captured yet",
                instead="model.eval()  # before capture, or return the new value as an output",
            )
        if root._data in self._inputs:
            self._refuse(
                f"an in-place write to the input {root._data.name}",
                why="a program does not change its inputs",
                instead="x = x.clone()  # and write to that",
            )
        if value.dtype is not target.dtype:
            if value.dtype.category > target.dtype.category:
                raise DTypeError(
                    f"{value.dtype.name} cannot be written into {target.dtype.name}",
                    at=self.location,
                )
            value = value.to(target.dtype)
        if not same_shape(value.shape, target.shape):
            value = value.expand(target.shape)
        self._assign(target, value)
        return target

    def _assign(self, target: Tensor, value: Tensor) -> None:
        if target._view is None:
            written = self.unwrap(value)
            # A copy of an input may be written to again, the input itself may not.
            target._data = self.unwrap(value.clone()) if written in self._inputs else written
            target._version[0] += 1
            target._version[1] += 1
            return
        base, op, attrs, output = target._view
        self._check_alias(op)
        assert op.view is not None
        extra = {"output": output} if op.many else {}
        self._assign(base, op.view(base, value, **extra, **attrs))

    def _refresh(self, tensor: Tensor) -> None:
        """Read a view again from its base, which was written to."""
        assert tensor._view is not None
        base, op, attrs, output = tensor._view
        self._check_alias(op)
        self.unwrap(base)
        result = op.apply((base,), attrs)
        tensor._data = (result[output] if op.many else result)._data
        tensor._seen = tensor._version[1]

    def _check_alias(self, op: Op) -> None:
        if op.name == "reshape":
            self._refuse(
                "a write to a tensor that is, or that has, a reshaped view",
                why="whether reshape shares memory or copies depends on the layout in memory",
                instead="y = x.reshape(...).clone()  # a copy for sure, then write to it",
            )

    # ------------------------------------------------------------ what cannot be recorded

    def values(self, what: str, tensor: Tensor, instead: str) -> Any:
        """Something in place of the values; the problem is noted and raised in the end.

        A line gets ones the first time and zeros from then on, so that most loops end.
        """
        message = f"{what} needs the values of a tensor ({tensor.type})"
        if not isinstance(tensor._data, Value):
            why = "they would be baked in: a later change of the tensor would change nothing"
            self._note(message, why=why, instead=instead, baked=True)
            return tensor._data
        why = "values exist only when the program runs; baking one in would be silently wrong"
        new = self._note(message, why=why, instead=instead)
        sizes = tuple(1 if isinstance(size, Dim) else size for size in tensor.shape)
        return np.broadcast_to(np.full((), new, numpy_dtype(tensor.dtype)), sizes)

    def refuse(self, what: str, tensor: Tensor | None, instead: str) -> None:
        if tensor is None:
            why = "every call of the program would get the same result"
            self._note(f"{what} cannot be captured", why=why, instead=instead, baked=True)
            self.repeatable = False
            return
        self._refuse(
            f"{what} cannot be captured",
            why="it works on values, and these exist only when the program runs",
            instead=instead,
        )

    def _note(self, message: str, *, why: str, instead: str, baked: bool = False) -> bool:
        """Keep a problem and go on, but not for ever. Whether it was not known yet.

        Args:
            message: What was met.
            why: Why it cannot be captured.
            instead: What to write instead.
            baked: Whether there is a value that could be baked in.
        """
        error = self._located(CaptureError(message, why=why, instead=instead))
        if baked and not self._strict:
            self.warnings.append(error)
            return True
        before = len(self.problems)
        self._notes += 1
        self.refused(error)
        if self._notes >= _MOST_NOTES:
            raise error
        return len(self.problems) > before

    def decide(self, condition: Condition) -> bool:
        """Answer a comparison of symbolic sizes as the examples' sizes have it, and record that.

        The program is then good for the sizes that give the same answer, and refuses others.
        """
        known = self._facts.decide(condition)
        if known is not None:
            return known
        holds = condition.evaluate(self._example.sizes)
        fact = (
            condition
            if holds
            else Condition(condition.lhs, _NOT[condition.relation], condition.rhs)
        )
        if fact.relation == "==" and (sizes := self._settling(fact)):
            raise Settled(sizes)
        if fact.relation == "==" and (only := solve(fact.lhs - fact.rhs, 0)):
            self._refuse(
                f"this line needs {fact}, but {', '.join(only)} is dynamic",
                why="the example has just this size, and others take another way here",
                instead="trace with an example of another size, leave this size static, "
                "or make the code the same for all sizes",
            )
        self.constraints.append(Constraint(fact, user_location(self._path[-1])))
        self._facts = self._facts.and_also(fact)
        return holds

    def value_refused(self, size: Size, error: VitrifyError, goes_on: bool) -> None:
        """Told where Python needs the number that a symbolic size stands for, or its text."""
        if goes_on and not self._strict:
            self.warnings.append(self._located(error))
            return
        names = [known.name for known in symbols(size)]
        if names and all(name in self._example.automatic for name in names):
            raise Settled({name: self._example.sizes[name] for name in names})
        error = self.refused(error)
        if goes_on:
            self._texts.append(error)

    def only_texts(self, error: Exception) -> bool:
        """Whether the user's own error says more than the problems, all of them about text.

        Text is mostly made to say what is wrong; one that is looked up in vain is our matter.
        """
        return not isinstance(error, LookupError) and all(p in self._texts for p in self.problems)

    def _settling(self, fact: Condition) -> dict[str, Size]:
        """What an automatic symbol has to be, if the fact leaves it only one size."""
        automatic = self._example.automatic
        if only := solve(fact.lhs - fact.rhs, 0):
            return {name: size for name, size in only.items() if name in automatic}
        sides = [symbols(side) for side in (fact.lhs, fact.rhs)]
        for (one, other), (this, that) in (
            (sides, (fact.lhs, fact.rhs)),
            (sides[::-1], (fact.rhs, fact.lhs)),
        ):
            alone = len(one) == 1 and same(this, symbol(one[0].name, one[0].min, one[0].max))
            if alone and one[0].name in automatic and one[0] not in other:
                return {one[0].name: that}
        return {}

    @contextmanager
    def scope(self, module: Any) -> Iterator[None]:
        self._path.append(self._modules.get(id(module), self._path[-1]))
        try:
            yield
        finally:
            self._path.pop()
