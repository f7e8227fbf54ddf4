"""The function that a URI names: where `--map` says, else of this gateway, else where `--aws` says (contract 2)."""

from __future__ import annotations

import logging
import re
from urllib.parse import quote

from routekey.aws import services
from routekey.aws.client import AwsClient
from routekey.aws.credentials import Credentials, NoCredentials
from routekey.aws.endpoints import Endpoints, Location, NoEndpoint
from routekey.eager import within
from routekey.errors import CompileError
from routekey.gateway.integrations.address import AddressMap
from routekey.gateway.integrations.base import FunctionAnswer, FunctionRefused, LocalLambda
from routekey.wire.http import Headers, HttpRequest, HttpResponse
from routekey.wire.transport import Origin, TransportError

log = logging.getLogger("routekey.gateway")

API = "/2015-03-31/functions/"
_REFERENCE = re.compile(
    r"(?P<arn>(?:arn:(?P<partition>[a-z-]+):lambda:(?P<region>[a-z0-9-]+):)?(?:\d{12}:)?(?:function:)?(?P<name>[^:]*))"
    r"(?::(?P<qualifier>.*))?",
    re.DOTALL,
)


class FunctionTarget:
    """One function as an integration names it, and who carries out its invocations."""

    def __init__(
        self,
        reference: str,
        local: LocalLambda,
        addresses: AddressMap,
        endpoints: Endpoints,
        credentials: Credentials,
        client: AwsClient,
        region: str,
        role: str,
    ) -> None:
        """`region` is where it is unless its ARN says so, `role` who calls it elsewhere ("": the gateway itself)."""
        self.reference = reference
        self._local = local
        self._endpoints = endpoints
        self._credentials = credentials
        self._client = client
        self._role = role
        match = _REFERENCE.fullmatch(reference)
        parts = match.groupdict("") if match else {}
        self._partition, self._region = parts.get("partition") or "aws", parts.get("region") or region
        self._name, self._qualifier = parts.get("name", reference), parts.get("qualifier", "")
        arns = [reference, parts.get("arn", reference)]
        mapped = addresses.find([each for each in arns if each.startswith("arn:")])
        self._mapped: Location | None = None
        if mapped is not None:
            if len(mapped[1]) > 1:
                raise CompileError(f"--map {mapped[0]}: a function has one address")
            host, port = mapped[1][0]
            self._mapped = Location(Origin(host, port), f"{host}:{port}" if port else "localhost", "", self._region)
        self._said = False

    async def invoke(self, payload: bytes, seconds: float) -> FunctionAnswer:
        """Call it. TimeoutError after `seconds`; FunctionRefused when it was not reached."""
        if self._mapped is None:
            try:
                answer = await self._local.invoke(self.reference, payload, seconds)
            except FunctionRefused as error:
                if not error.missing:
                    raise
                location = self._elsewhere(str(error))
            else:
                self._say_once()
                return answer
        else:
            location = self._mapped
        headers: Headers = [("Content-Type", "application/json")]
        target = f"{API}{quote(self.reference, safe='')}/invocations"
        try:
            response = await within(seconds, self._remote(location, "POST", target, headers, payload))
        except (TransportError, NoCredentials) as error:
            raise FunctionRefused(f"it is not here, and {location.host}: {error}") from None
        if not 200 <= response.status < 300:
            said = response.body[:300].decode("utf-8", "replace")
            raise FunctionRefused(f"{location.host} answered {response.status} {said}")
        found = {name.lower(): value for name, value in response.headers}
        return FunctionAnswer(
            response.status,
            response.body,
            found.get("x-amz-function-error"),
            found.get("x-amzn-requestid", ""),
        )

    async def respond(self, method: str, target: str, headers: Headers, body: bytes) -> HttpResponse:
        """The answer of the Lambda API to a request about it. FunctionRefused or TransportError without one."""
        if self._mapped is not None:
            return await self._remote(self._mapped, method, target, headers, body)
        response = await self._local.respond(HttpRequest(method, target, headers, body))
        if response.status != 404 or b"Function not found" not in response.body:
            self._say_once()
            return response
        location = self._elsewhere(response.body[:300].decode("utf-8", "replace"))
        return await self._remote(location, method, target, headers, body)

    async def _remote(
        self, location: Location, method: str, target: str, headers: Headers, body: bytes
    ) -> HttpResponse:
        if location is self._mapped:
            # What runs a function elsewhere knows it by its name; nobody there checks signatures.
            rest = target.removeprefix(API).partition("/")[2]
            if self._qualifier and "Qualifier=" not in rest:
                rest += f"{'&' if '?' in rest else '?'}Qualifier={quote(self._qualifier, safe='')}"
            target = f"{API}{quote(self._name, safe='')}/{rest}"
            return await self._client.send(location, "lambda", None, method, target, headers, body)
        credentials = self._credentials
        keys = await (credentials.of_role(self._role, location) if self._role else credentials.own(location))
        return await self._client.send(location, "lambda", keys, method, target, headers, body)

    def _elsewhere(self, why: str) -> Location:
        """Where a function is that is not here."""
        service = services.find("lambda", "Invoke")
        mend = f"make it here, say --map {self.reference}=HOST:PORT, or --aws"
        if service is None:
            raise FunctionRefused(f"{why}: {mend}")
        try:
            return self._endpoints.locate(service, self._region, self._partition)
        except NoEndpoint:
            raise FunctionRefused(f"{why}: {mend}") from None

    def _say_once(self) -> None:
        if not self._said:
            self._said = True
            if not self._local.is_own(self.reference):
                log.info(
                    "the function of that name here stands in for one of another account or region",
                    extra={"data": {"function": self.reference}},
                )
