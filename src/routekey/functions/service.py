"""Invoking functions: by name or ARN, with versions and aliases, at once or later."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from routekey.clock import Deadlines
from routekey.eager import within
from routekey.errors import ApiError
from routekey.functions.code import CodeStore
from routekey.functions.environment import Environment, Program
from routekey.functions.pool import Limits, Pool, Throttled
from routekey.functions.processes import Guardian
from routekey.functions.runtime_api import Outcome, Work, log_tail
from routekey.resources.function import LATEST, Alias, Function
from routekey.resources.ids import Ids, Region
from routekey.resources.repository import Repository
from routekey.state.store import Change

log = logging.getLogger("routekey.functions")

_REFERENCE = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?"
)
PRELOAD = Path(__file__).with_name("preload")
MAX_RESOLVED = 10_000  # names and qualifiers
MAX_EVENTS = 1024  # asynchronous invocations that wait or run
EVENT_DELAYS = (0.0, 60.0, 120.0)  # seconds before each attempt at an asynchronous invocation


@dataclass(frozen=True, slots=True)
class Home:
    """What functions are told of the gateway that runs them."""

    address: str  # host:port of a listener that speaks TLS
    sdk: Callable[[], Awaitable[Mapping[str, str]]]  # the variables that lead and sign the calls of their SDKs
    authority: str  # the file of its CA
    domains: Callable[[], Sequence[str]]


@dataclass(slots=True)
class Invoked:
    """An invocation that ended."""

    outcome: Outcome
    request_id: str
    version: str
    log: str | None = None


@dataclass(slots=True)
class Functions:
    repository: Repository
    code: CodeStore
    region: Region
    ids: Ids
    deadlines: Deadlines
    limits: Limits
    event_delays: Sequence[float] = EVENT_DELAYS
    home: Home | None = None  # known once the gateway listens
    guardian: Guardian = field(default_factory=Guardian)
    _pools: dict[tuple[str, str], tuple[str, Pool]] = field(default_factory=dict)
    _retired: list[Pool] = field(default_factory=list)
    _resolved: dict[tuple[str, str], Function] = field(default_factory=dict)
    _stamps: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)  # of code that lies in folders
    _generation: int = 0  # of what is known of functions: what was read before a change is not kept
    _events: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self) -> None:
        store = self.repository.store
        store.watch(Function.collection + "/", self._changed)
        store.watch(Alias.collection + "/", self._changed)

    async def _changed(self, _: Sequence[Change]) -> None:
        """Forget what was looked up; pools of versions that changed end after what they do."""
        self._generation += 1
        self._resolved.clear()
        for (name, version), (revision, _pool) in list(self._pools.items()):
            known = await self.repository.find(Function, name, version)
            if known is None or known.revision_id != revision:
                self._retire((name, version))

    # finding

    def parse(self, reference: str, qualifier: str | None = None) -> tuple[str, str]:
        """Name and qualifier of a function's name, partial ARN or ARN."""
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise invalid(f"Invalid function name: {reference:.200}")
        if qualifier and match["qualifier"] and qualifier != match["qualifier"]:
            raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
        return match["name"], qualifier or match["qualifier"] or LATEST

    async def resolve(self, name: str, qualifier: str) -> Function:
        """The version that a qualifier stands for. ResourceNotFoundException when there is none."""
        function = self._resolved.get((name, qualifier))
        if function is not None:
            return function
        generation = self._generation
        version = qualifier
        if qualifier != LATEST and not qualifier.isdecimal():
            alias = await self.repository.find(Alias, name, qualifier)
            version = alias.function_version if alias is not None else ""
        found = await self.repository.find(Function, name, version) if version else None
        if found is None:
            raise missing(self.region.function(name, "" if qualifier == LATEST else qualifier))
        if generation == self._generation and len(self._resolved) < MAX_RESOLVED:
            self._resolved[name, qualifier] = found
        return found

    # invoking

    async def invoke(
        self,
        name: str,
        qualifier: str,
        payload: bytes,
        *,
        tail: bool = False,
        client_context: str | None = None,
        request_id: str = "",
        seconds: float | None = None,
    ) -> Invoked:
        """Run the function and wait for its outcome; TimeoutError when that takes longer than `seconds`.

        ResourceNotFoundException when there is no such function, TooManyRequestsException when too many wait.
        """
        function, pool = await self._pool(name, qualifier)
        work = Work(
            request_id or self.ids.uuid(),
            payload,
            self.region.function(name, "" if qualifier == LATEST else qualifier),
            client_context,
            self.ids.trace(self.deadlines.clock.time()) + ";Sampled=0",
            log=[] if tail else None,
        )
        try:
            pool.submit(work)
        except Throttled as error:
            raise ApiError(429, "TooManyRequestsException", f"Rate Exceeded. {error}", {"Type": "User"}) from None
        outcome = await (work.done if seconds is None else within(seconds, work.done))
        text = log_tail(work.log) if work.log is not None else None
        return Invoked(outcome, work.request_id, function.version, text)

    async def invoke_later(self, name: str, qualifier: str, payload: bytes) -> str:
        """Run the function without waiting, with two more attempts after errors; gives the request id."""
        await self.resolve(name, qualifier)
        if len(self._events) >= MAX_EVENTS:
            raise ApiError(
                429,
                "TooManyRequestsException",
                f"{MAX_EVENTS} asynchronous invocations wait already",
                {"Type": "User"},
            )
        request_id = self.ids.uuid()
        task = asyncio.get_running_loop().create_task(self._attempts(name, qualifier, payload, request_id))
        self._events.add(task)
        task.add_done_callback(self._events.discard)
        return request_id

    async def _attempts(self, name: str, qualifier: str, payload: bytes, request_id: str) -> None:
        for delay in self.event_delays:
            if delay:
                await asyncio.sleep(delay)
            try:
                invoked = await self.invoke(name, qualifier, payload, request_id=request_id)
            except ApiError as error:
                log.warning(
                    "an asynchronous invocation failed",
                    extra={"data": {"function": name, "error": error.message}},
                )
                continue
            if invoked.outcome.error is None:
                return
        log.error(
            "an asynchronous invocation is given up",
            extra={"data": {"function": name, "request": request_id, "attempts": len(self.event_delays)}},
        )

    # environments

    async def _pool(self, name: str, qualifier: str) -> tuple[Function, Pool]:
        """The version that is asked for, and the environments of just that revision of it."""
        while True:
            function = await self.resolve(name, qualifier)
            at = function.function_name, function.version
            known = self._pools.get(at)
            if known is not None and known[0] == function.revision_id and not await self._edited(at, function):
                return function, known[1]
            generation = self._generation
            try:
                program = await self._program(function)
            except FileNotFoundError as error:
                if generation == self._generation:
                    raise ApiError(502, "InvalidZipFileException", str(error), {"Type": "User"}) from None
                continue  # it was updated meanwhile
            if isinstance(function.code_folder, str):
                newest = await asyncio.to_thread(newest_change, Path(function.code_folder))
                self._stamps[at] = self.deadlines.clock.monotonic(), newest
            if generation == self._generation and self._pools.get(at) is known:
                return function, self._open_pool(function, program)

    async def _edited(self, at: tuple[str, str], function: Function) -> bool:
        """Whether code that is run where it lies was changed since its environments started; asked once a second."""
        if not isinstance(function.code_folder, str):
            return False
        now = self.deadlines.clock.monotonic()
        checked, stamp = self._stamps.get(at, (0.0, 0.0))
        if now - checked < 1.0:
            return False
        newest = await asyncio.to_thread(newest_change, Path(function.code_folder))
        self._stamps[at] = now, newest
        return bool(stamp) and newest != stamp

    def _open_pool(self, function: Function, program: Program) -> Pool:
        def make(changed: Callable[[Environment], None]) -> Environment:
            return Environment(function, program, self.deadlines, self.guardian, changed)

        at = function.function_name, function.version
        self._retire(at)
        pool = Pool(function.function_name, self.limits, make)
        self._pools[at] = function.revision_id, pool
        return pool

    def _retire(self, at: tuple[str, str]) -> None:
        known = self._pools.pop(at, None)
        if known is not None:
            known[1].retire()
            self._retired.append(known[1])

    def retire_all(self) -> None:
        """What functions are told at their start has changed: the next invocation gets a new environment."""
        self._generation += 1
        for at in list(self._pools):
            self._retire(at)

    async def _program(self, function: Function) -> Program:
        if isinstance(function.code_folder, str):
            folder = Path(function.code_folder)
            if not folder.is_dir():
                raise ApiError(
                    502, "InvalidRuntimeException", f"The code folder {folder} of {function.function_name} is gone",
                    {"Type": "User"},
                )  # fmt: skip
        else:
            folder = await self.code.folder_of(function.code_sha256)
        if self.home is None:
            raise RuntimeError("functions are invoked before the gateway listens")
        return Program(command(function), folder, self._variables(function, folder, self.home), self.home.sdk)

    def _variables(self, function: Function, folder: Path, home: Home) -> dict[str, str]:
        own = dict(function.environment)
        paths = [str(PRELOAD), own.pop("PYTHONPATH", "")]
        name = function.function_name
        return {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "HOME": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_EC2_METADATA_DISABLED": "true",
            **own,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_REGION": self.region.name,
            "AWS_DEFAULT_REGION": self.region.name,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"routekey/[{function.version}]{self.ids.uuid().replace('-', '')}",
            "LAMBDA_TASK_ROOT": str(folder),
            "LAMBDA_RUNTIME_DIR": str(PRELOAD.parent),
            "_HANDLER": function.handler,
            "_ROUTEKEY_GATEWAY": home.address,
            "_ROUTEKEY_CA": home.authority,
            "_ROUTEKEY_DOMAINS": " ".join(home.domains()),
        }

    def reap(self) -> None:
        """End environments that have been idle for long, and forget pools that are empty."""
        now = self.deadlines.clock.monotonic()
        for at, (_, pool) in list(self._pools.items()):
            pool.reap(now)
            if pool.empty:
                del self._pools[at]
        self._retired = [pool for pool in self._retired if not pool.empty]
        self._stamps = {at: stamp for at, stamp in self._stamps.items() if at in self._pools}

    async def close(self) -> None:
        for task in list(self._events):
            task.cancel()
        for pool in [*(pool for _, pool in self._pools.values()), *self._retired]:
            pool.close()
        for _ in range(100):
            if all(pool.empty for pool in [*(pool for _, pool in self._pools.values()), *self._retired]):
                break
            await asyncio.sleep(0.02)
        with contextlib.suppress(Exception):
            await asyncio.to_thread(self.guardian.close)


def newest_change(folder: Path) -> float:
    """When something in the folder was last changed: a number that differs after each edit."""
    newest = folder.stat().st_mtime if folder.exists() else 0.0
    seen = 0
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            with contextlib.suppress(OSError):
                newest = max(newest, os.stat(os.path.join(root, name)).st_mtime)
        seen += len(files)
        if seen > 10_000:
            break  # a folder of that size holds libraries, which nobody edits
    return newest


def command(function: Function) -> list[str]:
    """What runs a function: the official runtime interface client, or ours where that has no wheel."""
    from importlib.util import find_spec

    client = "awslambdaric" if find_spec("awslambdaric") else "routekey.functions.runtime_client"
    return [sys.executable, "-m", client, function.handler]


def invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidParameterValueException", message, {"Type": "User"})


def missing(arn: str) -> ApiError:
    return ApiError(404, "ResourceNotFoundException", f"Function not found: {arn}", {"Type": "User"})
