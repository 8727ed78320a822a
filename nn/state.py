"""A module's state by name: walking it, and copying values into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..ir.errors import StateError, VitrifyError
from ..tensor import Tensor, as_tensor, no_grad
from ..tensor.device import writable

if TYPE_CHECKING:
    from .module import Module


class LoadResult(NamedTuple):
    """What `load_state_dict` found.

    Attributes:
        missing_keys: Names of the module that the state dict did not have.
        unexpected_keys: Names in the state dict that the module does not have.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"LoadResult(missing={self.missing_keys}, unexpected={self.unexpected_keys})"


def named_state(module: Module, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Parameters and persistent buffers, a shared one under each of its names."""
    for path, part in module.named_modules(prefix=prefix.rstrip("."), remove_duplicate=False):
        parameters, buffers, _ = part._tables()
        kept = {name: b for name, b in buffers.items() if name not in part._transient}
        for name, tensor in (*parameters.items(), *kept.items()):
            if tensor is not None:
                yield f"{path}.{name}" if path else name, tensor


def load(module: Module, state: Mapping[str, Any], strict: bool) -> LoadResult:
    """See `Module.load_state_dict`."""
    targets = dict(named_state(module))
    missing = [name for name in targets if name not in state]
    unexpected = [name for name in state if name not in targets]
    faults = []
    if strict:
        faults += [f"missing: {name} {targets[name].type}" for name in missing]
        faults += [f"unexpected: {name}" for name in unexpected]
    values: list[tuple[Tensor, Tensor]] = []
    for name, target in targets.items():
        if name in state:
            try:
                values.append((target, _fitting(state[name], target)))
            except VitrifyError as error:
                faults.append(f"{name}: {error.message}")
    if faults:
        lines = "\n".join(f"    {fault}" for fault in faults)
        raise StateError(
            f"the state does not fit {type(module).__name__}, so nothing was loaded:\n{lines}",
            instead="load_state_dict(state, strict=False)  # ignores missing and unexpected names"
            if missing or unexpected
            else "",
        )
    with no_grad():
        for target, value in values:
            target.copy_(value)
    return LoadResult(missing, unexpected)


def _fitting(value: Any, target: Tensor) -> Tensor:
    """`value` as a tensor that can be written into `target`, on its device."""
    source = as_tensor(value).detach()
    if source.shape != target.shape:
        raise StateError(f"shape {source.shape} in the state, {target.shape} in the module")
    if source.dtype.category > target.dtype.category:
        raise StateError(f"{source.dtype.name} in the state, {target.dtype.name} in the module")
    if not writable(target._data):
        raise StateError("the module's memory is read-only; make it with vt.tensor(array)")
    return source.to(device=target.device)
