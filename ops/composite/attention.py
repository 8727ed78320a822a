"""Attention."""

from __future__ import annotations

import math
from typing import Any

from ...ir.dims import same
from ...ir.errors import ArgumentError
from ...ir.types import TensorType, bool_
from ..create import ones, tril
from ..elementwise import where
from ..linalg import matmul, swap_last
from ..registry import Tensor, composite
from ..rules import require, require_float, same_dtype, shown
from ..shape import expand, reshape, unsqueeze
from .activation import softmax


def _canonical(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    if dropout_p:
        raise ArgumentError(
            "scaled_dot_product_attention has no dropout",
            instead="dropout_p=0.0, and F.dropout(attention, p) of the result",
        )
    if is_causal and attn_mask is not None:
        raise ArgumentError("give attn_mask or is_causal, not both")
    types = [TensorType(t.dtype, t.shape) for t in (query, key, value)]
    require_float("scaled_dot_product_attention", types[0])
    same_dtype("scaled_dot_product_attention", types)
    for t in (query, key, value):
        require(t.ndim >= 2, f"attention needs (..., length, features), got {shown(t.shape)}")
    if scale is None:
        scale = 1.0 / math.sqrt(query.shape[-1])
    attrs = {"is_causal": bool(is_causal), "scale": float(scale), "enable_gqa": bool(enable_gqa)}
    return (query, key, value, attn_mask), attrs


def _repeated(x: Tensor, heads: int) -> Tensor:
    """Each head repeated in place, so that there are `heads` of them."""
    have = x.shape[-3]
    if same(have, heads):
        return x
    require(heads % have == 0, f"{heads} query heads are not a multiple of {have} key heads")
    *batch, _, length, features = x.shape
    x = unsqueeze(x, -3)
    x = expand(x, (*batch, have, heads // have, length, features))
    return reshape(x, (*batch, heads, length, features))


@composite(canonical=_canonical)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float,
    enable_gqa: bool,
) -> Tensor:
    """softmax(query @ key.T * scale + mask) @ value, over the last two dims.

    Args:
        query: (..., queries, features).
        key: (..., keys, features).
        value: (..., keys, value features).
        attn_mask: Broadcast to (..., queries, keys): added, or bool: where to attend.
        is_causal: Whether query k attends only to the first k + 1 keys.
        scale: By default 1 / sqrt(features).
        enable_gqa: Whether key and value may have fewer heads (the third dim from the end), each
            of which then serves several heads of the query.

    Raises:
        ArgumentError: for dropout, or a mask together with `is_causal`.
    """
    if enable_gqa:
        key, value = _repeated(key, query.shape[-3]), _repeated(value, query.shape[-3])
    scores = matmul(query * scale, swap_last(key))
    if is_causal:
        attn_mask = tril(ones(query.shape[-2], key.shape[-2], dtype=bool_))
    if attn_mask is None:
        return matmul(softmax(scores, -1), value)
    if attn_mask.dtype is not bool_:
        return matmul(softmax(scores + attn_mask, -1), value)
    weights = softmax(where(attn_mask, scores, float("-inf")), -1)
    # A query that may attend to nothing gets zeros, not the NaN that softmax makes of it.
    return matmul(where(attn_mask, weights, 0.0), value)
