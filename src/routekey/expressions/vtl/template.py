"""Templates as a caller sees them: compiled once, rendered with `$input`, `$context`, `$stageVariables`, `$util`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from routekey.errors import EvaluationError, ExpressionError
from routekey.expressions.jsonpath import MISSING, compile_path
from routekey.expressions.vtl.builtins import Host, Util, _lenient
from routekey.expressions.vtl.errors import Limits, TemplateError
from routekey.expressions.vtl.jsonsmart import NotReadable, read
from routekey.expressions.vtl.nodes import Node
from routekey.expressions.vtl.parser import Parser
from routekey.expressions.vtl.render import Break, Render, Stop
from routekey.expressions.vtl.values import json_text

DEFAULT_LIMITS = Limits()
_DYNAMIC = re.compile(r"[$#\\]")
_UTIL = Util()


class Input(Host):
    """`$input`: the body, parsed at most once and shared by path and json."""

    __slots__ = ("_body", "_document", "_params")

    def __init__(self, body: str, params: Mapping[str, Mapping[str, str]]) -> None:
        self._body = body
        self._document: Any = self  # itself: not parsed yet
        self._params = params

    def member(self, name: str) -> Any:
        return (self._body or "{}") if name == "body" else None

    def document(self) -> Any:
        if self._document is self:
            try:
                self._document = read(self._body) if self._body else {}
            except NotReadable:
                self._document = MISSING
        return self._document

    def find(self, path: Any) -> Any:
        if not isinstance(path, str):
            return MISSING
        document = self.document()
        if document is MISSING:
            return MISSING
        try:
            found = _path(path)(document)
        except ExpressionError as error:
            raise EvaluationError(str(error)) from None
        return found

    def path(self, path: Any) -> Any:
        found = self.find(path)
        return None if found is MISSING else found

    def json(self, path: Any) -> str:
        found = self.find(path)
        return '""' if found is MISSING or found is None else json_text(found, slashes=False)

    def params(self) -> dict[str, dict[str, str]]:
        return {name: dict(self._params.get(name, {})) for name in ("path", "querystring", "header")}

    def param(self, name: Any) -> Any:
        for group in ("path", "querystring", "header"):
            values = self._params.get(group, {})
            if name in values:
                return values[name]
        return ""

    methods = {
        ("path", 1): _lenient(lambda r, v, p: v.path(p)),
        ("json", 1): _lenient(lambda r, v, p: r.check(v.json(p))),
        ("getBody", 0): _lenient(lambda r, v: v.member("body")),
        ("params", 0): _lenient(lambda r, v: v.params()),
        ("params", 1): _lenient(lambda r, v, n: v.param(n)),
    }


@lru_cache(maxsize=1024)
def _path(text: str) -> Callable[[Any], Any]:
    return compile_path(text).find


class Template:
    """A compiled template."""

    __slots__ = ("_body", "_reads_input", "_reads_stage_variables", "context_names", "source", "static")

    def __init__(self, source: str) -> None:
        """TemplateError, with line and column, when it does not parse."""
        self.source = source
        self.static = source if not _DYNAMIC.search(source) else None  # its output, where that never changes
        try:
            parser = Parser(source)
            self._body: Node = parser.template()
        except RecursionError:
            raise TemplateError(1, 1, "the template is nested too deep") from None
        uses = parser.uses
        self._reads_input = "input" in uses.roots
        self._reads_stage_variables = "stageVariables" in uses.roots
        # The members of `$context` that it can read or set; None where that may be any.
        self.context_names: frozenset[str] | None = None if uses.whole_context else frozenset(uses.context)

    def render(
        self,
        body: str = "",
        params: Mapping[str, Mapping[str, str]] | None = None,
        context: dict[str, Any] | None = None,
        stage_variables: Mapping[str, str] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> str:
        """The output. TemplateError when a method throws or a limit is reached.

        What the template sets under `$context.requestOverride` and `responseOverride` is in `context` afterwards.
        """
        variables: dict[str, Any] = {"context": {} if context is None else context, "util": _UTIL}
        if self._reads_input:
            variables["input"] = Input(body, params or {})
        if self._reads_stage_variables:
            variables["stageVariables"] = dict(stage_variables or {})
        render = Render(variables, limits)
        try:
            self._body(render)
        except (Stop, Break):
            pass
        except EvaluationError as error:
            raise TemplateError(1, 1, str(error)) from None
        except RecursionError:
            raise TemplateError(1, 1, "the template nests too deep") from None
        return "".join(render.out)


@lru_cache(maxsize=512)
def compile_template(source: str) -> Template:
    """The template `source`, compiled; the same text is compiled once."""
    return Template(source)
