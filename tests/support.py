"""A real gateway in a thread, its clients, and APIs made in one call."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import re
import socketserver
import ssl
import threading
import time
import zipfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeVar

import boto3
import uvloop
from botocore.config import Config
from websockets.sync.client import ClientConnection, connect

from routekey.app import Gateway
from routekey.config import Settings
from routekey.resources.quotas import Quotas

T = TypeVar("T")

FRAME = re.compile(r'\{"message": "(.*)", "connectionId":"([A-Za-z0-9_-]{15}=)", "requestId":"([A-Za-z0-9_-]{15}=)"\}')
ROLE = "arn:aws:iam::000000000000:role/any"


class ManualClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_640_429_128.331
        self.ticks = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds


class RunningGateway:
    """A gateway on a free loopback port, with its own event loop in its own thread."""

    def __init__(self, settings: Settings, **parts: Any) -> None:
        self.settings = settings
        self.parts = parts
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._clients: dict[str, Any] = {}

    def start(self) -> RunningGateway:
        self._thread.start()
        self._started.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def _run(self) -> None:
        async def main() -> None:
            self._stopped = asyncio.Event()
            self.loop = asyncio.get_running_loop()
            try:
                self.gateway = Gateway(self.settings, **self.parts)
                await self.gateway.start()
            except BaseException as error:
                self._failure = error
                self._started.set()
                return
            self._started.set()
            await self._stopped.wait()
            await self.gateway.stop()

        uvloop.run(main())

    def stop(self) -> None:
        if self._failure is None and self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(20)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the gateway's loop."""

        async def work() -> T:
            return function()

        return self.run(work())

    def advance(self, seconds: float) -> None:
        """Move a ManualClock, and let what is due happen."""

        def move() -> None:
            self.parts["clock"].advance(seconds)
            self.gateway.deadlines.tick()

        self.call(move)

    @property
    def port(self) -> int:
        return self.gateway.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str, path: str = "") -> Any:
        """A boto3 client of `service` that talks to this gateway."""
        key = service + path
        if key not in self._clients:
            self._clients[key] = client_of(service, self.url + path, self.settings.region)
        return self._clients[key]

    def api(self, routes: Mapping[str, Mapping[str, Any] | None], **options: Any) -> TestApi:
        """An API with `routes`: route key to what its integration has, or None for a route without one.

        Besides members of the integration a route may say `responses` (integration responses),
        `two_way` and `route` (members of the route). Options: `expression`, `stage`, `variables`.
        """
        v2 = self.client("apigatewayv2")
        made = v2.create_api(
            Name="test",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression=options.get("expression", "$request.body.action"),
        )
        api = TestApi(self, made["ApiId"], options.get("stage", "test"))
        for key, integration in routes.items():
            api.add_route(key, integration)
        v2.create_stage(ApiId=api.id, StageName=api.stage, StageVariables=options.get("variables", {}))
        api.deploy()
        return api

    def function(self, name: str, source: str, *, runtime: str = "python3.11", **settings: Any) -> str:
        """A function whose module `app` is `source`; gives its ARN."""
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime=runtime,
            Handler=settings.pop("Handler", "app.handler"),
            Role=ROLE,
            Code={"ZipFile": package({"app.py": source})},
            **{"Timeout": 10, **settings},
        )
        return str(made["FunctionArn"])


def client_of(service: str, url: str, region: str = "us-east-1") -> Any:
    """A boto3 client of `service` at `url`."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=35),
    )


def package(files: Mapping[str, str]) -> bytes:
    """A deployment package of `files`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def lambda_uri(function_arn: str, region: str = "us-east-1") -> str:
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def proxy(function_arn: str, **members: Any) -> dict[str, Any]:
    """An AWS_PROXY integration of a function."""
    uri = lambda_uri(function_arn)
    return {"IntegrationType": "AWS_PROXY", "IntegrationMethod": "POST", "IntegrationUri": uri, **members}


def mock(text: str = "", status: int = 200, **members: Any) -> dict[str, Any]:
    """A MOCK integration that answers `text`."""
    return {
        "IntegrationType": "MOCK",
        "RequestTemplates": {"$default": json.dumps({"statusCode": status})},
        "responses": [{"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": text}}],
        **members,
    }


def http(uri: str, kind: str = "HTTP", **members: Any) -> dict[str, Any]:
    """An integration of an HTTP endpoint; of type HTTP it answers with what the endpoint answered."""
    made: dict[str, Any] = {"IntegrationType": kind, "IntegrationMethod": "POST", "IntegrationUri": uri}
    if kind == "HTTP":
        made["responses"] = [{"IntegrationResponseKey": "$default"}]
    return made | members


