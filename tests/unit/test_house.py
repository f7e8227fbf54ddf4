"""The rooms and floors of the house: nothing imports upwards or sideways."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "routekey"

# Which rooms a room may import; what stands on the ground is open to all.
GROUND = {"errors", "clock", "eager"}
DOORS = {
    "state": set(),
    "resources": {"state"},
    "expressions": set(),
    "wire": set(),
    "aws": {"wire"},
    "config": {"resources", "wire"},
    "logs": set(),
    "gateway": {"aws", "wire", "resources", "expressions", "state"},
    "control": {"wire", "resources", "expressions", "state"},
    "functions": {"wire", "resources", "state"},
    "front": {"gateway", "wire", "config"},
    "app": {"aws", "front", "gateway", "control", "functions", "wire", "resources", "state", "config"},
    "cli": {"__init__", "app", "aws", "config", "logs", "state"},
    "__main__": {"cli"},
    "__init__": {"expressions"},
}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports, type checking aside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("routekey"):
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {"__init__"}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("routekey.")}
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_rooms_below_its_own(path: Path) -> None:
    here = room(path)
    allowed = GROUND | {here} | DOORS.get(here, set()) if here not in GROUND else GROUND
    assert imports(path) <= allowed
