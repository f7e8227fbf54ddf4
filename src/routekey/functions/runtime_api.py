"""The Runtime API: how one execution environment gets events and gives answers."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from routekey.wire.http import HttpRequest, HttpResponse

PREFIX = "/2018-06-01/runtime/"
INVOCATION = PREFIX + "invocation/"
NEXT = INVOCATION + "next"
MAX_PAYLOAD = 6 * 1024 * 1024  # bytes of an answer, as Lambda's own limit
_READ = 64 * 1024 * 1024  # how much of an answer over the limit is read before the connection is dropped


@dataclass(slots=True)
class Outcome:
    """How one invocation ended."""

    payload: bytes
    error: str | None = None  # its type, where it failed


@dataclass(slots=True)
class Work:
    """One invocation on its way through an execution environment."""

    request_id: str
    payload: bytes
    function_arn: str
    client_context: str | None = None
    trace_id: str = ""
    done: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    waiting: bool = False  # in a queue for an environment
    log: list[bytes] | None = None  # its last lines, where the caller asked for them

    def finish(self, outcome: Outcome) -> None:
        if not self.done.done():
            self.done.set_result(outcome)


def failure(error_type: str, message: str) -> Outcome:
    return Outcome(msgspec.json.encode({"errorType": error_type, "errorMessage": message}), error_type)


class RuntimeApi:
    """The endpoint of one environment. `ready` is called when it asks for work for the first time."""

    def __init__(
        self,
        ready: Callable[[], None],
        answered: Callable[[Work, Outcome], None],
        init_failed: Callable[[Outcome], None],
        deadline_ms: Callable[[], int],
    ) -> None:
        self._ready = ready
        self._answered = answered
        self._init_failed = init_failed
        self._deadline_ms = deadline_ms
        self._next: asyncio.Future[Work] | None = None
        self.current: Work | None = None

    def close(self) -> None:
        """The environment is gone: what waits for work gets none."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def give(self, work: Work) -> None:
        """Hand `work` to the environment, which is waiting for it."""
        assert self._next is not None
        waiting, self._next = self._next, None
        self.current = work
        waiting.set_result(work)

    def body_limit(self, method: str, target: str) -> int:
        return _READ

    async def upgrade(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(404)

    async def respond(self, request: HttpRequest) -> HttpResponse:
        path = request.path
        # Answers name a request id, which only a client that was given the event knows.
        if request.method == "POST" and path.startswith(INVOCATION):
            return self._answer(request, path.removeprefix(INVOCATION))
        if request.header("origin") or request.host != "127.0.0.1":
            return HttpResponse(403)  # a web page, not the function's runtime client
        if request.method == "GET" and path == NEXT:
            return await self._wait()
        if request.method == "POST" and path == PREFIX + "init/error":
            self._init_failed(Outcome(request.body, _error_type(request)))
            return _accepted()
        return HttpResponse(404, [("Content-Type", "application/json")], b'{"errorType":"InvalidPath"}')

    async def _wait(self) -> HttpResponse:
        if self._next is not None:
            return HttpResponse(400, [("Content-Type", "application/json")], b'{"errorType":"AlreadyWaiting"}')
        self._next = asyncio.get_running_loop().create_future()
        waiting = self._next
        self._ready()
        work = await waiting
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", work.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(self._deadline_ms())),
            ("Lambda-Runtime-Invoked-Function-Arn", work.function_arn),
        ]
        if work.trace_id:
            headers.append(("Lambda-Runtime-Trace-Id", work.trace_id))
        if work.client_context:
            headers.append(("Lambda-Runtime-Client-Context", work.client_context))
        return HttpResponse(200, headers, work.payload)

    def _answer(self, request: HttpRequest, rest: str) -> HttpResponse:
        request_id, _, kind = rest.partition("/")
        work = self.current
        if work is None or work.request_id != request_id or kind not in ("response", "error"):
            return HttpResponse(400, [("Content-Type", "application/json")], b'{"errorType":"InvalidRequestID"}')
        self.current = None
        if kind == "error":
            self._answered(work, Outcome(request.body, _error_type(request)))
        elif len(request.body) > MAX_PAYLOAD:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
            self._answered(work, failure("Function.ResponseSizeTooLarge", message))
            return HttpResponse(413, [("Content-Type", "application/json")], b'{"errorType":"RequestEntityTooLarge"}')
        else:
            self._answered(work, Outcome(request.body))
        return _accepted()


def _accepted() -> HttpResponse:
    return HttpResponse(202, [("Content-Type", "application/json")], b'{"status":"OK"}\n')


def _error_type(request: HttpRequest) -> str:
    return request.header("lambda-runtime-function-error-type", "Unhandled")


def log_tail(lines: list[bytes]) -> str:
    """The last 4 KB of an invocation's log, as X-Amz-Log-Result carries it."""
    return base64.b64encode(b"\n".join(lines)[-4096:]).decode()
