"""Every rule that this version promises is shown by a test that names it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent

#: The rules in force, by their ids. What comes later is added here first.
RULES = frozenset(
    rule
    for family in (
        "E1 E2 E3 E4 E5 E6 E7",
        "D1 D2 D3",
        "I1 I2 I3 I4 I5 I6",
        "S1 S2 S3 S4 S5 S6",
        "W1 W2 W3 W4 W5 W6 W7 W8",
        "T1 T2 T3",
        "F1 F2 F3 F4 F5 F6",
        "R1 R2 R3 R4",
        "O3 O4 O5",
    )
    for rule in family.split()
)

#: A docstring begins with the ids of the rules it shows: `W4: ...` or `E3, D1: ...`.
HEAD = re.compile(r"^((?:[A-Z]\d(?:, )?)+)(?:\s*\([^)]*\))?:")


def _docstrings() -> list[str]:
    return [
        ast.get_docstring(node) or ""
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]


def test_every_rule_has_a_test_that_names_it() -> None:
    heads = [found.group(1) for text in _docstrings() if (found := HEAD.match(text))]
    shown = {rule for head in heads for rule in head.split(", ")}
    assert sorted(RULES - shown) == []
