"""Mapping templates of an integration or its response: which one a message gets, and its output (spec 4.6, 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from routekey.errors import EvaluationError, ExpressionError, GatewayError, ResponseType
from routekey.expressions.selection import Selection, compile_selection
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.template import Template, compile_template
from routekey.expressions.vtl.values import text
from routekey.gateway.integrations.answers import Answer
from routekey.gateway.invocation import Invocation
from routekey.resources.base import ABSENT, Maybe

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """Which of several templates a message or an answer gets."""

    templates: dict[str, Template]
    selection: Selection | None

    @property
    def constant(self) -> Template | None:
        """The template that every message gets, where that is settled beforehand."""
        if self.selection is None:
            return self.templates.get("$default") or self.templates.get(JSON)
        return self._of(self.selection.static) if self.selection.static is not None else None

    def pick(self, invocation: Invocation, response: Answer | None = None) -> Template | None:
        """The template of a message, or of the answer `response` to it; None where none fits."""
        templates = self.templates
        if not templates:
            return None
        if self.selection is not None:
            found = self._of(self.selection.evaluate(invocation, response))
            if found is not None or response is None:
                return found
        found = templates.get("$default")
        if found is not None:
            return found
        if response is None:
            request = invocation.request
            return templates.get(media_type(request.header("content-type")) or JSON if request is not None else JSON)
        return templates.get(media_type(response.content_type)) or templates.get(JSON)

    def _of(self, key: str) -> Template | None:
        return self.templates.get(key) or self.templates.get("$default")


def compile_choice(
    templates: Mapping[str, str] | Maybe, expression: str | Maybe, what: str, *, response: bool = False
) -> TemplateChoice:
    """The choice among `templates`. ExpressionError names the template that does not compile."""
    compiled = {}
    for key, source in (templates or {}).items():
        try:
            compiled[key] = compile_template(source)
        except TemplateError as error:
            raise ExpressionError(f"{what} template '{key}': {error}") from None
    return TemplateChoice(compiled, None if expression is ABSENT else compile_selection(expression, response=response))


def media_type(content_type: str) -> str:
    """The type in a Content-Type header, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def override_text(value: object) -> str:
    """What a template put into an override, as text."""
    try:
        return text(value)
    except EvaluationError as error:
        raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"an override: {error}") from None


def render(template: Template, invocation: Invocation, body: str) -> str:
    """What the template makes of `body`: the message on the way in, the backend's answer on the way out."""
    if template.static is not None:
        return template.static
    try:
        context = invocation.context(template.context_names)
        return template.render(body, invocation.params, context, invocation.stage_variables)
    except TemplateError as error:
        raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"a template failed: {error}") from None
