"""The op and the interpreter: calling an op asks the current interpreter what it means."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MethodType
from typing import Any, Protocol

from .graph import Value

Attrs = Mapping[str, Any]


class Op:
    """One operation: its signature, its meaning, and what follows from it.

    An op is called as PyTorch calls the function of its name; the current interpreter decides what
    the call does. `canonical` turns the call's arguments into the form that graphs hold: a tuple of
    tensors (None where an optional one is missing) and a dict of attributes with every default
    filled in. The canonical form is itself a valid call.

    A *primitive* has `infer` and `eager`. A *composite* has a `body` written over other ops, from
    which everything else follows; any facet given beside it overrides what the body says.

    Attributes:
        name: As in printed graphs.
        canonical: `(*args, **kwargs) -> (tensors, attrs)`.
        infer: `(*types, **attrs) -> TensorType | tuple[TensorType, ...]`; None for a composite.
        eager: `(xp, *arrays, **attrs) -> array | tuple`, `xp` being numpy or cupy.
        vjp: `(g, out, *inputs, **attrs) -> tuple`, the gradient of each input, written in ops.
            Entries may be None (no gradient) or a function without arguments, called only when the
            gradient is wanted. A parameter whose name starts with an underscore gets only the
            metadata (shape, dtype) of the tensor, and so does not keep its data alive.
        body: A composite's definition.
        view: For an op whose eager result may share its first input's memory, the inverse:
            `(base, value, **attrs) -> new base` after a write of `value` through the view. An op
            with many results gets the number of the one written to as `output=`.
        pure: False for an op whose calls may not be merged, moved or dropped.
        ufunc: `(x, y) -> array` by NumPy alone, the same for two float arrays of one dtype, or one
            and a number: a shortcut for eager code, it adds nothing to what the op means.
        many: Whether the op returns a tuple, even of one.
        variadic: Whether the last tensor parameter takes a sequence of tensors.
        tensors: How many tensor parameters there are.
    """

    def __init__(
        self,
        name: str,
        *,
        canonical: Callable[..., tuple[tuple[Any, ...], dict[str, Any]]],
        signature: inspect.Signature,
        infer: Callable[..., Any] | None = None,
        eager: Callable[..., Any] | None = None,
        vjp: Callable[..., tuple[Any, ...]] | None = None,
        body: Callable[..., Any] | None = None,
        view: Callable[..., Any] | None = None,
        pure: bool = True,
        ufunc: Any = None,
        many: bool = False,
        variadic: bool = False,
        tensors: int = 1,
        doc: str | None = None,
    ) -> None:
        self.name = name
        self.canonical = canonical
        self.infer = infer
        self.eager = eager
        self.vjp = vjp
        self.body = body
        self.view = view
        self.pure = pure
        self.ufunc = ufunc
        self.many = many
        self.variadic = variadic
        self.tensors = tensors
        self.__name__ = name
        self.__doc__ = doc
        self.__signature__ = signature

    @property
    def is_composite(self) -> bool:
        return self.body is not None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """An op that is a class attribute is a method, as a function would be."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return current().bind(self, args, kwargs)

    def apply(self, tensors: Sequence[Any], attrs: Attrs) -> Any:
        """The op on arguments that are in canonical form already."""
        return current().apply(self, tensors, attrs)

    def arrange(self, inputs: Sequence[Any]) -> list[Any]:
        """The positional arguments that hold the canonical `inputs`: the inverse of flattening."""
        if not self.variadic:
            return list(inputs)
        fixed = self.tensors - 1
        return [*inputs[:fixed], list(inputs[fixed:])]

    def __repr__(self) -> str:
        return f"<op {self.name}>"


class Interpreter(Protocol):
    """What gives op calls a meaning: eager computes, a recorder appends nodes.

    Attributes:
        computes: Whether results have values (eager), or stand for values to come.
    """

    computes: bool

    def bind(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The meaning of `op(*args, **kwargs)`."""
        ...

    def apply(self, op: Op, tensors: Sequence[Any], attrs: Attrs) -> Any:
        """The meaning of `op` on canonical arguments."""
        ...

    def wrap(self, value: Value) -> Any:
        """A tensor that stands for a graph value, as op bodies compute with."""
        ...

    def unwrap(self, tensor: Any) -> Value:
        """The graph value that a tensor stands for."""
        ...

    def write(self, target: Any, value: Any) -> Any:
        """The meaning of an in-place write of `value` to `target`, which is returned."""
        ...

    def scope(self, module: Any) -> AbstractContextManager[Any]:
        """Called around a module's forward, so that nodes know their module path."""
        ...

    def values(self, what: str, tensor: Any, instead: str) -> Any:
        """The array of a tensor, for a use of its elements outside the graph.

        A capture notes the problem, for `what` and `instead` see `refuse`, and gives some array of
        the right shape, so that it finds further problems before it raises.
        """
        ...

    def refuse(self, what: str, tensor: Any | None, instead: str) -> None:
        """Called before `what` takes values out of the program; a capture raises here.

        Args:
            what: As the user wrote it: `float(tensor)`.
            tensor: Whose values they are; None for what comes from elsewhere (random numbers).
            instead: What to write instead.
        """
        ...


_interpreter: ContextVar[Interpreter] = ContextVar("interpreter")
_default: list[Interpreter] = []


def current() -> Interpreter:
    """The interpreter that op calls mean something to right now."""
    interpreter = _interpreter.get(None)
    return _default[0] if interpreter is None else interpreter


def default() -> Interpreter:
    """The interpreter that counts where none was entered."""
    return _default[0]


def set_default(interpreter: Interpreter) -> None:
    """Make `interpreter` the one that counts where none was entered, in every thread."""
    _default[:] = [interpreter]


@contextmanager
def interpreting(interpreter: Interpreter) -> Iterator[Interpreter]:
    """Give op calls inside the block the meaning of `interpreter`."""
    token = _interpreter.set(interpreter)
    try:
        yield interpreter
    finally:
        _interpreter.reset(token)
