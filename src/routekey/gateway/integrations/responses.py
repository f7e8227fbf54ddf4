"""Integration responses: which one fits an answer, and what it makes of it (spec 6.2 to 6.5)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from routekey.errors import EvaluationError, ExpressionError, GatewayError, ResponseType
from routekey.expressions.parameters import ResponseSource, compile_response_mapping
from routekey.expressions.selection import compile_response_key
from routekey.expressions.vtl.template import Template
from routekey.gateway.integrations.answers import Answer
from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.integrations.request_body import from_base64
from routekey.gateway.integrations.templates import TemplateChoice, compile_choice, override_text, render
from routekey.gateway.invocation import Invocation
from routekey.resources.integration import IntegrationResponse


@dataclass(frozen=True, slots=True)
class _Response:
    key: str
    matches: Callable[[str], bool] | None  # None: $default
    templates: TemplateChoice
    headers: tuple[tuple[str, ResponseSource], ...]
    content_handling: str | None


def _compile(resource: IntegrationResponse) -> _Response:
    what = f"integration response {resource.integration_response_key}"
    try:
        headers = [compile_response_mapping(*pair) for pair in (resource.response_parameters or {}).items()]
    except ExpressionError as error:
        raise ExpressionError(f"{what}: responseParameters: {error}") from None
    return _Response(
        resource.integration_response_key,
        compile_response_key(resource.integration_response_key),
        compile_choice(resource.response_templates, resource.template_selection_expression, what, response=True),
        tuple(headers),
        resource.content_handling_strategy or None,
    )


class Responses:
    """The compiled integration responses of one integration, tried in creation order."""

    def __init__(self, resources: Sequence[IntegrationResponse]) -> None:
        compiled = [_compile(resource) for resource in sorted(resources, key=lambda each: each.created)]
        self._responses = [(each.matches, each) for each in compiled if each.matches is not None]
        self._default = next((each for each in compiled if each.matches is None), None)

    def constant(self, value: str, status: int) -> IntegrationResult | None:
        """The result of an empty answer, where neither the message nor a template can change it."""
        try:
            chosen = self._choose(value)
        except GatewayError:
            return None
        template = chosen.templates.constant
        if chosen.headers or chosen.content_handling:
            return None
        if chosen.templates.templates and (template is None or template.static is None):
            return None
        body = template.static.encode() if template is not None and template.static is not None else b""
        return IntegrationResult(status, [], body)

    def _choose(self, value: str) -> _Response:
        if value:
            try:
                for matches, response in self._responses:
                    if matches(value):
                        return response
            except EvaluationError as error:
                raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, f"integrationResponseKey: {error}") from None
        if self._default is None:
            raise GatewayError(
                ResponseType.API_CONFIGURATION_ERROR,
                f"no integration response fits '{value:.80}' and there is none for $default",
            )
        return self._default

    def map(
        self, invocation: Invocation, value: str, answer: Answer, matched_status: int | None = None
    ) -> IntegrationResult:
        """What the client gets of `answer`, whose selection expression gave `value`.

        A key other than $default that fits makes the status `matched_status`, where that is given. Of a message whose
        answer reaches nobody only the status is told (spec 6.1).
        """
        if not invocation.reply_wanted:
            return IntegrationResult(answer.status)
        invocation.answered(answer.status)
        chosen = self._choose(value)
        if invocation.traced:
            invocation.trace("integration response", key=chosen.key, value=value)
        template = chosen.templates.pick(invocation, answer)
        body: bytes | str = answer.body
        if chosen.content_handling is not None or template is not None:
            body = _converted(chosen.content_handling, template, invocation, answer)
        status = answer.status
        if matched_status is not None and chosen.matches is not None:
            status = matched_status
        result = IntegrationResult(status, [], body)
        for name, source in chosen.headers:
            found = source(invocation, answer)
            if found is not None:
                result.headers.append((name, found))
        override = invocation.override("responseOverride")
        return _overridden(override, result) if override else result


def _converted(handling: str | None, template: Template | None, invocation: Invocation, answer: Answer) -> bytes | str:
    """The answer's body after its template, made text before it or bytes after it (spec 6.5)."""
    text: bytes | str = answer.text
    if handling == "CONVERT_TO_TEXT" and not _is_text(answer.body):
        text = base64.b64encode(answer.body).decode()
    elif template is None:
        text = answer.body
    if template is not None:
        text = render(template, invocation, str(text))
    if handling == "CONVERT_TO_BINARY":
        data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        return from_base64(data.decode()) if _is_text(data) else data
    return text


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def status_of(text: str) -> int | None:
    """The status that a text of three digits means."""
    return int(text) if re.fullmatch("[1-5][0-9]{2}", text) else None


def _overridden(override: Mapping[str, object], result: IntegrationResult) -> IntegrationResult:
    """`result` with what the template set under $context.responseOverride (spec 5.4)."""
    status = override.get("status")
    if isinstance(status, str):
        status = status_of(status)
    if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
        result.status = status
    headers = override.get("header")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        result.headers = [pair for pair in result.headers if pair[0].lower() != str(name).lower()]
        result.headers.append((str(name), override_text(value)))
    return result
