"""Symbolic sizes: their algebra agrees with Python's integers, and they never answer wrongly."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitrify.ir import dims
from vitrify.ir.dims import Condition, Dim, Size, maximum, minimum, same, symbol
from vitrify.ir.dims_text import parse_size
from vitrify.ir.errors import ArgumentError, ConstraintError

n, m, k = symbol("n"), symbol("m"), symbol("k")
batch, seq = symbol("batch"), symbol("seq")


# --- simplification, one example a rule -----------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (lambda: n + m - n, "m"),
        (lambda: (n + 1) * (n - 1), "n**2 - 1"),
        (lambda: seq * batch * 2, "2*batch*seq"),
        (lambda: 1 + 2 * batch, "2*batch + 1"),
        (lambda: m - n, "m - n"),
        (lambda: n - m, "n - m"),
        (lambda: -n - m, "-m - n"),
        (lambda: 3 - n, "3 - n"),
        (lambda: -(n // 2), "-(n//2)"),
        (lambda: 1 - n // 2, "1 - n//2"),
        (lambda: n**3, "n**3"),
        # floordiv
        (lambda: (4 * n) // 4, "n"),
        (lambda: (4 * n + 8) // 4, "n + 2"),
        (lambda: (4 * n + 3) // 4, "n"),
        (lambda: (n + 5) // 4, "(n + 1)//4 + 1"),
        (lambda: (seq + 3) // 2, "(seq + 1)//2 + 1"),
        (lambda: (2 * n + 1) // 4, "n//2"),
        (lambda: n // 1, "n"),
        (lambda: n // -2, "-n//2"),
        (lambda: (n * k) // n, "k"),
        (lambda: (n * k + n) // n, "k + 1"),
        (lambda: (n * k + n) // (k + 1), "n"),
        (lambda: (8 * batch * seq + 8 * batch) // (2 * seq + 2), "4*batch"),
        (lambda: (3 * n * m) // (2 * n), "3*m//2"),
        (lambda: (n // 3 + 1) // 2, "(n + 3)//6"),
        (lambda: symbol("s", min=0, max=3) // 4, "0"),
        (lambda: symbol("s", min=4, max=7) // 4, "1"),
        (lambda: n // (n + 1), "0"),
        (lambda: 7 // n, "7//n"),
        (lambda: n // m, "n//m"),
        (lambda: n // (m * k), "n//(k*m)"),
        (lambda: n // m // k, "(n//m)//k"),
        (lambda: n // -m, "-n//m"),
        (lambda: n // (m - 1), "n//(m - 1)"),
        (lambda: n // (m - 5) * (m - 5) ** 2, None),
        # mod
        (lambda: (4 * n) % 4, "0"),
        (lambda: (4 * n + m + 9) % 4, "(m + 1) % 4"),
        (lambda: (2 * n + 3) % 4, "2*((n + 1) % 2) + 1"),
        (lambda: n % 1, "0"),
        (lambda: (n * k) % n, "0"),
        (lambda: symbol("s", min=0, max=3) % 4, "s"),
        (lambda: symbol("s", min=-4, max=-1) % 4, "s + 4"),
        (lambda: (n % 8 + m) % 4, "(m + n) % 4"),
        (lambda: (n + -n % 4) % 4, "0"),
        (lambda: n % -4, "-(-n % 4)"),
        (lambda: n % (n + 1), "n"),
        (lambda: n % 4 + 1, "n % 4 + 1"),
        (lambda: 2 * (n % 4), "2*(n % 4)"),
        (lambda: (n % 4) // 3, "(n % 4)//3"),
        # min and max
        (lambda: minimum(n, m, n), "min(m, n)"),
        (lambda: minimum(m, minimum(n, 7), 5), "min(m, n, 5)"),
        (lambda: minimum(n, n + 1), "n"),
        (lambda: maximum(n, 1), "n"),
        (lambda: minimum(n, 1), "1"),
        (lambda: minimum(seq, seq // 2), "seq//2"),
        (lambda: maximum(seq - seq % 4, 0), "seq - seq % 4"),
        (lambda: maximum(n - minimum(n, 5), 0), "n - min(n, 5)"),
        (lambda: maximum(3, 5), "5"),
        (lambda: maximum(n, m) - n, "max(m, n) - n"),
        (lambda: dims.product([batch, 3, seq]), "3*batch*seq"),
        (lambda: dims.product([]), "1"),
    ],
)
def test_normal_form_reads_well_and_reads_back(size: Callable[[], Size], text: str | None) -> None:
    value = size()
    if text is not None:
        assert str(value) == text
    names = {s.name: symbol(s.name, s.min, s.max) for s in dims.symbols(value)}
    assert same(parse_size(str(value), names), value)


def test_text_does_not_depend_on_the_order_of_creation() -> None:
    assert str(n * m + k) == str(k + m * n) == "m*n + k"
    assert repr(n + 1) == "n + 1"


def test_a_constant_result_is_an_int() -> None:
    for size in (n - n, 0 * n, n**0, (n + 2) - n, n // n, n % n, minimum(n, m) - minimum(m, n)):
        assert type(size) is int
    assert type(n * True) is Dim


def test_a_divisor_that_may_be_zero_stays() -> None:
    zero = symbol("z", min=0)
    assert str(zero // zero) == "z//z"
    assert str(0 % zero) == "0 % z"
    with pytest.raises(ZeroDivisionError):
        dims.evaluate(zero // zero, {"z": 0})
    for divide in (lambda: n // 0, lambda: n % 0, lambda: (n - n + 3) % (n - n)):
        with pytest.raises(ZeroDivisionError):
            divide()


def test_symbols_check_their_limits_and_names() -> None:
    with pytest.raises(ValueError, match="min=3 above max=2"):
        symbol("n", min=3, max=2)
    with pytest.raises(ValueError, match="like a Python variable"):
        symbol("a b")
    assert not same(symbol("n", min=2), n)


# --- bounds and comparisons -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (lambda: 7, (7, 7)),
        (lambda: n, (1, None)),
        (lambda: 3 - n, (None, 2)),
        (lambda: n * symbol("h", min=2, max=5), (2, None)),
        (lambda: symbol("h", min=-2, max=5) ** 2, (0, 25)),
        (lambda: n % 4, (0, 3)),
        (lambda: n - n // 2, (1, None)),
        (lambda: n - n // m, (0, None)),
        (lambda: n - n % 8, (0, None)),
        (lambda: minimum(n, 5), (1, 5)),
        (lambda: maximum(n, 5), (5, None)),
        (lambda: n - minimum(n, m), (0, None)),
        (lambda: 10**400 * n, (10**400, None)),
        (lambda: 12 // symbol("z", min=0, max=5), (2, 12)),
    ],
)
def test_bounds(size: Callable[[], Size], expected: tuple[int | None, int | None]) -> None:
    assert dims.bounds(size()) == expected


def test_comparisons_that_the_bounds_decide_ask_nobody() -> None:
    assert n == n + 0 and n + 1 > n and n >= 1 and n > 0 and bool(n)
    assert (n != m + n - m) is False
    assert seq // 2 <= seq and not seq < seq // 2
    assert 2 * n != 3 and 2 * n != 4 * m + 1  # parity
    assert (n == 0, n == 0.5, n == -2.0, n != 0.5) == (False, False, False, True)
    assert minimum(n, m) <= n


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: batch == 1, "batch == 1"),
        (lambda: 1 == batch, "batch == 1"),  # noqa: SIM300
        (lambda: batch == 1.0, "batch == 1"),
        (lambda: batch != 1.0, "batch == 1"),
        (lambda: 2 * batch == 2, "batch == 1"),
        (lambda: 4 < batch, "batch > 4"),  # noqa: SIM300
        (lambda: batch + 3 <= seq, "batch + 3 <= seq"),
        (lambda: seq >= batch + 3, "batch + 3 <= seq"),
        (lambda: -batch > -5, "batch < 5"),
        (lambda: bool(batch - seq), "batch != seq"),
        (lambda: symbol("i", min=None) + 4 == 0, "i == -4"),
        (lambda: batch * seq != 6 * batch + 2, "batch*seq != 6*batch + 2"),
    ],
)
def test_open_comparisons_ask_the_decider(ask: Callable[[], bool], text: str) -> None:
    with pytest.raises(ConstraintError) as raised:
        ask()
    assert str(raised.value) == (
        f"cannot decide whether {text}: it depends on the size the program is called with"
    )
    asked: list[Condition] = []

    def answer(condition: Condition) -> bool:
        asked.append(condition)
        return True

    with dims.deciding_with(answer):
        ask()
    assert [str(condition) for condition in asked] == [text]
    with pytest.raises(ConstraintError):
        ask()


def test_conditions_are_values() -> None:
    first, second = Condition(2 * n, "==", 2 * m), Condition(m - n, "==", 0)
    assert first == second and hash(first) == hash(second) and len({first, second}) == 1
    assert first != Condition(n, "!=", m) and first != "n == m"
    assert first.evaluate({"n": 3, "m": 3}) and not first.evaluate({"n": 3, "m": 4})
    assert Condition(n, ">=", 1).decided() is True
    assert Condition(n, "<", 1).decided() is False
    assert Condition(n, "<", 2).decided() is None
    assert Condition(2, "<", 3).decided() is True


def test_dims_are_dictionary_keys_without_asking() -> None:
    table = {n + m: "sum", n: "n", (n // 2, 3): "shape"}
    assert table[m + n] == "sum" and table[symbol("n")] == "n" and table[(n // 2, 3)] == "shape"
    assert 1 not in {n: 0}
    assert dims.same_shape((n, 3), (n, 3)) and not dims.same_shape((n, 3), (m, 3))
    assert not dims.same_shape((n,), (n, 1))


def test_objects_that_are_no_sizes_are_unequal_or_refused() -> None:
    assert (n == "n") is False and (n != None) is True  # noqa: E711
    for operation in (lambda: n + "1", lambda: n < "1", lambda: n ** "1"):  # pyright: ignore
        with pytest.raises(TypeError):
            operation()
    for operation in (lambda: n * 1.5, lambda: 1.5 - n, lambda: n**0.5, lambda: np.float32(2) * n):  # pyright: ignore
        with pytest.raises(ConstraintError, match="the size `n` is symbolic"):
            operation()


def test_numpy_integers_are_integers() -> None:
    three = np.int64(3)
    for size in (n * three, three * n):  # pyright: ignore[reportOperatorIssue]
        assert str(size) == "3*n"
    assert str(three - n) == "3 - n"  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(ConstraintError, match="cannot decide whether n == 3"):
        bool(three == n)


def test_one_value_is_refused_with_the_reason() -> None:
    for convert in (range, int, float, [0, 1].__getitem__):
        with pytest.raises(ConstraintError, match="the size `batch` is symbolic and has no single"):
            convert(batch)
    for divide in (lambda: batch / 2, lambda: 2 / batch, lambda: batch**-1):
        with pytest.raises(ConstraintError, match=r"no plain float of it\n.*n // 2 for a size"):
            divide()


def test_refusals_to_give_a_value_are_observed() -> None:
    seen: list[dims.Dim] = []
    with dims.deciding_with(lambda condition: True, observer=lambda size, *_: seen.append(size)):
        for use in (lambda: int(n), lambda: n / 2, lambda: hash(n), lambda: {3: 1}.get(n)):  # pyright: ignore
            with pytest.raises(ConstraintError):
                use()
    assert len(seen) == 4 and all(same(size, n) for size in seen)
    assert hash(n) == hash(symbol("n"))


def test_copies_are_the_same() -> None:
    size = minimum(n // 2, m) + 1
    for twin in (copy.deepcopy(size), pickle.loads(pickle.dumps(size))):
        assert same(twin, size) and str(twin) == "min(m, n//2) + 1"


# --- evaluation, substitution, solving ------------------------------------------------------------


def test_evaluate_substitute_symbols() -> None:
    size = minimum(seq // 2 + batch, 9) % 4
    assert [s.name for s in dims.symbols(size)] == ["batch", "seq"]
    assert dims.evaluate(size, {"batch": 2, "seq": 9}) == 2
    assert dims.evaluate(5, {}) == 5
    with pytest.raises(KeyError, match="seq"):
        dims.evaluate(size, {"batch": 1})
    with pytest.raises(KeyError):
        dims.evaluate(n * m - n * m + minimum(n, m), {"n": 0})
    assert str(dims.substitute(seq // 2 + batch, {"seq": 4 * n})) == "batch + 2*n"
    assert dims.substitute(3, {"seq": 1}) == 3


def test_solve() -> None:
    assert dims.solve(2 * n + 1, 7) == {"n": 3}
    assert dims.solve(3 - n, 1) == {"n": 2}
    assert dims.solve(2 * n, 7) is None
    assert dims.solve(n + m, 7) is None
    assert dims.solve(n * m, 6) is None
    assert dims.solve(n**2, 4) is None
    assert dims.solve(n // 2, 4) is None
    assert (dims.solve(4, 4), dims.solve(4, 5)) == ({}, None)


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a number"),
        ("n +", "expected a number .* at position 3"),
        ("n m", "unexpected 'm' at position 2"),
        ("2 * q", "unknown symbol 'q' at position 4"),
        ("min(" + "n," * 70 + "?)", "unexpected character at position 144"),
        ("n ? 2", "unexpected character at position 2"),
        ("(n", r"expected '\)' at position 2"),
        ("min(n", r"expected '\)'"),
        ("n.__class__", "unexpected character at position 1"),
        ("n // 0", "division by zero"),
        ("n**-1", "expected a number"),
        ("n**m", "expected a number"),
        ("n**65", "exponent 65 is too large"),
        ("(n**64)**2", "grows too large"),
        ("9**64**64", "unexpected|too large"),
        ("(a + b + c + d + e)**60", "grows too large"),
        ("9" * 61, "at most 60 digits"),
        ("9" * 60 + "*10", "grows too large"),
        ("(" * 60 + "n" + ")" * 60, "too deeply nested"),
        ("-" * 60 + "n", "too deeply nested"),
        ("n" * 10_001, "too long"),
        ("min(" + "n," * 70 + "n)", "too many arguments"),
    ],
)
def test_garbage_is_refused_with_its_position(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_size(text, {name: symbol(name) for name in ("n", "a", "b", "c", "d", "e")})


def test_text_has_the_precedence_of_python() -> None:
    names, values = {"n": n, "m": m}, {"n": 7, "m": 3}
    for text in (
        "-n**2 + m",
        "-n//2",
        "n - m - 1",
        "n//m*m",
        "2*n//3 % m",
        "(n + m)**2 % 7",
        "--n",
    ):
        assert dims.evaluate(parse_size(text, names), values) == eval(text, dict(values))


def test_symbols_may_be_called_min() -> None:
    assert str(parse_size("min + min(min, 3)", {"min": symbol("min")})) == "min + min(min, 3)"


# --- properties -----------------------------------------------------------------------------------

RANGES = {"a": (1, 6), "b": (0, 5), "c": (-4, 4), "d": (2, 9)}
OPERATIONS: dict[str, Callable[[Size, Size], Size]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "//": lambda x, y: x // y,
    "%": lambda x, y: x % y,
    "min": minimum,
    "max": maximum,
}
Tree = int | str | tuple[str, "Tree", "Tree"]

trees: st.SearchStrategy[Tree] = st.recursive(
    st.integers(-6, 8) | st.sampled_from(sorted(RANGES)),
    lambda inner: st.tuples(st.sampled_from(sorted(OPERATIONS)), inner, inner),
    max_leaves=10,
)
environments = st.fixed_dictionaries({name: st.integers(*ends) for name, ends in RANGES.items()})
limits = st.sampled_from([(True, True), (True, False), (False, True), (False, False)])


def compute(tree: Tree, env: dict[str, Size]) -> Size:
    if isinstance(tree, tuple):
        operation, left, right = tree
        return OPERATIONS[operation](compute(left, env), compute(right, env))
    return env[tree] if isinstance(tree, str) else tree


def compute_both(tree: Tree, env: dict[str, int], known: tuple[bool, bool]) -> tuple[Size, int]:
    """The tree as a size and as Python's own integer; rejects trees that divide by zero."""
    unknowns: dict[str, Size] = {
        name: symbol(name, low if known[0] else None, high if known[1] else None)
        for name, (low, high) in RANGES.items()
    }
    try:
        return compute(tree, unknowns), int(compute(tree, dict(env)))
    except ZeroDivisionError:
        return 0, 0


