"""How ops are declared, and the table of all of them.

A primitive is declared by its *canonicalizer*: a function with PyTorch's signature that returns the
tensors and the attributes in the form that graphs hold (dims not negative, defaults filled in,
dtypes promoted by recorded casts). A composite is declared by its body.

Parameters annotated `Tensor`, `Tensor | None` or `Sequence[Tensor]` are tensors, all others are
attributes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from ..ir.errors import DTypeError
from ..ir.op import Op
from ..ir.types import DType

# What op bodies compute with; the class itself stands to the right of this folder.
Tensor: TypeAlias = Any

REGISTRY: dict[str, Op] = {}

_TENSOR_KINDS = ("Tensor", "Tensor | None", "Sequence[Tensor]")


def is_tensor(value: object) -> bool:
    """Whether `value` is a tensor of ours, of whatever payload."""
    return type(getattr(value, "dtype", None)) is DType


def primitive(
    *,
    infer: Callable[..., Any],
    eager: Callable[..., Any],
    vjp: Callable[..., tuple[Any, ...]] | None = None,
    view: Callable[..., Any] | None = None,
    ufunc: Any = None,
    name: str | None = None,
    many: bool = False,
    pure: bool = True,
    doc: str | None = None,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare a primitive; decorates its canonicalizer. See `ir.op.Op` for the facets."""

    def declare(canonical: Callable[..., Any]) -> Op:
        signature = inspect.signature(canonical)
        tensors, variadic = tensor_parameters(signature)
        return _register(
            Op(
                name or canonical.__name__,
                canonical=canonical,
                signature=signature,
                infer=infer,
                eager=eager,
                vjp=vjp,
                view=view,
                ufunc=ufunc,
                many=many,
                pure=pure,
                tensors=len(tensors),
                variadic=variadic,
                doc=doc or canonical.__doc__,
            )
        )

    return declare


def composite(
    body: Callable[..., Any] | None = None,
    *,
    eager: Callable[..., Any] | None = None,
    vjp: Callable[..., tuple[Any, ...]] | None = None,
    infer: Callable[..., Any] | None = None,
    canonical: Callable[..., Any] | None = None,
    name: str | None = None,
    many: bool = False,
) -> Any:
    """Declare a composite; decorates its body, with or without arguments.

    Args:
        body: The definition, over other ops. It gets the canonical arguments.
        eager: A faster kernel with the same results, used where no gradient is recorded, or where
            `vjp` is given too.
        vjp: A better gradient than the body's.
        infer: A faster or stricter type rule than running the body on types.
        canonical: Canonicalizer with the public signature; by default the body's own signature
            with its defaults filled in.
        name: Name where the body's own would clash with Python's.
        many: Whether the body returns a tuple.
    """

    def declare(body: Callable[..., Any]) -> Op:
        signature = inspect.signature(canonical or body)
        tensors, variadic = tensor_parameters(signature)
        return _register(
            Op(
                name or body.__name__,
                canonical=canonical or _canonical_by_signature(signature, tensors, variadic),
                signature=signature,
                infer=infer,
                eager=eager,
                vjp=vjp,
                body=body,
                many=many,
                tensors=len(tensors),
                variadic=variadic,
                doc=body.__doc__,
            )
        )

    return declare if body is None else declare(body)


def _register(op: Op) -> Op:
    if op.name in REGISTRY:
        raise ValueError(f"an op named {op.name!r} exists already")
    REGISTRY[op.name] = op
    return op


def tensor_parameters(signature: inspect.Signature) -> tuple[list[str], bool]:
    """Names of the tensor parameters, and whether the last one takes a sequence."""
    tensors = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation in _TENSOR_KINDS
    ]
    variadic = any(p.annotation == "Sequence[Tensor]" for p in signature.parameters.values())
    return tensors, variadic


def check_tensors(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Explain a call of an op that failed because something else stands where tensors go.

    Raises:
        DTypeError: for the first tensor parameter that was given no tensor.
    """
    bound = op.__signature__.bind(*args, **kwargs)
    bound.apply_defaults()
    for name, value in bound.arguments.items():
        kind = op.__signature__.parameters[name].annotation
        if kind not in _TENSOR_KINDS or (kind == "Tensor | None" and value is None):
            continue
        several = kind == "Sequence[Tensor]" and isinstance(value, list | tuple)
        wrong = [item for item in (value if several else [value]) if not is_tensor(item)]
        if wrong:
            raise DTypeError(
                f"{op.name}: {name} must be a tensor, not {type(wrong[0]).__name__}",
                instead="" if wrong[0] is None else "vt.tensor(x)",
            ) from None


def _canonical_by_signature(
    signature: inspect.Signature, tensors: list[str], variadic: bool
) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    last = tensors[-1] if variadic else None

    def canonical(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        inputs: list[Any] = []
        attrs: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if name == last:
                inputs.extend(_lift(v) for v in value)
            elif name in tensors:
                inputs.append(_lift(value))
            else:
                attrs[name] = tuple(value) if isinstance(value, list) else value
        return tuple(inputs), attrs

    return canonical


def _lift(value: Any) -> Any:
    return value if value is None or is_tensor(value) else REGISTRY["constant"](value)