@dataclass
class TestApi:
    """An API made for one test."""

    __test__ = False

    gateway: RunningGateway
    id: str
    stage: str
    integrations: dict[str, str] = field(default_factory=dict)

    def add_route(self, key: str, integration: Mapping[str, Any] | None) -> str:
        v2 = self.gateway.client("apigatewayv2")
        members = dict(integration or {})
        responses = members.pop("responses", [])
        two_way = members.pop("two_way", False)
        route = {"ApiId": self.id, "RouteKey": key, **members.pop("route", {})}
        if members:
            made = v2.create_integration(ApiId=self.id, **members)
            self.integrations[key] = made["IntegrationId"]
            route["Target"] = f"integrations/{made['IntegrationId']}"
            for response in responses:
                v2.create_integration_response(ApiId=self.id, IntegrationId=made["IntegrationId"], **response)
        route_id = str(v2.create_route(**route)["RouteId"])
        if two_way:
            v2.create_route_response(ApiId=self.id, RouteId=route_id, RouteResponseKey="$default")
        return route_id

    def deploy(self) -> str:
        return str(
            self.gateway.client("apigatewayv2").create_deployment(ApiId=self.id, StageName=self.stage)["DeploymentId"]
        )

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.gateway.port}/{self.id}/{self.stage}"

    def connect(self, query: str = "", **options: Any) -> AbstractContextManager[ClientConnection]:
        options.setdefault("compression", None)
        options.setdefault("close_timeout", 2)
        client: AbstractContextManager[ClientConnection] = connect(self.url + query, **options)
        return client

    def management(self) -> Any:
        return self.gateway.client("apigatewaymanagementapi", f"/{self.id}/{self.stage}")

    def connection_ids(self) -> list[str]:
        """Ids of its open connections, the oldest first."""
        gateway = self.gateway
        return gateway.call(
            lambda: [each.id for each in gateway.gateway.connections.all() if each.stage.api_id == self.id]
        )


def settings(**changes: Any) -> Settings:
    """Settings of a gateway for tests: nothing outlives it."""
    quotas = {name: changes.pop(name) for name in list(changes) if name in Quotas.__dataclass_fields__}
    base = Settings(data="memory:", port=0, log_level="warning", quotas=replace(Quotas(connect_rate=0), **quotas))
    return replace(base, **changes)


@contextmanager
def running(**changes: Any) -> Iterator[RunningGateway]:
    """A gateway of its own for one test; `clock`, `ids` and `event_delays` go to the Gateway, the rest to Settings."""
    parts = {name: changes.pop(name) for name in ("clock", "ids", "event_delays") if name in changes}
    gateway = RunningGateway(settings(**changes), **parts)
    try:
        yield gateway.start()
    finally:
        gateway.stop()


def error(frame: str | bytes) -> str:
    """The message of an error frame, whose layout is checked to the letter."""
    match = FRAME.fullmatch(str(frame))
    assert match, frame
    return match[1]


def silent(client: ClientConnection) -> bool:
    """Whether nothing comes for a while."""
    try:
        client.recv(0.15)
    except TimeoutError:
        return True
    return False


def meanwhile(client: ClientConnection, other: ClientConnection, message: str) -> tuple[str, float]:
    """What answers a message, and the longest that another client's `ping` took until then."""
    client.send(message)
    longest, end = 0.0, time.monotonic() + 10
    while True:
        started = time.monotonic()
        assert started < end, "there is no answer"
        other.send('{"action":"ping"}')
        assert other.recv(30) == "pong"
        longest = max(longest, time.monotonic() - started)
        with contextlib.suppress(TimeoutError):
            return str(client.recv(0.01)), longest


def eventually(check: Callable[[], T], seconds: float = 10.0) -> T:
    """What `check` gives as soon as that is true."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: last was {value!r}")
        time.sleep(0.01)


@dataclass
class Seen:
    """One request that a Backend got."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Seen], tuple[int, Mapping[str, str], bytes]]


class Backend:
    """A real HTTP server; `answer` gives status, headers and body for each request.

    It is on loopback, with TLS where there is a `context`, or on the Unix socket `path`.
    """

    def __init__(self, answer: Answering, *, context: ssl.SSLContext | None = None, path: str | None = None) -> None:
        self.seen: list[Seen] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen = Seen(self.command, self.path, dict(self.headers.items()), body)
                backend.seen.append(seen)
                status, headers, payload = answer(seen)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                """Tests look at `seen` instead."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that hangs up, or does not trust the certificate, is what some tests want."""

        self._server: socketserver.TCPServer | socketserver.ThreadingUnixStreamServer
        if path is None:
            self._server = server = Server(("127.0.0.1", 0), Handler)
            self.address = f"127.0.0.1:{server.server_port}"
        else:
            self._server = socketserver.ThreadingUnixStreamServer(path, Handler)
            self._server.daemon_threads = True
            self.address = f"unix:{path}"
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{'http' if context is None else 'https'}://{self.address}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Lines(logging.Handler):
    """What gateways log while it is open, from `level` on."""

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    def __enter__(self) -> Self:
        logger = logging.getLogger("routekey")
        self._before = logger.level
        logger.addHandler(self)
        logger.setLevel(self.level)
        return self

    def __exit__(self, *_: object) -> None:
        logger = logging.getLogger("routekey")
        logger.setLevel(self._before)
        logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, message: str, **fields: object) -> list[Mapping[str, Any]]:
        """The fields of each line with this message, and with these values among them."""
        found = [getattr(record, "data", {}) for record in list(self.records) if record.getMessage() == message]
        return [data for data in found if fields.items() <= data.items()]

    def failed(self, api: TestApi) -> Mapping[str, Any]:
        """The fields of the one failure of an API, waited for."""
        [found] = eventually(lambda: self.of("failed", api=api.id))
        return found

    @property
    def failure(self) -> str:
        """Why the one message that failed did."""
        [fields] = self.of("failed")
        return str(fields["error"])
