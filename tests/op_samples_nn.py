"""Rows of the ops that neural networks are made of; see `op_samples`."""

from __future__ import annotations

from functools import partial

import numpy as np
import op_references as ref
from op_checks import FLOAT, NUMERIC, Call, Fixed, Row, T, ids
from scipy import special

import vitrify as vt

X2 = T((2, 4, 5, 6))
STATS = (T((3,), grad=False), T((3,), 0.5, 2.0, grad=False))

layer = partial(Row, dtypes=FLOAT, atol=20.0)

WINDOWS = [
    layer(
        "conv",
        ref.conv,
        (
            Call(T((2, 3, 5, 6)), T((4, 3, 3, 2)), T((4,))),
            Call(T((2, 4, 5, 6)), T((6, 2, 3, 3)), None, 2, 1, 1, 2),
            Call(T((1, 2, 7)), T((3, 2, 3)), T((3,)), 1, 2, 2),
            Call(T((1, 1, 5, 5)), T((1, 1, 2, 2)), None, (2, 1), ((0, 1), (1, 0))),
        ),
    ),
    layer(
        "conv_transpose",
        ref.conv_transpose,
        (
            Call(T((5, 3, 4, 3)), T((3, 2, 3, 2)), T((2,))),
            Call(T((2, 4, 4, 3)), T((4, 1, 3, 3)), None, 2, 1, 1, 2),
            Call(T((1, 2, 4)), T((2, 3, 3)), None, 2, 0, 0, 1, 2),
        ),
    ),
    layer(
        "conv_weight_grad",
        ref.conv_weight_grad,
        (
            Call(
                T((2, 2, 5)),
                T((2, 3, 3)),
                kernel=(3,),
                stride=(2,),
                padding=((1, 1),),
                dilation=(1,),
                groups=1,
            ),
        ),
    ),
    layer(
        "max_pool",
        ref.max_pool,
        (Call(X2, 2), Call(X2, 3, 2, 1), Call(T((2, 3, 7)), 3, 1)),
    ),
    layer("max_pool_indices", ref.max_pool_indices, (Call(X2, 2), Call(X2, (3, 2), 1)), grad=False),
    layer(
        "avg_pool",
        ref.avg_pool,
        (Call(X2, 2), Call(X2, 3, 2, 1), Call(X2, 3, 2, 1, count_include_pad=False)),
    ),
    layer(
        "constant_pad",
        lambda x, widths, value=0: np.pad(x, widths, constant_values=value),
        (Call(T((3, 4)), ((1, 0), (2, 1))), Call(T((3,)), ((0, 2),), 7)),
        dtypes=NUMERIC,
    ),
]

NORMS = [
    layer(
        "batch_norm",
        lambda x, m, v, w=None, b=None, training=False, momentum=0.1, eps=1e-5: ref.affine(
            (x - m.reshape(-1, *[1] * (x.ndim - 2)))
            / np.sqrt(v + eps).reshape(-1, *[1] * (x.ndim - 2)),
            w,
            b,
            (-1, *[1] * (x.ndim - 2)),
        ),
        (
            Call(T((2, 3, 4)), *STATS, T((3,)), T((3,))),
            Call(T((4, 3)), *STATS),
        ),
    ),
    layer(
        "layer_norm",
        ref.layer_norm,
        (Call(T((3, 4)), (4,), T((4,)), T((4,))), Call(T((3, 2, 4)), (2, 4), None, None, 0.1)),
    ),
    layer(
        "rms_norm",
        ref.rms_norm,
        (Call(T((3, 4)), (4,), T((4,)), 1e-5), Call(T((3, 2, 4)), (2, 4), None, 0.1)),
    ),
    layer(
        "group_norm",
        ref.group_norm,
        (Call(T((3, 4, 2)), 2, T((4,)), T((4,))), Call(T((3, 4)), 2)),
    ),
    layer(
        "normalize",
        lambda x, p=2.0, dim=1: x / np.linalg.norm(x, p, dim, keepdims=True),
        (Call(T((3, 4))), Call(T((3, 4)), 1.0, 0)),
    ),
    layer(
        "cosine_similarity",
        lambda a, b, dim=1: (
            (a * b).sum(dim) / np.linalg.norm(a, axis=dim) / np.linalg.norm(b, axis=dim)
        ),
        (Call(T((3, 4)), T((3, 4))), Call(T((3, 4)), T((3, 1)), 0)),
    ),
]

