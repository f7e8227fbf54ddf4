"""The only place where everything is put together."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import shutil
import ssl
import tempfile
from functools import lru_cache
from pathlib import Path

from routekey.aws.client import AwsClient
from routekey.aws.credentials import LOCAL, Credentials, NoCredentials
from routekey.aws.endpoints import REAL, Endpoints
from routekey.aws.moto import Moto
from routekey.aws.signing import Keys
from routekey.clock import Clock, Deadlines, SystemClock
from routekey.config import Settings
from routekey.control import (
    account,
    api_keys,
    apis,
    authorizers,
    client_certificates,
    deployments,
    domains,
    integrations,
    load_balancer_links,
    models,
    operations,
    routes,
    stages,
    tags,
    usage_plans,
    vpc_links,
)
from routekey.errors import ApiError
from routekey.front import Front
from routekey.functions.code import CodeStore
from routekey.functions.lambda_api import LambdaApi
from routekey.functions.pool import Limits
from routekey.functions.service import EVENT_DELAYS, Functions, Home
from routekey.gateway.address import Addresses
from routekey.gateway.catalog import Catalog, Domains
from routekey.gateway.connections import Connections
from routekey.gateway.endpoint import DataPlane
from routekey.gateway.integrations.address import AddressMap
from routekey.gateway.integrations.base import FunctionAnswer, FunctionRefused
from routekey.gateway.integrations.types import Backends
from routekey.gateway.pipeline import Pipeline
from routekey.gateway.push import Management
from routekey.resources.access import ClientCertificate
from routekey.resources.ids import Ids, Region
from routekey.resources.repository import Repository
from routekey.resources.stage import Stage
from routekey.state.backend import data_folder, open_store
from routekey.wire import model, tls
from routekey.wire.http import Endpoint, HttpRequest, HttpResponse
from routekey.wire.listener import SPARE_DESCRIPTORS, Listener, raise_descriptor_limit
from routekey.wire.service import Call, RestService
from routekey.wire.transport import HttpBackends

log = logging.getLogger("routekey")

DRAIN_SECONDS = 5.0
OWN_SERVICES = ("APIGATEWAYV2", "API_GATEWAY", "APIGATEWAYMANAGEMENTAPI", "LAMBDA")  # as endpoint variables spell them
REAP_SECONDS = 5.0
MAX_IDENTITIES = 64  # client certificates whose contexts are kept
KEY_SECONDS = 600.0  # that functions may use the user's credentials for: the SDK renews them that long before they end


class _LocalLambda:
    """This gateway's functions, and its Lambda API, as the data plane asks for them."""

    def __init__(self, functions: Functions, api: RestService, region: Region) -> None:
        self.functions = functions
        self.api = api
        self.region = region
        self._parse = lru_cache(maxsize=1024)(functions.parse)  # an integration names the same one each time

    async def invoke(self, function: str, payload: bytes, seconds: float) -> FunctionAnswer:
        try:
            name, qualifier = self._parse(function)
            invoked = await self.functions.invoke(name, qualifier, payload, seconds=seconds)
        except ApiError as error:
            raise FunctionRefused(f"{error.code}: {error.message}", missing=error.status == 404) from None
        outcome = invoked.outcome
        return FunctionAnswer(200, outcome.payload, "Unhandled" if outcome.error else None, invoked.request_id)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        answer = await self.api.respond(request)
        if answer is not None:
            return answer
        body = b'{"message":"the Lambda API has no such operation"}'
        return HttpResponse(404, [("Content-Type", "application/json")], body)

    def is_own(self, function: str) -> bool:
        parts = function.split(":")
        return len(parts) < 7 or parts[3:5] == [self.region.name, self.region.account_id]


