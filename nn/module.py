"""The base class of layers and models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ..ir.errors import ArgumentError, StateError
from ..ir.op import current
from ..ops import zeros_like
from ..tensor import Tensor
from .conversion import Conversions
from .parameter import Buffer, Parameter
from .state import LoadResult, load, named_state

M = TypeVar("M", bound="Module")


class Module(Conversions):
    """A function with parameters, made of other modules.

    A subclass calls `super().__init__()` first, assigns parameters, buffers and modules as
    attributes, and defines `forward`. The module is then called like a function.

    Attributes:
        training: Whether layers such as dropout behave as in training; see `train` and `eval`.
    """

    training: bool
    _parameters: dict[str, Any]  # None where a name is kept free, here and below
    _buffers: dict[str, Any]
    _transient: set[str]  # names of the buffers that are not part of the state
    _modules: dict[str, Any]

    def __init__(self) -> None:
        # Straight into __dict__: the tables do not exist yet for __setattr__ to look at.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _transient=set(),
            _modules={},
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise ArgumentError(
            f"{type(self).__name__} has no forward method",
            instead="def forward(self, x): ...",
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with current().scope(self):
            return self.forward(*args, **kwargs)

    # ------------------------------------------------------------ registration

    def _tables(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Parameters, buffers and modules by name."""
        d = self.__dict__
        if "_modules" not in d:
            name = type(self).__name__
            raise ArgumentError(
                f"{name} was used before super().__init__() was called",
                why="it makes the tables that parameters, buffers and modules are registered in",
                instead="def __init__(self):\n    super().__init__()\n    ...",
            )
        return d["_parameters"], d["_buffers"], d["_modules"]

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, self._tables()[0])
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, self._tables()[2])
            self.add_module(name, value)
        elif isinstance(value, Buffer):
            self._forget(name, self._tables()[1])
            self.register_buffer(name, value, value.persistent)
        elif "_modules" in self.__dict__:
            self._set_plain(name, value)
        else:  # numbers may be assigned before super().__init__(), as in PyTorch
            object.__setattr__(self, name, value)

    def _set_plain(self, name: str, value: Any) -> None:
        """Assign what its type does not register: to a registered name, or as an attribute."""
        kinds = ("parameter", "buffer", "module")
        for kind, table in zip(kinds, self._tables(), strict=True):
            if name not in table:
                continue
            if kind == "buffer" and isinstance(value, Tensor):
                current().refuse(
                    f"assigning the buffer {name!r}", value, f"self.{name}.copy_(value)"
                )
            elif value is not None:
                raise ArgumentError(
                    f"{name!r} is a {kind} of {type(self).__name__} and cannot become "
                    f"{type(value).__name__}",
                    instead=f"del module.{name}, then assign it",
                )
            table[name] = value
            return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        d = self.__dict__
        for table in ("_parameters", "_buffers", "_modules"):
            if name in d.get(table, ()):
                return d[table][name]
        hint = "" if "_modules" in d else " (super().__init__() was not called)"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __delattr__(self, name: str) -> None:
        if any(name in table for table in self._tables()):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = [name for table in self._tables() for name in table]
        return sorted({*super().__dir__(), *names})

    def _forget(self, name: str, keep: dict[str, Any] | None = None) -> None:
        """Remove the attribute of this name, unless it is in the table `keep`."""
        for table in self._tables():
            if table is not keep:
                table.pop(name, None)
        self._transient.discard(name)
        self.__dict__.pop(name, None)

    def _check_name(self, kind: str, name: str, table: dict[str, Any]) -> None:
        self._tables()
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(f"a {kind}'s name must be text without dots, got {name!r}")
        if name not in table and hasattr(self, name):
            raise ArgumentError(f"{type(self).__name__} has an attribute {name!r} already")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps the name free, as for a layer without bias.

        Raises:
            ArgumentError: for a name that is taken or has a dot, or a tensor that is no Parameter
                or was computed from others.
        """
        parameters, _, _ = self._tables()
        self._check_name("parameter", name, parameters)
        if param is not None and not isinstance(param, Parameter):
            raise ArgumentError(
                f"parameter {name!r} must be an nn.Parameter, got {type(param).__name__}",
                instead=f"self.{name} = nn.Parameter(tensor)",
            )
        if param is not None and not param.is_leaf:
            raise ArgumentError(
                f"parameter {name!r} was computed from other tensors",
                instead="nn.Parameter(tensor.detach()), or compute it in forward",
            )
        parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not learned.

        Args:
            name: The attribute's name.
            tensor: Its value; None keeps the name free.
            persistent: Whether it is part of `state_dict`.

        Raises:
            ArgumentError: for a name that is taken or has a dot, or for what is no tensor.
        """
        _, buffers, _ = self._tables()
        self._check_name("buffer", name, buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise ArgumentError(
                f"buffer {name!r} must be a tensor, got {type(tensor).__name__}",
                instead="vt.tensor(value)",
            )
        buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name that may be computed; see also `ModuleDict`.

        Raises:
            ArgumentError: for a name that is taken or has a dot, or for what is no module.
        """
        _, _, modules = self._tables()
        self._check_name("module", name, modules)
        if module is not None and not isinstance(module, Module):
            raise ArgumentError(f"{name!r} must be a module, got {type(module).__name__}")
        modules[name] = module

    register_module = add_module

    # ------------------------------------------------------------ walks

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; a shared one comes once.

        Args:
            memo: Modules to leave out.
            prefix: Put before every name.
            remove_duplicate: Whether a module that has several names comes only under the first.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._tables()[2].items():
            if child is not None:
                yield from child.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below this one, each once."""
        seen: set[Module] = set()
        for name, child in self._tables()[2].items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules right below this one, each once."""
        return (child for _, child in self.named_children())

    def _named(
        self, table: int, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        walk = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in walk if recurse else [(prefix, self)]:
            for name, tensor in module._tables()[table].items():
                if tensor is None or (remove_duplicate and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield _join(path, name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their dotted names; a shared one comes once, under its first name.

        Args:
            prefix: Put before every name.
            recurse: Whether those of the modules below come too.
            remove_duplicate: False gives a shared parameter under each of its names.
        """
        return self._named(0, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their dotted names; the arguments are those of `named_parameters`."""
        return self._named(1, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one.

        Raises:
            StateError: where there is none.
        """
        module = self
        for name in target.split(".") if target else ():
            child = module._tables()[2].get(name)
            if child is None:
                raise StateError(f"{type(self).__name__} has no module {target!r}")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name.

        Raises:
            StateError: where there is none.
        """
        return self._get(0, "parameter", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name.

        Raises:
            StateError: where there is none.
        """
        return self._get(1, "buffer", target)

    def _get(self, table: int, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._tables()[table].get(name)
        if found is None:
            raise StateError(f"{type(self).__name__} has no {kind} {target!r}")
        return found

    def _tensors(self) -> Iterator[Tensor]:
        yield from self.parameters()
        yield from self.buffers()

    def apply(self: M, fn: Callable[[Module], object]) -> M:
        """Call `fn` on every module below this one, then on this one; for initialisation."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------------------ modes and gradients

    def train(self: M, mode: bool = True) -> M:
        """Switch this module and all below it to training (or to evaluation)."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: M) -> M:
        """Switch this module and all below it to evaluation: `train(False)`."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Start or stop asking for gradients of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or make them zero."""
        for p in self.parameters():
            if p.grad is not None:
                # Gradients may share memory with each other, so zero is not written into them.
                p.grad = None if set_to_none else zeros_like(p.grad)

    # ------------------------------------------------------------ state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """All parameters and persistent buffers by name, without history, sharing memory.

        A parameter that is used in several places stands under each of its names.
        """
        return {name: tensor.detach() for name, tensor in named_state(self, prefix)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy values into the parameters and buffers, all of them or, on an error, none.

        Args:
            state_dict: Tensors or arrays by name, as from `state_dict`.
            strict: Whether every name has to be there on both sides.

        Returns:
            The names that are missing in `state_dict`, and those that the module does not have.

        Raises:
            StateError: for missing or unexpected names if `strict`, and for shapes or dtypes that
                do not fit.
        """
        return load(self, state_dict, strict)

    # ------------------------------------------------------------ text

    def extra_repr(self) -> str:
        """What stands between the parentheses of a module's text."""
        return ""

    def __repr__(self) -> str:
        return tree(self, [(name, repr(child)) for name, child in self._tables()[2].items()])


def tree(module: Module, children: list[tuple[str, str]]) -> str:
    """PyTorch's text of a module from its own line and the texts of its children."""
    lines = module.extra_repr().splitlines()
    head = type(module).__name__
    if not children and len(lines) <= 1:
        return f"{head}({''.join(lines)})"
    lines += [f"({name}): {text}".replace("\n", "\n  ") for name, text in children]
    return "\n  ".join([f"{head}(", *lines]) + "\n)"


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
