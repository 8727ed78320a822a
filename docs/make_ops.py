"""Writes docs/ops.md from the registry. Run it after a change of the vocabulary:

python docs/make_ops.py
"""

from pathlib import Path

from vitrify.backends.onnx import emit  # noqa: F401  (fills the table of rules)
from vitrify.backends.onnx.registry import LEAVES, OPSETS, RULES, Simple
from vitrify.ops import REGISTRY

PATH = Path(__file__).parent / "ops.md"

HEAD = """# The vocabulary

Every op of the registry; made by `docs/make_ops.py`, and a test keeps it true.

- *kind*: a primitive has a type rule and a kernel; a composite is defined over other ops.
- *gradient*: `own` is a rule, `body` follows from the composite's body.
- *ONNX*: the operator it becomes; `rule` where it takes several, `body` where the composite's body
  is emitted instead; with the first opset where that is not {first}.

| op | kind | gradient | ONNX | what it computes |
|---|---|---|---|---|
"""


def gradient(op):
    if op.vjp is not None:
        return "own"
    return "body" if op.is_composite else ""


def onnx(op):
    if op.name in LEAVES:
        return "initializer"
    rule = RULES.get(op.name)
    if rule is None:
        return "body" if op.is_composite else "refused"
    shown = f"`{rule.lower.type}`" if isinstance(rule.lower, Simple) else "rule"
    opsets = "" if rule.since == OPSETS[0] else f" from {rule.since}"
    return shown + opsets + ("" if rule.until == OPSETS[-1] else f" to {rule.until}")


def page():
    rows = []
    for name, op in sorted(REGISTRY.items()):
        what = (op.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        kind = "composite" if op.is_composite else "primitive"
        rows.append(
            f"| `{name}` | {kind} | {gradient(op)} | {onnx(op)} | {' '.join(what.split())} |"
        )
    return HEAD.format(first=OPSETS[0]) + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PATH.write_text(page())
