"""Expressions that mean the same in PyTorch and here, and the names they are written with.

`fixtures/make_semantics.py` evaluates them in PyTorch, `ops/test_semantics.py` evaluates them here
and compares. `T` is the library.
"""

from __future__ import annotations

from typing import Any


class _Key:
    def __getitem__(self, key: Any) -> Any:
        return key


def names(library: Any, grad: Any) -> dict[str, Any]:
    """What the expressions may refer to, made with `library` (`torch` or `vitrify`)."""
    tensor = library.tensor

    def put(x: Any, key: Any, value: Any) -> Any:
        x[key] = value
        return x

    def write(x: Any, change: Any) -> Any:
        change(x)
        return x

    def grads(function: Any, *values: Any) -> Any:
        leaves = [tensor(v, dtype=library.float64, requires_grad=True) for v in values]
        out = function(*leaves)
        return grad(out.sum(), leaves)

    return {
        "T": library,
        "K": _Key(),
        "put": put,
        "write": write,
        "grads": grads,
        "nan": float("nan"),
        "inf": float("inf"),
        "u8": tensor([1, 2, 250], dtype=library.uint8),
        "i8": tensor([-3, 0, 5], dtype=library.int8),
        "i32": tensor([-7, 0, 7], dtype=library.int32),
        "i": tensor([-7, 3, 7]),
        "b": tensor([True, False, True]),
        "h": tensor([0.5, -1.5, 2.0], dtype=library.float16),
        "bf": tensor([0.5, -1.5, 2.0], dtype=library.bfloat16),
        "f": tensor([-7.0, 2.5, 7.0]),
        "d": tensor([-7.0, 2.5, 7.0], dtype=library.float64),
        "f0": tensor(2.5),
        "d0": tensor(2.5, dtype=library.float64),
        "i0": tensor(2),
        "u0": tensor(1, dtype=library.uint8),
        "n": tensor([1.0, float("nan"), -1.0]),
        "x": library.arange(24.0).reshape(2, 3, 4),
        "m": library.arange(6.0).reshape(2, 3),
        "e": library.zeros(0, 3),
        "at": tensor([1, 0, 2]),
        "two": tensor([[0, 1], [1, 0]]),
    }


PROMOTION = """
u8 + i8 | u8 + i32 | i8 + i32 | i32 + i | b + b | b * b | b + 1 | b + 1.0 | b + u8 | i + 1.5
i32 + 1 | i32 + 1.5 | u8 + 300 | u8 + -1 | u8 * -1 | i8 + 200 | u0 - 2 | 1 - i | 2 ** h | 2.0 ** i
h + 1.5 | h + f0 | h + d0 | h + i | h + bf | h + f | bf + f | bf + 1 | f + d | f + d0 | f0 + d0
i + f0 | i + d0 | i32 + i0 | i0 + 1.5 | i0 + u0 | u8 + i0 | b + i0 | b + f0 | d0 + f | True + b
i / i | i / 2 | u8 / u8 | b / True | i32 / d0 | h / 2 | i0 / 2 | T.true_divide(i, 2) | b & b
b ^ True | i & 3 | u8.__or__(1) | ~i | ~b | i << 1 | i >> 1 | u8 >> 1 | b & i | b == 1 | i == 7.0
u8 == 300 | u8 < 300 | u8 > -1 | i8 >= -200 | i > 2.5 | b < b | h == f | T.where(b, 1, 2)
T.where(b, 1, 2.5) | T.where(b, i, 0.5) | T.where(b, h, f0) | T.where(b, i32, i0)
T.maximum(i32, i) | T.clamp(i, 0.5) | T.clamp(i, min=5, max=1) | T.clamp(u8, max=3)
T.clamp(f, i0) | T.cat([i32, i]) | T.cat([f, i]) | T.cat([h, bf]) | T.stack([i, f])
T.cat([T.zeros(0), i]) | T.cat([T.zeros(0, dtype=T.float64), f]) | i.sum() | u8.sum() | b.sum()
i32.prod() | h.sum() | b.sum(dtype=T.float32) | i.cumsum(0) | b.cumsum(0) | i.float() | f.long()
n.bool() | f.bool() | T.sqrt(i) | T.exp(b) | T.sin(u8) | T.square(b) | T.abs(i)
T.full((2,), True) | T.full((2,), 2.7, dtype=T.int64) | T.full((2,), 7) | T.arange(3)
T.arange(3.0) | T.logsumexp(i, 0) | T.sigmoid(i) | T.masked_fill(i, b, 2.7) | i.argmax()
T.atan2(i, i)
"""

