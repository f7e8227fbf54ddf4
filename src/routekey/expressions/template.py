"""Mapping templates: text in, function out.

Only static templates so far: one that uses the template language does not compile.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from routekey.errors import ExpressionError
from routekey.expressions.scope import Scope

Template = Callable[[Scope], str]

_DYNAMIC = re.compile(r"\$!?\{?[A-Za-z]|#(?:set|if|else|end|foreach|macro|define|stop|break|[#*\[])|\\[$#]")


def compile_template(text: str) -> Template:
    """What renders `text`. ExpressionError, with line and column, where it is more than static text."""
    match = _DYNAMIC.search(text)
    if match is not None:
        before = text[: match.start()]
        line, column = before.count("\n") + 1, match.start() - before.rfind("\n")
        raise ExpressionError(
            f"line {line}, column {column}: the template language is not available yet, only static templates are"
        )
    return lambda scope: text
