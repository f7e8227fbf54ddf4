"""Operations on integrations and integration responses (spec 1.7, 1.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from routekey.control.auto_deploy import changed
from routekey.control.operations import Control, clear, only, page, refuse
from routekey.errors import ExpressionError, bad_request, conflict
from routekey.expressions.parameters import compile_request_mapping, compile_response_mapping
from routekey.expressions.selection import compile_response_key, compile_selection
from routekey.expressions.vtl.errors import TemplateError
from routekey.expressions.vtl.template import compile_template
from routekey.resources.integration import (
    MAX_TIMEOUT,
    MIN_TIMEOUT,
    RESPONSE_SELECTION,
    Integration,
    IntegrationResponse,
)
from routekey.resources.route import Route
from routekey.wire.service import Answer, Call

_HTTP_ONLY = ("integrationSubtype", "responseParameters")
_CLEARABLE = (
    "description",
    "credentialsArn",
    "templateSelectionExpression",
    "connectionId",
    "contentHandlingStrategy",
)
# `V` stands for a stage variable, which may be any part of it (spec 4.3).
_AWS_URI = re.compile(
    r"arn:aws(?:-cn|-us-gov)?:apigateway:[a-z0-9V-]+:[A-Za-z0-9.-]+:(?:(?:path|action)/.+|V.*)", re.DOTALL
)
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.[A-Za-z0-9_]+\}")
_CREDENTIALS = re.compile(r"arn:aws[a-z-]*:iam::(?:[0-9V]+:role/.+|\*:user/\*)|V.*", re.DOTALL)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")


def _selection(integration: Integration) -> Integration:
    """The selection expression that goes with the type: an output, never an input (spec 1.7)."""
    expression = RESPONSE_SELECTION.get(integration.integration_type)
    if expression is None:
        return integration.without("integrationResponseSelectionExpression")
    return integration.changed({"integrationResponseSelectionExpression": expression})


def _check(integration: Integration) -> None:
    kind = integration.integration_type
    if kind in ("HTTP", "HTTP_PROXY", "AWS") and not integration.integration_method:
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    methods = _METHODS if kind in ("AWS_PROXY", "MOCK") else _METHODS[:-1]
    if integration.integration_method and integration.integration_method not in methods:
        raise bad_request(
            f"Invalid value for integrationMethod: {integration.integration_method} (one of {', '.join(methods)})"
        )
    if kind != "MOCK":
        _check_uri(integration)
    if integration.connection_type == "VPC_LINK":
        if kind not in ("HTTP", "HTTP_PROXY"):
            raise bad_request(
                f"Invalid value for connectionType: VPC_LINK (an integration of type {kind} has INTERNET)"
            )
        if not integration.connection_id:
            raise bad_request("Missing required member: connectionId (connectionType is VPC_LINK)")
    arn = integration.credentials_arn
    if arn and not _CREDENTIALS.fullmatch(_STAGE_VARIABLE.sub("V", arn)):
        raise bad_request(f"Invalid ARN specified in the request: {arn:.200} (a role: arn:aws:iam::ACCOUNT:role/NAME)")
    if not MIN_TIMEOUT <= integration.timeout_in_millis <= MAX_TIMEOUT:
        raise bad_request(
            f"Invalid value for timeoutInMillis: {integration.timeout_in_millis} ({MIN_TIMEOUT} to {MAX_TIMEOUT})"
        )
    if integration.payload_format_version != "1.0":
        raise bad_request(f"Invalid value for payloadFormatVersion: {integration.payload_format_version:.20} (1.0)")
    try:
        compile_selection(integration.template_selection_expression or "")
    except ExpressionError as error:
        raise bad_request(f"Invalid value for templateSelectionExpression: {error}") from None
    for target, source in (integration.request_parameters or {}).items():
        _check_mapping(compile_request_mapping, target, source)
    _check_templates("requestTemplates", integration.request_templates or {})


def _check_templates(member: str, templates: Mapping[str, str]) -> None:
    for key, text in templates.items():
        try:
            compile_template(text)
        except TemplateError as error:
            raise bad_request(f"Invalid mapping template specified in {member} '{key:.80}': {error}") from None


def _check_uri(integration: Integration) -> None:
    uri = integration.integration_uri
    if not uri:
        raise bad_request("Missing required member: integrationUri")
    if integration.integration_type in ("AWS", "AWS_PROXY"):
        if re.match(r"arn:aws[a-z-]*:lambda:", uri):
            region = uri.split(":")[3]
            whole = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{uri}/invocations"
            raise bad_request(f"Invalid ARN specified in the request: {uri:.200} (for this function: {whole:.400})")
        if not _AWS_URI.fullmatch(_STAGE_VARIABLE.sub("V", uri)):
            raise bad_request(
                f"Invalid ARN specified in the request: {uri:.200} "
                "(arn:aws:apigateway:REGION:SERVICE:path/... or :action/...)"
            )
        if integration.integration_type == "AWS_PROXY" and ":lambda:path/" not in uri:
            raise bad_request("Integrations of type 'AWS_PROXY' currently only supports Lambda function")
        return
    plain = re.sub(r"\$\{stageVariables\.[A-Za-z0-9_]+\}|\{[A-Za-z0-9._$-]+\}", "x", uri)
    if uri.startswith("${stageVariables."):
        return
    try:
        parts = urlsplit(plain)
        valid = parts.scheme in ("http", "https", "x") and bool(parts.hostname) and not re.search(r"[\s{}]", plain)
        if re.search(r":\d", parts.netloc):
            _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise bad_request(f"Invalid HTTP endpoint specified for URI: {uri:.200} (http://... or https://...)")


def _check_mapping(compiler: object, target: str, source: str) -> None:
    try:
        compiler(target, source)  # type: ignore[operator]
    except ExpressionError as error:
        mend = f" (for this text itself: '{source:.100}')" if str(error) == source else ""
        raise bad_request(f"Invalid mapping expression specified: {error}{mend}") from None


def _merged(known: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """`given` over `known`, key by key; an empty value takes its key away (spec 1.7)."""
    return {name: value for name, value in {**known, **given}.items() if value != ""}


async def create_integration(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    refuse(call, _HTTP_ONLY)
    members = {name: value for name, value in call.members.items() if name != "integrationResponseSelectionExpression"}
    integration = Integration.of(members, api_id=api.api_id, integration_id=control.ids.of(7))
    _check(integration)
    others = await control.repository.all(Integration, api.api_id)
    control.quota("integrations", len(others), "Integrations")
    integration = _selection(clear(integration, call, _CLEARABLE))
    await control.repository.add(integration)
    await changed(control, api.api_id)
    return integration.members()


async def get_integration(control: Control, call: Call) -> Answer:
    return (await control.child(Integration, call["apiId"], call["integrationId"])).members()


async def get_integrations(control: Control, call: Call) -> Answer:
    api = await control.api(call)
    integrations = await control.repository.all(Integration, api.api_id)
    return page(call, [each.members() for each in integrations], lambda item: str(item["integrationId"]))


async def update_integration(control: Control, call: Call) -> Answer:
    refuse(call, _HTTP_ONLY)
    known = await control.child(Integration, call["apiId"], call["integrationId"])

    def update(stored: Integration) -> Integration:
        members = only(call.members, Integration)
        members.pop("integrationResponseSelectionExpression", None)
        if "requestParameters" in members:
            members["requestParameters"] = _merged(stored.request_parameters or {}, members["requestParameters"])
        updated = stored.changed(members)
        _check(updated)
        return _selection(clear(updated, call, _CLEARABLE))

    integration = await control.repository.replace(known, update)
    await changed(control, integration.api_id)
    return integration.members()


async def delete_integration(control: Control, call: Call) -> Answer:
    integration = await control.child(Integration, call["apiId"], call["integrationId"])
    for route in await control.repository.all(Route, integration.api_id):
        if route.target == f"integrations/{integration.integration_id}":
            raise conflict(
                f"Cannot delete Integration '{integration.integration_id}'. "
                f"Integration is referenced by Route '{route.route_key}'"
            )
    responses = await control.repository.all(IntegrationResponse, integration.api_id, integration.integration_id)
    await control.repository.remove(integration, *responses)
    await changed(control, integration.api_id)
    return None


def _check_response(response: IntegrationResponse, siblings: list[IntegrationResponse]) -> None:
    key = response.integration_response_key
    try:
        compile_response_key(key)
        compile_selection(response.template_selection_expression or "", response=True)
    except ExpressionError as error:
        raise bad_request(str(error)) from None
    if any(
        other.integration_response_key == key and other.integration_response_id != response.integration_response_id
        for other in siblings
    ):
        raise conflict(f"Integration response with key {key} already exists for this integration")
    for target, source in (response.response_parameters or {}).items():
        _check_mapping(compile_response_mapping, target, source)
    _check_templates("responseTemplates", response.response_templates or {})


async def _siblings(control: Control, call: Call) -> list[IntegrationResponse]:
    await control.child(Integration, call["apiId"], call["integrationId"])
    return await control.repository.all(IntegrationResponse, call["apiId"], call["integrationId"])


async def _response(control: Control, call: Call) -> IntegrationResponse:
    await control.child(Integration, call["apiId"], call["integrationId"])
    ids = call["apiId"], call["integrationId"], call["integrationResponseId"]
    return await control.child(IntegrationResponse, *ids)


async def create_integration_response(control: Control, call: Call) -> Answer:
    siblings = await _siblings(control, call)
    response = IntegrationResponse.of(
        call.members,
        integration_response_id=control.ids.of(7),
        created=1 + max((other.created for other in siblings), default=0),
    )
    _check_response(response, siblings)
    await control.repository.add(response)
    await changed(control, response.api_id)
    return response.members()


async def get_integration_response(control: Control, call: Call) -> Answer:
    return (await _response(control, call)).members()


async def get_integration_responses(control: Control, call: Call) -> Answer:
    siblings = await _siblings(control, call)
    return page(call, [each.members() for each in siblings], lambda item: str(item["integrationResponseId"]))


async def update_integration_response(control: Control, call: Call) -> Answer:
    known = await _response(control, call)
    siblings = await _siblings(control, call)

    def update(stored: IntegrationResponse) -> IntegrationResponse:
        members = only(call.members, IntegrationResponse)
        if "responseParameters" in members:
            members["responseParameters"] = _merged(stored.response_parameters or {}, members["responseParameters"])
        updated = stored.changed(members)
        _check_response(updated, siblings)
        return clear(updated, call, ("templateSelectionExpression", "contentHandlingStrategy"))

    response = await control.repository.replace(known, update)
    await changed(control, response.api_id)
    return response.members()


async def delete_integration_response(control: Control, call: Call) -> Answer:
    response = await _response(control, call)
    await control.repository.remove(response)
    await changed(control, response.api_id)
    return None
