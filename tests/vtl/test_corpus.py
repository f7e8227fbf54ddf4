"""The whole corpus: templates and paths whose answers the real engines gave."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from routekey.errors import EvaluationError, ExpressionError
from routekey.expressions.jsonpath import MISSING, compile_path
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.template import Template

FOLDER = Path(__file__).parent / "corpus"

# Cases that come out otherwise here. This list may only shrink.
KNOWN_MISSES: set[str] = set()


def cases() -> list[Any]:
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        document = json.loads(file.read_text())
        found += document if isinstance(document, list) else []
    return found


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in cases()])
def test_a_template_renders_as_the_real_engine_does(case: Any) -> None:
    context = copy.deepcopy(case.get("context") or {})
    overridden = case.get("expected_overrides") is not None
    if overridden:
        context["requestOverride"] = {"header": {}, "path": {}, "querystring": {}}
        context["responseOverride"] = {"header": {}}
    try:
        got: Any = Template(case["template"]).render(
            case.get("body", ""), case.get("params"), context, case.get("stageVariables")
        )
    except TemplateError as error:
        got = error
    if case["name"] in KNOWN_MISSES:
        pytest.skip("a known miss")
    if "expected_error" in case:
        assert isinstance(got, TemplateError)
    else:
        assert got == case["expected"]
    if overridden:
        for name, expected in case["expected_overrides"].items():
            assert used(context[name]) == used(expected)


def used(override: Any) -> Any:
    """An override without the groups that nothing was set in."""
    return {name: value for name, value in override.items() if value != {}}


VALUES = json.loads((FOLDER / "jsonpath_values.json").read_text())


@pytest.mark.parametrize("case", VALUES["cases"], ids=lambda case: case["path"])
def test_a_path_finds_what_jayway_finds(case: Any) -> None:
    if "expected_error" in case:
        with pytest.raises((ExpressionError, EvaluationError)):
            compile_path(case["path"]).find(VALUES["document"])
        return
    path = compile_path(case["path"])
    found = path.find(VALUES["document"])
    assert path.definite == case["definite"]
    assert (found is not MISSING and found is not None) == case["found"]
    if case["found"]:
        assert found == case["value"]
