"""Modules that hold modules or parameters."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, overload

from ..ir.errors import ArgumentError, OutOfRangeError
from ..tensor import Tensor
from .module import Module, tree
from .parameter import Parameter


def _position(index: int, length: int) -> str:
    """The name of the item at `index`, which may count from the end."""
    at = operator.index(index)
    if not -length <= at < length:
        raise OutOfRangeError(f"index {at} is out of range for {length} items")
    return str(at % length)


class _Modules(Module):
    """A sequence of modules, named by position."""

    def _append(self, modules: Iterable[Module]) -> None:
        for module in modules:
            self.add_module(str(len(self)), module)

    def _replace(self, modules: Iterable[Module]) -> None:
        items = list(modules)
        self._modules.clear()
        self._append(items)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    def _item(self, index: int) -> str:
        """The name of the item at `index`."""
        return list(self._modules)[int(_position(index, len(self)))]

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(self._item(index), module)

    def __delitem__(self, index: int | slice) -> None:
        items = list(self._modules.values())
        del items[index]
        self._replace(items)

    def insert(self, index: int, module: Module) -> None:
        """Put `module` before the one at `index`."""
        items = list(self._modules.values())
        items.insert(index, module)
        self._replace(items)


class Sequential(_Modules):
    """Calls modules one after the other, each on the result of the one before.

    Args:
        args: Modules, or one dict of modules by name.
    """

    def __init__(self, *args: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._append(args)  # type: ignore[arg-type]

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return Sequential(dict(list(self._modules.items())[index]))
        return self._modules[self._item(index)]

    def append(self, module: Module) -> Sequential:
        """Add a module at the end."""
        self._append([module])
        return self

    def extend(self, modules: Iterable[Module]) -> Sequential:
        """Add modules at the end."""
        self._append(modules)
        return self


class ModuleList(_Modules):
    """A list whose modules are registered; it has no forward.

    Args:
        modules: The first items.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._append(modules or ())

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._modules[self._item(index)]

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        self._append([module])
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Add modules at the end."""
        self._append(modules)
        return self

    def __repr__(self) -> str:
        """Equal neighbours share a line, as in PyTorch: `(0-3): 4 x Linear(...)`."""
        children = []
        start = 0
        for text, group in groupby(repr(module) for module in self):
            count = len(list(group))
            if count == 1:
                children.append((f"{start}", text))
            else:
                children.append((f"{start}-{start + count - 1}", f"{count} x {text}"))
            start += count
        return tree(self, children)


class ModuleDict(Module):
    """A dict whose modules are registered; it has no forward.

    Args:
        modules: The first items.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules by name, or replace them."""
        for name, module in modules.items():
            self.add_module(name, module)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> Iterable[str]:
        return self._modules.keys()

    def values(self) -> Iterable[Module]:
        return self._modules.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove a module and return it."""
        return self._modules.pop(key)


def _as_parameter(value: Tensor) -> Parameter:
    if not isinstance(value, Tensor):
        raise ArgumentError(f"expected a tensor, got {type(value).__name__}")
    return value if isinstance(value, Parameter) else Parameter(value)


def _parameters_tree(module: Module) -> str:
    return tree(module, [(name, f"Parameter({p.type})") for name, p in module.named_parameters()])


class ParameterList(Module):
    """A list whose parameters are registered; tensors become parameters.

    Args:
        values: The first items.
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values or ())

    def append(self, value: Tensor) -> ParameterList:
        """Add a parameter at the end."""
        self.register_parameter(str(len(self)), _as_parameter(value))
        return self

    def extend(self, values: Iterable[Tensor]) -> ParameterList:
        """Add parameters at the end."""
        for value in values:
            self.append(value)
        return self

    def __getitem__(self, index: int) -> Parameter:
        return self._parameters[_position(index, len(self))]

    def __setitem__(self, index: int, value: Tensor) -> None:
        self.register_parameter(_position(index, len(self)), _as_parameter(value))

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(list(self._parameters.values()))

    def __repr__(self) -> str:
        return _parameters_tree(self)


class ParameterDict(Module):
    """A dict whose parameters are registered; tensors become parameters.

    Args:
        parameters: The first items.
    """

    def __init__(self, parameters: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def update(self, parameters: Mapping[str, Tensor]) -> None:
        """Add parameters by name, or replace them."""
        for name, value in parameters.items():
            self[name] = value

    def __getitem__(self, key: str) -> Parameter:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Tensor) -> None:
        self.register_parameter(key, _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, key: object) -> bool:
        return key in self._parameters

    def keys(self) -> Iterable[str]:
        return self._parameters.keys()

    def values(self) -> Iterable[Parameter]:
        return self._parameters.values()

    def items(self) -> Iterable[tuple[str, Parameter]]:
        return self._parameters.items()

    def __repr__(self) -> str:
        return _parameters_tree(self)