DIVISION = """
i // 2 | i // -2 | f // 2 | f // -2 | i % 3 | i % -3 | f % 3 | f % -3 | 7 // i | 7 % i | f // 0
f % 0 | T.fmod(i, 3) | T.fmod(f, -3) | T.fmod(f, 0) | T.remainder(f, inf) | T.fmod(f, inf)
f // inf | u8 // 7 | T.div(i, 2, rounding_mode="trunc") | T.div(i, 2, rounding_mode="floor")
T.div(i, 2) | T.div(f, 2, rounding_mode="trunc") | T.div(f, 2, rounding_mode="floor")
T.div(f, 0, rounding_mode="trunc") | i // T.tensor([2, -2, 3]) | i.div(-2, rounding_mode="trunc")
T.floor_divide(f, 2.5) | i ** 2 | i ** 0 | i ** T.tensor([0, 1, 2]) | f ** 2 | f ** -1 | f ** 0.5
0 ** i.abs() | f ** 3
"""

SPECIAL_VALUES = """
T.round(T.tensor([0.5, 1.5, 2.5, -0.5, -1.5])) | T.round(f * 1.05, decimals=1) | T.trunc(f)
T.frac(f) | T.round(T.tensor([125.0, 135.0]), decimals=-1) | T.maximum(n, T.zeros(3))
T.minimum(n, T.zeros(3)) | T.amax(n) | T.amin(n) | T.argmax(n) | T.argmin(n) | T.clamp(n, 0, 1)
T.sign(n) | T.sign(T.tensor([-0.0, inf, -inf])) | n > 0 | n != n | T.relu(n) | T.sqrt(f)
T.log(f * 0) | T.log(f) | f / 0 | (f * 0) / 0 | T.rsqrt(f * 0) | T.exp(f * 100) | -(f * 0)
T.logsumexp(f * inf, 0) | T.logsumexp(T.zeros(0), 0) | T.logsumexp(e, 0) | T.softmax(f * 100, 0)
n.sum() | n.mean() | n.prod() | T.count_nonzero(n) | T.any(n) | T.all(n) | n.isnan()
n.isfinite() | T.isclose(n, n) | T.isclose(n, n, equal_nan=True) | T.isclose(f, f + 1e-6)
i.isinf() | i.isnan() | f[:1].var() | f[:1].std() | f.var(correction=0) | f.std(0, False)
f.var(0, keepdim=True) | e.sum() | e.sum(0) | e.sum(1) | e.prod(0) | e.mean(0) | e.amax(1)
e.any(0) | e.all(0) | e.cumsum(0) | f0.sum(0) | f0.amax(0) | f0.argmax(0) | f0.cumsum(0)
f0.softmax(0) | f0.flatten() | f0.squeeze(0) | T.pow(f * 0, 0) | T.pow(f * 0, -1) | 0.0 ** (f * 0)
T.argmax(m, keepdim=True) | T.argmax(T.tensor([3, 3]))
"""

GRADIENTS = """
grads(lambda a, c: T.maximum(a, c), [1.0, 2.0, nan], [1.0, 1.0, 1.0])
grads(lambda a, c: T.minimum(a, c), [1.0, 2.0, 0.0], [1.0, 1.0, 1.0])
grads(lambda a: a.amax(), [3.0, 1.0, 3.0]) | grads(lambda a: a.amin(0), [[1.0, 2.0], [1.0, 0.0]])
grads(lambda a: a.clamp(0.0, 1.0), [-1.0, 0.0, 0.5, 1.0, 2.0, nan])
grads(T.relu, [-1.0, 0.0, 1.0])
grads(lambda a, c, e: T.clamp(a, c, e), [0.0, 1.0, 9.0, 5.0], [1.0] * 3 + [7.0], [2.0] * 3 + [6.0])
grads(lambda a: a ** 2, [0.0, -1.5]) | grads(lambda a: a ** 0, [0.0, 2.0])
grads(lambda a: a ** 0.5, [0.0]) | grads(lambda a: a ** 1, [0.0])
grads(lambda a, c: a ** c, [0.0, 0.0, 2.0], [0.0, 2.0, 3.0])
grads(lambda a: 0.0 ** a, [0.0, 1.0]) | grads(lambda a: 2.0 ** a, [0.0, 1.0])
grads(T.sqrt, [0.0, 4.0]) | grads(T.abs, [-1.0, 0.0, 1.0]) | grads(T.sign, [0.0, 2.0])
grads(T.floor, [0.5]) | grads(lambda a: a.std(), [2.0, 2.0])
grads(lambda a: a.prod(), [0.0, 2.0, 3.0]) | grads(lambda a: a.prod(), [0.0, 0.0, 3.0])
grads(lambda a: a.prod(0), [[0.0, 1.0], [2.0, 0.0]])
grads(lambda a: T.where(a > 0, T.log(a), 0.0), [2.0, -1.0])
grads(lambda a: a % 2.0, [5.0, -5.0]) | grads(lambda a, c: T.fmod(a, c), [5.0, -5.0], [3.0, 3.0])
grads(lambda a: a / 0.0, [1.0]) | grads(lambda a: a.expand(3, 2), [1.0, 2.0])
grads(lambda a: a[[0, 0, 1]] * 2, [1.0, 2.0]) | grads(lambda a: a.cumsum(0) * a, [1.0, 2.0])
grads(lambda a: T.where(a > 0, a * inf, a), [-1.0]) | grads(lambda a: T.cat([a, a * 2]), [1.0])
grads(lambda a: a.logsumexp(0), [1.0, 1.0])
"""