@settings(max_examples=400, deadline=None)
@given(trees, environments, limits)
def test_arithmetic_is_that_of_integers(
    tree: Tree, env: dict[str, int], known: tuple[bool, bool]
) -> None:
    size, value = compute_both(tree, env, known)
    assert type(size) is int or isinstance(size, Dim)
    assert dims.evaluate(size, env) == value
    low, high = dims.bounds(size)
    assert (low is None or low <= value) and (high is None or value <= high)


@settings(max_examples=400, deadline=None)
@given(trees, limits)
def test_text_reads_back_as_the_same_size(tree: Tree, known: tuple[bool, bool]) -> None:
    size, _ = compute_both(tree, {name: low or 1 for name, (low, _) in RANGES.items()}, known)
    names = {s.name: symbol(s.name, s.min, s.max) for s in dims.symbols(size)}
    back = parse_size(str(size), names)
    assert same(back, size) and hash(back) == hash(size) and str(back) == str(size)
    assert same(dims.substitute(size, {}), size)


@settings(max_examples=400, deadline=None)
@given(trees, trees, environments, limits)
def test_decided_comparisons_are_right(
    left: Tree, right: Tree, env: dict[str, int], known: tuple[bool, bool]
) -> None:
    (a, x), (b, y) = compute_both(left, env, known), compute_both(right, env, known)
    assert not same(a, b) or x == y
    # What is not decided is asked, and the condition must then say the same as Python.
    with dims.deciding_with(lambda condition: condition.evaluate(env)):
        assert (a == b, a != b, a < b, a <= b, a > b, a >= b, bool(a)) == (
            (x == y, x != y, x < y, x <= y, x > y, x >= y, bool(x))
        )  # fmt: skip


@pytest.mark.parametrize("arguments", [("a b",), ("",), (3,), ("n", 5, 2), ("n", 1.5), ("n", "1")])
def test_symbols_that_cannot_be_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ArgumentError):
        symbol(*arguments)  # pyright: ignore[reportArgumentType]
