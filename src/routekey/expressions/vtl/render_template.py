"""Rendering a mapping template without a gateway."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from routekey.expressions.vtl.template import compile_template


def render_template(
    template: str,
    *,
    body: str | bytes = "",
    params: Mapping[str, Mapping[str, str]] | None = None,
    context: Mapping[str, Any] | None = None,
    stage_variables: Mapping[str, str] | None = None,
) -> str:
    """The output of a mapping template, as the gateway would render it (spec vtl).

    `params` is what `$input.params()` gives: `{"path": {}, "querystring": {}, "header": {}}`. Raises TemplateError,
    with `line`, `column` and `message`, for a template that does not parse or that fails.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    values = copy.deepcopy(dict(context or {}))
    values.setdefault("requestOverride", {"header": {}, "path": {}, "querystring": {}})
    values.setdefault("responseOverride", {"header": {}})
    return compile_template(template).render(text, params, values, stage_variables)
