"""AWS_PROXY: a Lambda function gets the event, its answer is passed on (spec 4.4, 6.6, 13)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from routekey.errors import GatewayError, ResponseType
from routekey.gateway.integrations.base import IntegrationResult
from routekey.gateway.integrations.failures import FAILURES, failure
from routekey.gateway.integrations.function_target import FunctionTarget
from routekey.gateway.integrations.handshake import forwarded_headers
from routekey.gateway.integrations.responses import status_of
from routekey.gateway.invocation import CONNECT, DISCONNECT, MAX_SHOWN, MESSAGE, Invocation
from routekey.resources.integration import Integration
from routekey.wire.http import Headers, HttpRequest

_ENCODE = msgspec.json.Encoder().encode
_HIDDEN = ("connection", "upgrade")


class AwsProxy:
    def __init__(self, resource: Integration, uri: str, target: FunctionTarget | None, fault: str | None) -> None:
        """`target` is None where the URI, with its stage variables, names no function; `fault` says what else
        is wrong with it."""
        self._fault = fault or (None if target is not None else f"{uri} names no function")
        self._target = target
        self._method = resource.integration_method or "POST"
        self._timeout = resource.timeout_in_millis / 1000

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        target = self._target
        if target is None or self._fault is not None:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, self._fault or "")
        if self._method != "POST":
            raise GatewayError(
                ResponseType.API_CONFIGURATION_ERROR,
                f"AWS_PROXY calls with POST, not {self._method}: set integrationMethod",
            )
        payload = event(invocation)
        if invocation.traced:
            shown = payload[:MAX_SHOWN].decode("utf-8", "replace")
            invocation.trace("request", function=target.reference, body=shown)
        try:
            answer = await target.invoke(payload, self._timeout)
        except FAILURES as error:
            raise failure(invocation, target.reference, self._timeout, error) from None
        if invocation.traced:
            shown = answer.payload[:MAX_SHOWN].decode("utf-8", "replace")
            invocation.trace("answered", function=target.reference, body=shown)
        if answer.function_error is not None:
            detail = f"{target.reference} failed in request {answer.request_id}: {error_text(answer.payload)}"
            raise GatewayError(ResponseType.BAD_PROXY_RESULT, detail)
        return _result(target.reference, answer.payload)


def error_text(payload: bytes) -> str:
    """What a function's error document says, in a line."""
    try:
        document = msgspec.json.decode(payload)
        return f"{document['errorType']}: {document['errorMessage']}"[:1000]
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError):
        return payload[:500].decode("utf-8", "replace")


def event(invocation: Invocation) -> bytes:
    """The payload that the function gets (spec 13.1 to 13.3)."""
    document: dict[str, Any] = {}
    if invocation.event_type == CONNECT and invocation.request is not None:
        document.update(_handshake(invocation, invocation.request))
    elif invocation.event_type == DISCONNECT:
        empty = {"x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
        headers = {"Host": invocation.connection.domain_name, **empty}
        document["headers"] = headers
        document["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    document["requestContext"] = request_context(invocation)
    if invocation.stage_variables:
        document["stageVariables"] = invocation.stage_variables
    if invocation.event_type == MESSAGE:
        document["body"] = invocation.body
    document["isBase64Encoded"] = False
    return _ENCODE(document)


def _handshake(invocation: Invocation, request: HttpRequest) -> dict[str, Any]:
    many: dict[str, list[str]] = {}
    for name, value in sorted(forwarded_headers(invocation, request), key=lambda pair: pair[0].lower()):
        if name.lower() not in _HIDDEN:
            many.setdefault(name, []).append(value)
    document: dict[str, Any] = {
        "headers": {name: values[-1] for name, values in many.items()},
        "multiValueHeaders": many,
    }
    query = invocation.query
    if query:
        document["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        document["multiValueQueryStringParameters"] = query
    return document


def request_context(invocation: Invocation) -> dict[str, Any]:
    """`requestContext` of the event, its members in the order that captures show."""
    connection = invocation.connection
    context: dict[str, Any] = {"routeKey": invocation.route_key}
    if invocation.disconnect is not None:
        context["disconnectStatusCode"] = invocation.disconnect[0]
    if invocation.event_type == MESSAGE:
        context["messageId"] = invocation.message_id
    context["eventType"] = invocation.event_type
    context["extendedRequestId"] = invocation.request_id
    context["requestTime"] = invocation.request_time
    context["messageDirection"] = "IN"
    if invocation.disconnect is not None:
        context["disconnectReason"] = invocation.disconnect[1]
    context["stage"] = invocation.api.stage
    context["connectedAt"] = connection.connected_at
    context["requestTimeEpoch"] = invocation.request_time_epoch
    identity = {"sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity = {"userAgent": connection.user_agent, **identity}
    context["identity"] = identity
    context["requestId"] = invocation.request_id
    context["domainName"] = connection.domain_name
    context["connectionId"] = connection.id
    context["apiId"] = invocation.api.api_id
    return context


def _result(function: str, payload: bytes) -> IntegrationResult:
    def bad(why: str) -> GatewayError:
        return GatewayError(
            ResponseType.BAD_PROXY_RESULT,
            f"{function} answered {len(payload)} bytes: {why}",
        )

    try:
        result = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise bad("that is not JSON") from None
    if not isinstance(result, dict):
        raise bad("an object with a statusCode is expected")
    status = result.get("statusCode")
    if isinstance(status, str):
        status = status_of(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise bad("statusCode must be an integer from 100 to 599")
    body = result.get("body")
    if body is None:
        body = ""
    fault, data = None, b""
    if not isinstance(body, str):
        fault = bad("body must be a string: encode it, as with json.dumps").detail
    elif result.get("isBase64Encoded") is True:
        try:
            data = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            fault = bad("isBase64Encoded is true, and body is not base64").detail
    else:
        data = body.encode("utf-8", "replace")
    return IntegrationResult(status, _headers(result, bad), data, fault)


def _headers(result: dict[str, Any], bad: Any) -> Headers:
    single, many = result.get("headers") or {}, result.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(many, dict):
        raise bad("headers must be an object")
    replaced = {name.lower() for name in many}
    headers = [(name, _text(value)) for name, value in single.items() if name.lower() not in replaced]
    for name, values in many.items():
        headers += [(name, _text(value)) for value in (values if isinstance(values, list) else [values])]
    return headers


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _ENCODE(value).decode()
