"""Integration responses: which one fits an answer, and what it makes of it (spec 6.2 to 6.4)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routekey.errors import ExpressionError, GatewayError, ResponseType
from routekey.expressions.parameters import ResponseSource, compile_response_mapping
from routekey.expressions.selection import Selection, compile_response_key, compile_selection
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.template import Template, compile_template
from routekey.expressions.vtl.values import text as text_of
from routekey.gateway.integrations.base import Answer, IntegrationResult
from routekey.gateway.invocation import Invocation
from routekey.resources.base import ABSENT
from routekey.resources.integration import IntegrationResponse
from routekey.wire.http import Headers


@dataclass(frozen=True, slots=True)
class TemplateChoice:
    """Which of several templates a message or answer gets (spec 4.6, 6.3)."""

    templates: dict[str, Template]
    selection: Selection | None

    @property
    def constant(self) -> Template | None:
        """The template that every message gets, where that is settled beforehand."""
        if self.selection is None or self.selection.static is not None:
            return self.pick("")
        return None

    def pick(self, body: str, response: Answer | None = None) -> Template | None:
        templates = self.templates
        if not templates:
            return None
        if self.selection is None:
            return templates.get("$default") or templates.get("application/json")
        key = self.selection.evaluate(body, response)
        return templates.get(key) or templates.get("$default")


def compile_choice(templates: object, expression: object, what: str, *, response: bool = False) -> TemplateChoice:
    compiled = {}
    for key, text in (templates or {}).items():  # type: ignore[attr-defined]
        try:
            compiled[key] = compile_template(text)
        except TemplateError as error:
            raise ExpressionError(f"{what} template '{key}': {error}") from None
    selection = compile_selection(expression, response=response) if isinstance(expression, str) else None
    return TemplateChoice(compiled, selection)


@dataclass(frozen=True, slots=True)
class _Response:
    matches: Callable[[str], bool] | None  # None: $default
    templates: TemplateChoice
    headers: tuple[tuple[str, ResponseSource], ...]


class Responses:
    """The compiled integration responses of one integration, tried in creation order."""

    def __init__(self, resources: Sequence[IntegrationResponse]) -> None:
        self._responses = []
        self._default: _Response | None = None
        for resource in sorted(resources, key=lambda each: each.created):
            what = f"integration response {resource.integration_response_key}"
            response = _Response(
                compile_response_key(resource.integration_response_key),
                compile_choice(
                    resource.response_templates, resource.template_selection_expression, what, response=True
                ),
                tuple(
                    compile_response_mapping(target, source)
                    for target, source in (resource.response_parameters or {}).items()
                )
                if resource.response_parameters is not ABSENT
                else (),
            )
            if response.matches is None:
                self._default = response
            else:
                self._responses.append(response)

    def constant(self, value: str, status: int) -> IntegrationResult | None:
        """The result of an empty answer, where neither the message nor a template can change it."""
        try:
            chosen = self._choose(value)
        except GatewayError:
            return None
        template = chosen.templates.constant
        if chosen.headers or (chosen.templates.templates and (template is None or template.static is None)):
            return None
        body = template.static.encode() if template is not None and template.static is not None else b""
        return IntegrationResult(status, [], body)

    def _choose(self, value: str) -> _Response:
        chosen = self._default
        if value:
            chosen = next((each for each in self._responses if each.matches and each.matches(value)), chosen)
        if chosen is None:
            raise GatewayError(
                ResponseType.API_CONFIGURATION_ERROR,
                f"no integration response fits '{value:.80}' and there is none for $default",
            )
        return chosen

    def map(self, invocation: Invocation, value: str, answer: Answer) -> IntegrationResult:
        """What the client gets of `answer`, whose selection expression gave `value`."""
        chosen = self._choose(value)
        template = chosen.templates.pick(invocation.body, answer)
        body = answer.body if template is None else render(template, invocation, answer.text).encode("utf-8", "replace")
        headers: Headers = []
        for name, source in chosen.headers:
            text = source(invocation, answer)
            if text is not None:
                headers.append((name, text))
        return _overridden(invocation, IntegrationResult(answer.status, headers, body))


def render(template: Template, invocation: Invocation, body: str) -> str:
    """What the template makes of `body`: the message on the way in, the backend's answer on the way out."""
    if template.static is not None:
        return template.static
    try:
        return template.render(body, invocation.params, invocation.context, invocation.stage_variables)
    except TemplateError as error:
        raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"a template failed: {error}") from None


def status_of(text: str) -> int | None:
    """The status that a text of three digits means."""
    return int(text) if re.fullmatch("[1-5][0-9]{2}", text) else None


def _overridden(invocation: Invocation, result: IntegrationResult) -> IntegrationResult:
    """`result` with what the template set under $context.responseOverride (spec 5.4)."""
    override = invocation.override("responseOverride")
    if not override:
        return result
    status = override.get("status")
    if isinstance(status, str):
        status = status_of(status)
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
        result.status = status
    headers = override.get("header")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        result.headers = [pair for pair in result.headers if pair[0].lower() != str(name).lower()]
        result.headers.append((str(name), text_of(value)))
    return result
