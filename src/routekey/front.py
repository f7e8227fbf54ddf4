"""The front door: which of the gateway's services a request is for (contract 1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec

from routekey.gateway.address import Addresses, management_path
from routekey.gateway.endpoint import DataPlane
from routekey.gateway.push import Management
from routekey.wire.http import HttpRequest, HttpResponse, Upgrade, host_name
from routekey.wire.service import RestService

MAX_BODY = 1024 * 1024  # bytes of a request to any service but the ones below
MAX_CONTROL_BODY = 10 * 1024 * 1024  # API key files and large templates
MAX_LAMBDA_BODY = 72 * 1024 * 1024  # a 50 MB package in base64, and some
OWN = "/_routekey/"

_V1 = re.compile(r"/(?:vpclinks|apikeys|usageplans|clientcertificates|account|tags)(?:/|$)")
_LAMBDA = re.compile(r"/20\d\d-\d\d-\d\d/")
_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/aws4_request")

# Service ids, as endpoint variables spell them, where the name that requests are signed for is another one.
_SERVICE_IDS = {
    "cognito-idp": "COGNITO_IDENTITY_PROVIDER",
    "events": "EVENTBRIDGE",
    "logs": "CLOUDWATCH_LOGS",
    "monitoring": "CLOUDWATCH",
    "secretsmanager": "SECRETS_MANAGER",
    "states": "SFN",
}


class Front:
    """The endpoint of the public listener."""

    def __init__(
        self,
        addresses: Addresses,
        data_plane: DataPlane,
        management: Management,
        v2: RestService,
        v1: RestService,
        functions: RestService,
        metrics: Callable[[], str],
        aws: Callable[[], str | None],
    ) -> None:
        self.addresses = addresses
        self.data_plane = data_plane
        self.management = management
        self.v2 = v2
        self.v1 = v1
        self.functions = functions
        self.metrics = metrics
        self.aws = aws  # the URL of other services, where there is one
        self.ready = False

    def body_limit(self, method: str, target: str) -> int:
        if _LAMBDA.match(target):
            return MAX_LAMBDA_BODY
        return MAX_CONTROL_BODY if target.startswith("/v2/") or _V1.match(target) else MAX_BODY

    async def upgrade(self, request: HttpRequest) -> HttpResponse | Upgrade:
        return await self.data_plane.upgrade(request, self.addresses.host(request))

    async def respond(self, request: HttpRequest) -> HttpResponse:
        host = self.addresses.host(request)
        path = request.path
        service = None if host.is_data_plane else self._service(path)
        if service is None and "connections" in path and management_path(path) is not None:
            return await self.management.respond(request, host)
        if host.is_data_plane:
            return self.data_plane.refusal(403, "Forbidden")
        if service is None and not path.startswith(OWN) and _scope(request) == "apigateway":
            service = self.v1  # an operation that WebSocket APIs do not have, of /restapis for one
        if path == OWN + "health":
            return _text(200, "ok\n") if self.ready else _text(503, "starting\n")
        if service is None and not path.startswith(OWN):
            return self._elsewhere(request)
        foreign = self._foreign(request)
        if foreign is not None:
            return _json(403, "AccessDeniedException", foreign)
        if service is None:
            return _text(200, self.metrics()) if path == OWN + "metrics" else _text(404, f"there is no {path}\n")
        answer = await service.respond(request)
        return answer if answer is not None else _unknown(request)

    def _service(self, path: str) -> RestService | None:
        if path.startswith("/v2/"):
            return self.v2
        if _V1.match(path):
            return self.v1
        if _LAMBDA.match(path):
            return self.functions
        return None

    def _foreign(self, request: HttpRequest) -> str | None:
        """Why a web page's request is refused: any page could make functions here otherwise."""
        if not self._known(request.host):
            return f"the Host {request.host:.200} is not this gateway's: use a loopback address, or set --public-host"
        for origin in request.all("origin"):
            if not self._known((urlsplit(origin).hostname or "") if "//" in origin else ""):
                return f"the Origin {origin:.200} is not this gateway's: only its own pages may call it"
        return None

    def _known(self, name: str) -> bool:
        from routekey.config import is_loopback

        return is_loopback(name) or name == host_name(self.addresses.public_host or "") != ""

    def _elsewhere(self, request: HttpRequest) -> HttpResponse:
        scope = _scope(request)
        if scope is None and not request.header("x-amz-target"):
            return self.data_plane.refusal(403, "Forbidden")
        service = scope or request.header("x-amz-target").partition("_")[0].lower()
        name = _SERVICE_IDS.get(service) or re.sub(r"[^A-Za-z0-9]", "_", service).upper()
        where = self.aws()
        message = (
            f"{service} is not served here, and AWS_ENDPOINT_URL sends every service here: set AWS_ENDPOINT_URL_{name} "
            + (f"to {where}, where --aws is" if where else "to where it is")
            + "; integrations and functions of this gateway find it by --aws"
        )
        error = f"<Error><Code>NotImplemented</Code><Message>{message}</Message></Error>"
        if service == "s3":  # whose clients read nothing but XML, as do those of the query protocol
            return HttpResponse(501, [("Content-Type", "application/xml")], error.encode())
        if request.header("content-type").startswith("application/x-www-form-urlencoded"):
            xml = f"<ErrorResponse>{error}</ErrorResponse>"
            return HttpResponse(501, [("Content-Type", "text/xml")], xml.encode())
        return _json(501, "NotImplementedException", message)


def _scope(request: HttpRequest) -> str | None:
    """The service that the request was signed for."""
    match = _SCOPE.search(request.header("authorization"))
    return match[1] if match else None


def _unknown(request: HttpRequest) -> HttpResponse:
    return _json(404, "UnknownOperationException", f"there is no operation {request.method} {request.path:.200}")


def _json(status: int, code: str, message: str) -> HttpResponse:
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
    return HttpResponse(status, headers, msgspec.json.encode({"message": message}))


def _text(status: int, text: str) -> HttpResponse:
    return HttpResponse(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode())
