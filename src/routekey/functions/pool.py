"""The environments of one function version: reused, started on demand, replaced, ended when idle."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from routekey.functions.environment import Environment, State
from routekey.functions.runtime_api import Outcome, Work, failure

log = logging.getLogger("routekey.functions")


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one function version may spread."""

    environments: int = 16
    queue: int = 1024  # invocations that wait for an environment
    idle_seconds: float = 300.0


class Throttled(Exception):
    """More invocations wait than may."""


class Pool:
    def __init__(self, name: str, limits: Limits, make: Callable[[Callable[[Environment], None]], Environment]) -> None:
        self.name = name
        self.limits = limits
        self._make = make
        self._idle: list[Environment] = []  # the one used last is used next, so that the others can end
        self._all: set[Environment] = set()
        self._queue: deque[Work] = deque()
        self._waiting = 0  # of the queue, those whose caller has not given up
        self._tasks: set[asyncio.Task[None]] = set()
        self._retired = False  # what waits is still served, nothing is kept for more
        self._closed = False

    def submit(self, work: Work) -> None:
        """Run `work` as soon as an environment is free. Throttled when too many wait already."""
        if self._idle:
            self._idle.pop().invoke(work)
            return
        if self._waiting >= self.limits.queue:
            raise Throttled(
                f"{self._waiting} invocations wait for one of {self.limits.environments} environments of {self.name}"
            )
        self._queue.append(work)
        self._waiting += 1
        work.done.add_done_callback(lambda _: self._left(work))
        work.waiting = True
        self._grow()

    def _left(self, work: Work) -> None:
        """A work is over: one that still waited was given up by its caller."""
        if work.waiting:
            work.waiting = False
            self._waiting -= 1
            if len(self._queue) > 2 * self._waiting + 16:
                self._queue = deque(each for each in self._queue if not each.done.done())

    def _take(self) -> Work | None:
        while self._queue:
            work = self._queue.popleft()
            if not work.done.done():
                work.waiting = False
                self._waiting -= 1
                return work
        return None

    def _grow(self) -> None:
        starting = sum(environment.state is State.STARTING for environment in self._all)
        while starting < self._waiting and len(self._all) < self.limits.environments and not self._closed:
            starting += 1
            environment = self._make(self._changed)
            self._all.add(environment)
            task = asyncio.get_running_loop().create_task(self._start(environment))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(self, environment: Environment) -> None:
        try:
            await environment.start()
        except Exception as error:
            log.error("a function does not start", extra={"data": {"function": self.name, "error": str(error)}})
            environment.init_outcome = failure("Runtime.InvalidEntrypoint", f"Error: {error}")
            environment.state = State.ENDED
            self._changed(environment)

    def _changed(self, environment: Environment) -> None:
        if environment.state is State.IDLE:
            self._assign(environment)
        elif environment.state is State.ENDED:
            self._all.discard(environment)
            if environment in self._idle:
                self._idle.remove(environment)
            if environment.init_outcome is not None:
                self._refuse(environment.init_outcome)
            self._grow()

    def _assign(self, environment: Environment) -> None:
        work = self._take()
        if work is not None:
            environment.invoke(work)
        elif self._retired:
            environment.kill()
        else:
            self._idle.append(environment)

    def _refuse(self, outcome: Outcome) -> None:
        """An environment that could not be initialised answers for one of those that waited for it."""
        work = self._take()
        if work is not None:
            work.finish(outcome)

    def reap(self, now: float) -> None:
        """End environments that nobody has used for a while."""
        for environment in [each for each in self._idle if now - each.idle_since > self.limits.idle_seconds]:
            self._idle.remove(environment)
            environment.kill()

    def retire(self) -> None:
        """The function has changed: idle environments end now, busy ones after what they do."""
        self._retired = True
        for environment in self._idle:
            environment.kill()
        self._idle.clear()

    def close(self) -> None:
        """End every environment; what waits is not served any more."""
        self._retired = self._closed = True
        self._queue.clear()
        for environment in list(self._all):
            environment.kill()

    @property
    def empty(self) -> bool:
        return not self._all and not self._queue
