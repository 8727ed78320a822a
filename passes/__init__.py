"""Passes: from graph to graph.

A pass is a function; `pipeline` makes a checked list of passes, which is one, too. A `rule` says in
the ops' own language what `rewrite` replaces by what.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from ..tensor import Tensor
from .canonicalize import canonicalize
from .decompose import decompose
from .eliminate_common_subexpressions import eliminate_common_subexpressions
from .eliminate_dead_code import eliminate_dead_code
from .fold_batch_norm import fold_batch_norm
from .fold_constants import fold_constants, fold_parameters
from .pipeline import Pass, Pipeline, pipeline, until_stable
from .rewrite import Rule, decline, defined_by, observing, rewrite, rule


def optimize(state: MutableMapping[str, Tensor]) -> Pipeline:
    """The passes that are good for every target, for a program whose weights no longer change.

    Args:
        state: The tensors that `parameter` nodes name; folded ones are added.
    """
    return pipeline(
        eliminate_dead_code,
        until_stable(fold_constants, canonicalize, eliminate_common_subexpressions),
        fold_batch_norm,
        fold_parameters(state),
        until_stable(fold_constants, canonicalize, eliminate_common_subexpressions),
    )


__all__ = [
    "Pass",
    "Pipeline",
    "Rule",
    "canonicalize",
    "decline",
    "decompose",
    "defined_by",
    "eliminate_common_subexpressions",
    "eliminate_dead_code",
    "fold_batch_norm",
    "fold_constants",
    "fold_parameters",
    "observing",
    "optimize",
    "pipeline",
    "rewrite",
    "rule",
    "until_stable",
]
