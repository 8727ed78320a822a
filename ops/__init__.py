"""The vocabulary: every op, and the functions that are short for several."""

from .compare import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from .composite.activation import (
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
)
from .composite.arithmetic import clamp, div, frac, lerp, rsub, tan
from .composite.attention import scaled_dot_product_attention
from .composite.classification import cross_entropy, nll_loss
from .composite.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from .composite.norm import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from .composite.similarity import cosine_similarity, normalize
from .contraction import einsum
from .conv import (
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    conv_weight_grad,
)
from .create import (
    arange,
    eye,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)
from .elementwise import (
    abs,
    add,
    atan2,
    cast,
    ceil,
    cos,
    erf,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    fmod,
    log,
    log1p,
    log2,
    log10,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    reciprocal,
    remainder,
    round,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    true_divide,
    trunc,
    where,
)
from .index import (
    embedding,
    gather,
    index,
    index_put,
    index_select,
    masked_fill,
    nonzero,
    one_hot,
    scatter,
    scatter_add,
    take_along_dim,
)
from .join import cat, chunk, split, split_with_sizes, stack
from .leaf import constant, parameter
from .linalg import addmm, bmm, dot, linear, matmul, mm, outer
from .pad import constant_pad, pad
from .pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_pool_indices,
)
from .reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
    var_mean,
)
from .registry import REGISTRY
from .shape import (
    clone,
    expand,
    flatten,
    flip,
    movedim,
    permute,
    reshape,
    squeeze,
    sum_to,
    transpose,
    unflatten,
    unsqueeze,
)
from .slice import narrow, select, slice_, slice_scatter, unbind
from .subscript import getitem, masked_select, setitem
from .tiling import repeat, repeat_interleave, roll, tile

# The functions and ops above; neither the files of this folder nor the registry.
__all__ = [name for name, value in globals().items() if callable(value)]
