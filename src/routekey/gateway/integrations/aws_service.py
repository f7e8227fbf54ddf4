"""AWS: any action of any AWS service, and Lambda functions without the proxy event (spec 4.1, 4.2, 4.4)."""

from __future__ import annotations

import asyncio
import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import msgspec

from routekey.aws import query as query_protocol
from routekey.aws import services
from routekey.aws.client import AwsClient
from routekey.aws.credentials import Credentials
from routekey.aws.endpoints import Endpoints
from routekey.aws.services import Service
from routekey.eager import within
from routekey.errors import CompileError, GatewayError, ResponseType
from routekey.gateway.integrations.answers import LARGE, Answer, unpacked
from routekey.gateway.integrations.base import FunctionRefused, IntegrationResult
from routekey.gateway.integrations.failures import FAILURES, failure
from routekey.gateway.integrations.function_target import FunctionTarget
from routekey.gateway.integrations.request_body import RequestBody
from routekey.gateway.integrations.request_parameters import (
    BODYLESS,
    DROPPED,
    REFUSED_BY_AWS,
    Parameters,
    RequestParameters,
)
from routekey.gateway.integrations.responses import Responses
from routekey.gateway.invocation import MAX_SHOWN, Invocation
from routekey.resources.integration import Integration, IntegrationResponse
from routekey.wire.http import Headers, HttpResponse

log = logging.getLogger("routekey.gateway")

FORM = "application/x-www-form-urlencoded"
CALLER = re.compile(r"arn:aws[a-z-]*:iam::\*:user/\*")  # the caller's own credentials
CALLER_FAULT = "credentialsArn asks for the caller's credentials, which need AWS_IAM on $connect: not available yet"
SERIALIZATION_EXCEPTION = b'{"__type":"com.amazon.coral.service#SerializationException"}'
ERROR_STATUS = 500  # of a handshake whose answer has an errorMessage that a key fits (spec 2.3)

_URI = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):apigateway:(?P<region>[a-z0-9-]*):(?P<service>[A-Za-z0-9.-]*):"
    r"(?P<style>path|action)/(?P<rest>.*)",
    re.DOTALL,
)
_REFUSALS = (403, 404, 429)  # Lambda's, which never reach the integration responses (spec 4.11)


@dataclass(frozen=True, slots=True)
class AwsUri:
    """An integrationUri of type AWS or AWS_PROXY, taken apart."""

    partition: str
    region: str
    subdomain: str
    service: Service
    action: str  # "" for the path style
    path: str  # "/" for the action style
    query: str


def parse_uri(text: str) -> AwsUri:
    """CompileError says what is wrong with it."""
    match = _URI.fullmatch(text)
    if match is None:
        raise CompileError(f"{text} is no arn:aws:apigateway:REGION:SERVICE:path/... or :action/...")
    action, path, query = "", "/", ""
    if match["style"] == "action":
        action, _, query = match["rest"].partition("&")
    else:
        path, _, query = f"/{match['rest'].lstrip('/')}".partition("?")
    subdomain, name = "", match["service"]
    service = services.find(name, action)
    if service is None and "." in name:
        subdomain, _, name = name.rpartition(".")
        service = services.find(name, action)
    if service is None:
        raise CompileError(f"{text}: there is no AWS service {match['service']}{services.suggestion(match['service'])}")
    if action and action not in service.model.operations:
        close = difflib.get_close_matches(action, service.model.operations, 1)
        raise CompileError(f"{text}: {name} has no action {action}{f': {close[0]}?' if close else ''}")
    return AwsUri(match["partition"], match["region"], subdomain, service, action, path, query)