MORE_OPS = """
m.max() | m.max(1) | m.max(0, True) | m.min(-1) | n.max() | n.max(0) | f0.max(0) | m.max(f)
i.min() | T.max(m, dim=1) | m.norm() | m.norm(1, 1) | m.norm(inf, 0, True) | m.norm(3, dim=1)
m.norm(dim=(0, 1)) | grads(lambda a: a.max(0)[0], [2.0, 2.0])
grads(lambda a: a.max(), [2.0, 2.0]) | grads(T.norm, [0.0, 0.0])
grads(lambda a: a.norm(1), [0.0, -2.0]) | grads(lambda a: a.norm(inf), [3.0, -3.0])
m.repeat(2, 1) | f.repeat(2, 2) | f.tile(2) | m.tile(2) | f.repeat_interleave(2)
m.repeat_interleave(2, 0) | m.roll(1) | m.roll(-1, 1) | m.roll((1, 4), (0, 1)) | e.roll(1, 0)
T.var_mean(m, 1) | f.lerp(d.float(), 0.5) | T.addmm(f[:2], m, m.t())
T.addmm(f[:2], m, m.t(), beta=2, alpha=0.5) | T.tan(i) | T.tensor(T.equal(f, f))
T.tensor(T.equal(f, f[:2])) | T.tensor(T.allclose(f, f + 1e-7)) | T.einsum("ij,kj->ik", m, m)
T.einsum("ij", m) | T.einsum("ji", m) | T.einsum("...ij->...", x) | T.einsum("ii", m[:, :2])
T.einsum("ii->i", m[:, :2]) | T.einsum("bij,bkj->bik", x, x) | T.einsum("i,j->ji", f, f)
"""

INDEXING = """
x[1] | x[-1, 0] | x[0, 1, 2] | x[1:] | x[:, 1:3] | x[..., ::2] | x[:, -2:] | x[5:] | x[:, 2:1]
x[None] | x[:, None, 1] | x[..., None] | x[0, ..., 1] | x[...] | x[()] | x[:, :, -9:2] | f0[...]
f0[None] | x[at[:2]] | x[:, at] | x[:, at, at] | x[two] | x[two, at[0]] | x[two[0], :, at[:2]]
x[0, :, at] | x[:, 1, at] | x[at[0], :, at] | x[:, at[:2], 1:3] | x[None, at[:2]]
x[at[:2], None] | x[..., at] | x[i0 - 1] | x[i0 - 1, at] | x[[0, 1]] | x[[0, 1], [1, 2]]
x[:, [True, False, True]] | x[[-1]] | x[two[:, :, None][:, :1], at] | x[x > 5]
x[:, T.tensor([True, False, True])] | m[m > 2] | m[T.tensor([True, False])] | x[m > 2] | x[m > 9]
x[T.tensor([True, False]), 1] | x[T.tensor([True, True]), :, at[:2]] | f0[T.tensor(True)]
f[T.tensor(False)] | x[0, T.tensor([True, False, True]), 1:]
m[two[0], T.tensor([False, True, True])] | x.index_select(1, at)
x.gather(2, two[None].expand(2, 2, 2)) | m.take_along_dim(two, 1) | m.narrow(1, 1, 2)
m.select(1, -1) | m.nonzero() | T.nonzero(m, as_tuple=True) | f0.nonzero() | (f0 * 0).nonzero()
m.split(2, 1) | m.chunk(2, 1) | m.unbind(1) | m.split([1, 2], 1) | T.masked_select(m, m > 2)
m.scatter(1, two, 9.0) | m.scatter(1, two, T.ones(2, 2)) | m.scatter_add(1, two, T.ones(2, 2))
m.flip(0, 1) | m.flip([1]) | m.scatter_add(1, two[:, :1], T.ones(2, 3)) | e.split(2) | e.chunk(3)
m.movedim(0, -1) | x.permute(2, 0, 1)
"""