UNIT = T((3, 4), 0.1, 0.9)


def loss(name, function, *calls, **options):
    """A row for a loss; `function` gives the loss of each element."""

    def reference(x, y, *args, reduction="mean", **kwargs):
        return ref.reduced(function(x, y, *args, **kwargs), reduction)

    pair = (T((3, 4)), T((3, 4)))
    standard = [Call(*pair, reduction=r) for r in ("mean", "sum", "none")]
    return layer(name, reference, (*(calls or standard),), **options)


LOSSES = [
    loss("mse_loss", lambda x, y: (x - y) ** 2),
    loss("l1_loss", lambda x, y: np.abs(x - y)),
    loss(
        "smooth_l1_loss",
        lambda x, y, beta=1.0: np.where(
            np.abs(x - y) < beta, (x - y) ** 2 / (2 * beta), np.abs(x - y) - beta / 2
        ),
        Call(T((3, 4)), T((3, 4))),
        Call(T((3, 4)), T((3, 4)), beta=2.0, reduction="none"),
    ),
    loss(
        "huber_loss",
        lambda x, y, delta=1.0: special.huber(delta, x - y),
        Call(T((3, 4)), T((3, 4))),
        Call(T((3, 4)), T((3, 4)), delta=2.0, reduction="none"),
    ),
    loss(
        "binary_cross_entropy",
        lambda x, y, w=1.0: -w * (y * np.log(x) + (1 - y) * np.log(1 - x)),
        Call(UNIT, UNIT),
        Call(UNIT, UNIT, T((4,), 0.5, 2.0, grad=False), reduction="sum"),
    ),
    loss(
        "binary_cross_entropy_with_logits",
        lambda x, y, w=1.0, pos_weight=1.0: (
            w * (-pos_weight * y * special.log_expit(x) - (1 - y) * special.log_expit(-x))
        ),
        Call(T((3, 4)), UNIT),
        Call(T((3, 4)), UNIT, T((4,), 0.5, 2.0), reduction="none", pos_weight=T((4,), 1.0, 2.0)),
    ),
    layer(
        "kl_div",
        lambda x, y, reduction="mean", log_target=False: ref.reduced(
            np.exp(y) * (y - x) if log_target else y * (np.log(y) - x), reduction
        ),
        (Call(T((3, 4)), UNIT, reduction="sum"), Call(T((3, 4)), T((3, 4)), log_target=True)),
    ),
    layer(
        "nll_loss",
        ref.nll_loss,
        (
            Fixed(T((3, 4)), ids(0, 3, 1)),
            Fixed(T((3, 4)), ids(0, 3, 1), T((4,), 0.5, 2.0, grad=False), ignore_index=3),
            Fixed(T((2, 4, 3)), ids([[0, 3, 1], [1, 2, 2]]), reduction="none"),
        ),
    ),
    layer(
        "cross_entropy",
        ref.cross_entropy,
        (
            Fixed(T((3, 4)), ids(0, 3, 1)),
            Fixed(T((3, 4)), ids(0, 3, 1), T((4,), 0.5, 2.0, grad=False), ignore_index=3),
            Fixed(T((3, 4)), ids(0, 3, 1), reduction="sum", label_smoothing=0.1),
            Fixed(T((3, 4)), T((3, 4), 0.0, 1.0), label_smoothing=0.1),
            Fixed(T((2, 4, 3)), ids([[0, 3, 1], [1, 2, 2]]), reduction="none"),
        ),
    ),
]

ATTENTION = [
    layer(
        "scaled_dot_product_attention",
        ref.attention,
        (
            Call(T((2, 3, 4)), T((2, 5, 4)), T((2, 5, 6))),
            Call(T((2, 3, 4)), T((2, 3, 4)), T((2, 3, 4)), is_causal=True),
            Call(T((2, 3, 4)), T((2, 5, 4)), T((2, 5, 4)), T((3, 5))),
            Fixed(
                T((3, 4)),
                T((2, 4)),
                T((2, 4)),
                T(values=((True, False), (True, True), (False, True)), dtype=vt.bool, grad=False),
            ),
        ),
    )
]

NN: tuple[Row, ...] = (*WINDOWS, *NORMS, *LOSSES, *ATTENTION)