class AwsService:
    def __init__(
        self,
        resource: Integration,
        responses: Sequence[IntegrationResponse],
        uri: AwsUri | str,
        function: FunctionTarget | None,
        role: str,
        endpoints: Endpoints,
        credentials: Credentials,
        client: AwsClient,
    ) -> None:
        """`uri` is what is wrong with it where it does not parse; `function` goes with a path of the Lambda API."""
        self._body = RequestBody(resource)
        self._responses = Responses(responses)
        self._parameters = RequestParameters(resource.request_parameters, REFUSED_BY_AWS, (*DROPPED, "referer"))
        self._uri = uri if isinstance(uri, AwsUri) else None
        self._fault = self._parameters.fault or (uri if isinstance(uri, str) else None)
        self._function = function
        self._endpoints = endpoints
        self._credentials = credentials
        self._client = client
        self._method = str(resource.integration_method or "POST")
        self._timeout = resource.timeout_in_millis / 1000
        self._agent = f"AmazonAPIGateway_{resource.api_id}"
        self._role = role

    async def invoke(self, invocation: Invocation) -> IntegrationResult:
        uri = self._uri
        if self._fault is not None or uri is None:
            raise GatewayError(ResponseType.API_CONFIGURATION_ERROR, self._fault or "")
        body = self._body.data(invocation)
        if self._method in BODYLESS:
            body = b""
        parameters = self._parameters.of(invocation) or Parameters()
        if invocation.traced:
            invocation.trace(
                "request", uri=str(uri.action or uri.path), body=body[:MAX_SHOWN].decode("utf-8", "replace")
            )
        what = f"{uri.service.name} {uri.action or uri.path}"
        if self._function is not None:
            work = self._call_function(self._function, invocation, uri, parameters, body)
        else:
            work = self._call_service(invocation, uri, parameters, body)
        try:
            answer = await unpacked(await within(self._timeout, work))
        except FAILURES as error:
            raise failure(invocation, what, self._timeout, error) from None
        if invocation.traced:
            invocation.trace("answered", service=what, status=answer.status, body=answer.text[:MAX_SHOWN])
        if answer.status >= 400:
            data = {**invocation.labels, "service": what, "status": answer.status, "said": answer.text[:MAX_SHOWN]}
            log.warning("a service answered with an error", extra={"data": data})
        status = ERROR_STATUS if answer.status < 300 else None
        return self._responses.map(invocation, error_message(answer), answer, status)

    async def _call_function(
        self, function: FunctionTarget, invocation: Invocation, uri: AwsUri, parameters: Parameters, body: bytes
    ) -> HttpResponse:
        headers = self._headers(invocation, parameters, [("Content-Type", "application/json")])
        target = _target(_path(uri, parameters), _query(uri.query, parameters))
        response = await function.respond(self._method, target, headers, body)
        if uri.path.endswith("/invocations") and (response.status in _REFUSALS or response.status >= 500):
            raise FunctionRefused(f"Lambda answered {response.status} {response.body[:300].decode('utf-8', 'replace')}")
        return response

    async def _call_service(
        self, invocation: Invocation, uri: AwsUri, parameters: Parameters, body: bytes
    ) -> HttpResponse:
        service = uri.service
        query = _query(uri.query, parameters)
        own: Headers = [("Content-Type", "application/json")]
        action = uri.action
        if action and _as_json(service, query, parameters, body):
            metadata = service.model.metadata
            own = [
                ("Content-Type", f"application/x-amz-json-{metadata.json_version}"),
                ("X-Amz-Target", f"{metadata.target_prefix}.{action}"),
            ]
            spoken = None
            wrong = _not_json(body)
            if wrong is not None:
                # The service would say the same, and would not say where.
                log.warning("what the request template made is no JSON", extra={"data": {
                    **invocation.labels, "error": wrong, "body": body[:MAX_SHOWN].decode("utf-8", "replace"),
                }})  # fmt: skip
                return HttpResponse(400, [("Content-Type", own[0][1])], SERIALIZATION_EXCEPTION)
        else:
            if action:
                version = service.model.metadata.api_version
                query = "&".join(filter(None, [f"Action={quote(action, safe='')}", f"Version={version}", query]))
            spoken = query_protocol.action_of(query, body) if service.speaks_query else None
            if spoken is not None:
                own = [("Content-Type", FORM)]
        prefix = service.host_prefix(action) if action else ""
        location = self._endpoints.locate(service, uri.region, uri.partition, uri.subdomain, prefix)
        headers = self._headers(invocation, parameters, own)
        target = _target(_path(uri, parameters), query)
        if "host" in parameters.headers:  # whoever that is signed for, it is not who gets it
            location = replace(location, stands_in=True)
        credentials = self._credentials
        keys = await (credentials.of_role(self._role, location) if self._role else credentials.own(location))
        response = await self._client.send(location, service.signing_name, keys, self._method, target, headers, body)
        if spoken is None or not invocation.reply_wanted:
            return response
        if len(response.body) > LARGE:
            return await asyncio.to_thread(query_protocol.as_json, service, spoken, response)
        return query_protocol.as_json(service, spoken, response)

    def _headers(self, invocation: Invocation, parameters: Parameters, own: Headers) -> Headers:
        headers = [
            ("Accept", "application/json"),
            *own,
            ("User-Agent", self._agent),
            ("X-Amzn-Trace-Id", invocation.connection.pipeline.ids.trace(invocation.time)),
        ]
        return parameters.over(headers)


def _as_json(service: Service, query: str, parameters: Parameters, body: bytes) -> bool:
    """Whether an action goes out as a JSON target: by the model, unless it is written for the query protocol."""
    if not service.speaks_json:
        return False
    if not service.speaks_query or "x-amz-target" in parameters.headers:
        return True
    content_type = parameters.headers.get("content-type", ("", ""))[1]
    return not query and FORM not in content_type and body.lstrip()[:1] == b"{"


def _not_json(body: bytes) -> str | None:
    try:
        msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError) as error:
        return str(error)
    return None


def _path(uri: AwsUri, parameters: Parameters) -> str:
    return quote(parameters.fill(uri.path), safe="/%:@!$&'()*+,;=-._~")


def _query(fixed: str, parameters: Parameters) -> str:
    return "&".join([*([quote(fixed, safe="/%?:@!$&'()*+,;=-._~")] if fixed else []), *parameters.pairs])


def _target(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def error_message(answer: Answer) -> str:
    """What the selection expression of AWS integrations gives: the body's errorMessage (spec 6.2)."""
    document = answer.document
    found = document.get("errorMessage") if isinstance(document, dict) else None
    return str(found) if isinstance(found, str) else ""