WRITES = """
put(m, 0, 9) | put(m, K[:, 1], T.tensor([7.0, 8.0])) | put(m, K[...], 1) | put(m, K[1, 2], f0)
put(m, K[:], f) | put(x, K[0, :, 1:3], T.ones(3, 1)) | put(m, K[:, ::2], 0)
put(m, K[None, 0], T.ones(1, 3)) | put(m, 0, T.ones(1, 1, 3)) | put(m, m > 2, -1)
put(m, m > 2, T.tensor([1.0, 2.0, 3.0])) | put(m, T.tensor([True, False]), 5) | put(i, b, 1.9)
put(x, K[:, at], 0) | put(x, K[at[:2], :, at[:2]], T.ones(2, 3)) | put(x, K[0, :, at], f[:, None])
put(x, K[at[0], :, at], T.arange(9.0).reshape(3, 3)) | put(x, K[two[0], at[:2]], T.ones(4))
put(m, [1], 3) | put(m, K[[0, 1], [1, 2]], T.tensor([5.0, 6.0])) | put(i32, 0, 2.9)
put(m, K[0, 1], 7.5) | put(f0, K[...], 1) | write(m, lambda a: a[0].mul_(2))
write(m, lambda a: a.t()[1:].add_(1)) | write(x, lambda a: put(a[0], K[:, 1], 0))
write(x, lambda a: a.reshape(6, 4)[2].zero_())
write(x, lambda a: a.permute(2, 0, 1)[0].fill_(7)) | write(m, lambda a: a.unbind(1)[2].neg_())
write(m, lambda a: a.split(1)[1].copy_(T.zeros(3)))
write(m, lambda a: a.unsqueeze(0).squeeze(0).add_(1))
write(m, lambda a: a.view(-1)[::2].zero_()) | write(m, lambda a: put(a[1], a[1] > 3, 0))
write(m, lambda a: put(a[:, 1:], K[at[:1]], 9))
"""

ERRORS = """
b - b | -b | i & 1.5 | f.__or__(f) | ~f | b << b | i << 1.5 | T.floor(b) | T.abs(b) | b // b
b % b | T.pow(b, b) | i ** -1 | i // 0 | i % 0 | T.fmod(i, 0) | i.mean() | T.argmax(b)
T.where(i, f, f) | T.matmul(f, i) | T.matmul(b, b) | T.mm(f, f) | m @ m | T.dot(m, f) | f + m.t()
f.sum(1) | f.sum(-2) | m.sum((0, 0)) | m.sum((0, -2)) | f.unsqueeze(3) | m.permute(0)
m.permute(0, 0) | m.transpose(0, 2) | m.movedim((0, 1), 0) | m.movedim((0, 0), (0, 1))
f.reshape(2) | m.reshape(-1, -1) | m.reshape(-2, -3) | e.reshape(-1, 0) | m.reshape(4, -1)
f.expand(-1, 3) | f.expand(2) | f.expand(2, 4) | m.flatten(1, 0) | m.unflatten(1, (2, 2)) | f[3]
f[-4] | m[0, 0, 0] | f[::0] | f[::-1] | f[1.5] | f[f] | f0[0] | f["a"] | f[T.tensor([3])]
m[T.tensor([[True, False]])] | f[T.tensor([True, False])] | put(f, K[T.tensor([True])], 1)
m.split([1, 1], 1) | m.split(0) | m.chunk(0) | m.narrow(1, 2, 2) | m.narrow(0, 0, -1)
m.select(1, 3) | f0.unbind() | T.cat([]) | T.stack([]) | T.cat([f, m]) | T.cat([m, x])
T.cat([f0, f0]) | T.stack([f, m]) | T.cat([m, m], 2) | e.amax() | e.amax(0) | e.argmax(0)
T.zeros(2, 0).amax(1) | T.amin(T.zeros(0)) | f.tril() | f.gather(0, two)
m.gather(1, f[None].float()) | m.gather(1, two[:, None]) | m.index_select(1, two)
m.scatter_add(1, two, T.ones(1, 1)) | T.full((2,), 300, dtype=T.uint8) | T.full((-1,), 1)
T.zeros(-2) | T.arange(0, 5, 0) | T.linspace(0, 1, -1) | T.clamp(f)
T.div(f, 2, rounding_mode="up") | put(m, 0, T.ones(4)) | put(m, 2, 1)
put(m, K[:, T.tensor([5])], 1) | put(f, 0, T.ones(2, 1)) | m.squeeze(2) | m.flip(2) | m.softmax(2)
f.cumsum(1) | T.tensor([1, 2]).matmul(f) | m.bmm(m)
"""

GROUPS = {
    name: [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]
    for name, text in {
        "promotion": PROMOTION,
        "division": DIVISION,
        "special values": SPECIAL_VALUES,
        "gradients": GRADIENTS,
        "more ops": MORE_OPS,
        "indexing": INDEXING,
        "writes": WRITES,
        "errors": ERRORS,
    }.items()
}