class Gateway:
    """One gateway process. `start` serves, `stop` drains and ends what it started."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        event_delays: tuple[float, ...] = EVENT_DELAYS,
    ) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.ids = ids or Ids()
        self.region = Region(settings.region, settings.account_id)
        self.deadlines = Deadlines(self.clock)
        self._temporary: Path | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Listener] = []
        self.store = open_store(settings.data)
        self.repository = Repository(self.store)
        self.http = HttpBackends(self.deadlines, authority=settings.backend_ca)
        limits = Limits(environments=settings.function_environments)
        code = CodeStore(self.store, self.folder / "code")
        self.functions = Functions(
            self.repository, code, self.region, self.ids, self.deadlines, limits, event_delays=event_delays
        )
        self.connections = Connections()
        traced = settings.log_level.lower() == "debug"
        self.pipeline = Pipeline(self.clock, self.ids, settings.quotas, self.deadlines, self.connections, traced=traced)
        self.functions_api = LambdaApi(self.functions, self.clock).service(model.load("lambda", "2015-03-31"))
        self.endpoints = Endpoints(None if settings.aws == "moto" else settings.aws, os.environ)
        self.moto: Moto | None = None
        self._without_keys = False  # functions were started without credentials, and the log says so
        self._identities: dict[str, tuple[tuple[str, str], ssl.SSLContext]] = {}
        self.catalog = Catalog(self.repository, self._backends(), self.pipeline.forget)
        self.domains = Domains(self.repository)
        self.addresses = Addresses(self.region, self.domains, settings.public_host)
        self.port = 0

    def _backends(self) -> Backends:
        client = AwsClient(self.http)
        self.credentials = Credentials(self.endpoints, client, os.environ, self.region.name, self.clock)
        return Backends(
            functions=_LocalLambda(self.functions, self.functions_api, self.region),
            http=self.http,
            addresses=AddressMap(self.settings.map),
            endpoints=self.endpoints,
            credentials=self.credentials,
            aws=client,
            clock=self.clock,
            identify=self._identify,
        )

    async def _identify(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """TLS to backends that presents a stage's client certificate; one context serves all who present it."""
        pem = certificate.pem_encoded_certificate, certificate.private_key
        known = self._identities.get(certificate.client_certificate_id)
        if known is None or known[0] != pem:
            context = await asyncio.to_thread(tls.client_context, self.settings.backend_ca, *pem)
            if len(self._identities) >= MAX_IDENTITIES:
                self._identities.clear()
            known = self._identities[certificate.client_certificate_id] = pem, context
        return known[1]

    @property
    def folder(self) -> Path:
        """Where files live: beside the data, or in a temporary folder that goes with the process."""
        folder = data_folder(self.settings.data)
        if folder is not None:
            return folder
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="routekey-"))
        return self._temporary

    @property
    def host(self) -> str:
        """The address that processes on this machine reach the gateway by."""
        wildcard = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        host = wildcard.get(self.settings.host, self.settings.host)
        return f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen and serve. OSError when the address is taken; nothing is left of a start that failed."""
        try:
            await self._start()
        except BaseException:
            await self.end()
            raise

    async def _start(self) -> None:
        limit = raise_descriptor_limit()
        await self.domains.load()
        await self.functions.code.sweep()
        self.functions.open()
        if self.settings.aws == "moto":
            guardian = self.functions.guardian
            self.moto = Moto(self.region.account_id, self.region.name, guardian.watch, guardian.forget)
            self.endpoints.aws = await self.moto.start()
        front = self._front()
        local = self._local_context()
        room = max(64, limit - SPARE_DESCRIPTORS - limit // 20)
        listener = self._listen(front, self._public_context(local), room)
        self.port = listener.listen(self.settings.host, self.settings.port)
        callback = self.port
        if self.settings.tls == "off":
            # Functions call back by https whatever the public port speaks.
            callback = self._listen(front, local, room).listen("127.0.0.1", 0)
        host = self.host if callback == self.port else "127.0.0.1"
        self.functions.home = Home(
            f"{host}:{callback}", self._sdk, str(self.folder / "tls" / "ca.pem"), lambda: self.domains.names
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.deadlines.run()), loop.create_task(self._reap())]
        front.ready = True

    async def _sdk(self) -> dict[str, str]:
        """What leads the SDK calls of functions: our own services here, others where `--aws` says (contract 2)."""
        given = {name: value for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL_")}
        aws = self.endpoints.aws
        # Nobody's keys, unless AWS itself was asked for: what is signed with them is only good on this machine.
        keys: Keys | None = LOCAL
        if aws == REAL:
            try:
                keys = await self.credentials.own()
            except NoCredentials as error:
                if not self._without_keys:
                    log.warning("functions get no credentials", extra={"data": {"error": str(error)}})
                self._without_keys, keys = True, None
        variables = {
            **(keys.variables if keys is not None else {}),
            **given,
            **{f"AWS_ENDPOINT_URL_{name}": self.url for name in OWN_SERVICES},
        }
        return variables if aws == REAL else {**variables, "AWS_ENDPOINT_URL": aws or self.url}

    def _listen(self, endpoint: Endpoint, context: ssl.SSLContext | None, room: int) -> Listener:
        listener = Listener(endpoint, self.deadlines, context=context, max_connections=room)
        self._listeners.append(listener)
        return listener

    def _local_context(self) -> ssl.SSLContext:
        authority = self._certificate()
        context = tls.server_context(authority.certificate, authority.key)

        async def renew() -> None:
            """Custom domains have come or gone: new handshakes get a certificate that names them."""
            renewed = await asyncio.to_thread(self._certificate)
            context.load_cert_chain(renewed.certificate, renewed.key)
            self.functions.retire_all()  # their processes know the domains from their start

        self.domains.changed = renew
        return context

    def _certificate(self) -> tls.Authority:
        names = ["localhost", f"*{self.region.execute_api_suffix}", *self.domains.names]
        now = datetime.datetime.fromtimestamp(self.clock.time(), datetime.UTC)
        return tls.ensure(self.folder / "tls", names, now)

    def _public_context(self, local: ssl.SSLContext) -> ssl.SSLContext | None:
        if self.settings.tls == "off":
            return None
        if self.settings.tls == "auto":
            return local
        certificate, key = self.settings.tls.split(",")
        context = tls.server_context(Path(certificate), Path(key))
        # Functions ask for execute-api names, which no certificate of the user's covers.
        tls.choose_by_name(context, local, self._is_ours)
        return context

    def _is_ours(self, name: str) -> bool:
        return name.endswith(self.region.execute_api_suffix) or self.domains.mappings(name) is not None

    def _front(self) -> Front:
        control = operations.Control(
            self.repository,
            self.ids,
            self.clock,
            self.region,
            self.settings.quotas,
            self.catalog.check,
            self._endpoint,
        )
        v2_modules = [
            apis,
            authorizers,
            deployments,
            domains,
            integrations,
            models,
            routes,
            stages,
            tags,
            vpc_links,
        ]
        v2 = operations.service(control, model.load("apigatewayv2", "2018-11-29"), v2_modules)
        v1_modules = [account, api_keys, client_certificates, load_balancer_links, tags, usage_plans]
        v1 = operations.service(control, model.load("apigateway", "2015-07-09"), v1_modules)
        data_plane = DataPlane(self.pipeline, self.catalog, self.addresses, self.settings.trusted_proxy)
        management = Management(
            self.connections, self.catalog, self.addresses, self.ids, self.settings.quotas.max_message
        )
        return Front(self.addresses, data_plane, management, v2, v1, self.functions_api, self._metrics, self._aws_url)

    def _endpoint(self, call: Call) -> str:
        own_certificate = self.settings.tls not in ("auto", "off")
        scheme = "wss" if own_certificate else "ws"
        return f"{scheme}://{self.settings.public_host or call.request.header('host')}"

    def _aws_url(self) -> str | None:
        return self.endpoints.aws if self.endpoints.aws != REAL else None

    def _metrics(self) -> str:
        return f"# TYPE routekey_connections gauge\nroutekey_connections {len(self.connections)}\n"

    async def stages(self) -> list[str]:
        """The URL of each stage there is."""
        scheme = "ws" if self.settings.tls in ("auto", "off") else "wss"
        host = self.settings.public_host or f"{self.host}:{self.port}"
        keys = await self.store.keys(Stage.collection + "/")
        return [f"{scheme}://{host}/{key.removeprefix(Stage.collection + '/')}" for key in keys]

    async def _reap(self) -> None:
        renewed = self.clock.monotonic()
        while True:
            await asyncio.sleep(REAP_SECONDS)
            self.functions.reap()
            if self.endpoints.aws == REAL and self.clock.monotonic() - renewed > KEY_SECONDS:
                renewed = self.clock.monotonic()
                self.functions.retire_all()  # their processes have the credentials that they were started with

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Accept no more, close every connection with 1001, run their $disconnect, end functions.

        What is under way gets a few seconds, or until `hurry` is set.
        """
        for listener in self._listeners:
            listener.close()
        self.pipeline.stopping = True
        for connection in self.connections.all():
            connection.close(1001, "Going away")
        loop = asyncio.get_running_loop()
        waits: list[asyncio.Task[object]] = [loop.create_task(self._drained())]
        if hurry is not None:
            waits.append(loop.create_task(hurry.wait()))
        await asyncio.wait(waits, timeout=DRAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.pipeline.tasks.cancel()
        await self.end()

    async def _drained(self) -> None:
        """When no handshake, message, $disconnect or request of the public port is under way any more."""
        while any(map(len, work := [self.pipeline.tasks, *(listener.tasks for listener in self._listeners)])):
            for tasks in work:
                await tasks.drain()

    async def end(self) -> None:
        """Let go of everything, whether or not the start succeeded."""
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.moto is not None:
            await self.moto.stop()
        await self.functions.close()
        self.http.close()
        self.catalog.close()
        self.domains.close()
        await self.store.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
