"""Work that runs to its first wait at once, and goes on from callbacks: most messages wait once, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """The work that somebody has started."""

    def __init__(self) -> None:
        self._running: set[_Work] = set()
        self._idle: asyncio.Future[None] | None = None  # for who waits until nothing runs

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` now, up to its first wait; the rest follows when that is over. It must not raise.

        It is no asyncio task, which would cost as much as the rest of a message: there is no current task in it, so
        `asyncio.timeout` and `wait_for` are of no use inside. `within` is.
        """
        _Work(coroutine, self).step()

    def waits(self, work: _Work) -> None:
        self._running.add(work)

    def ended(self, work: _Work) -> None:
        self._running.discard(work)
        if not self._running and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    async def drain(self) -> None:
        """Wait until everything started has ended."""
        while self._running:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    def cancel(self) -> None:
        for work in list(self._running):
            work.cancel()


class _Work:
    """One coroutine, and the future that it waits for: what a task is, without its bookkeeping."""

    __slots__ = ("_cancelled", "_coroutine", "_tasks", "_waiting")

    def __init__(self, coroutine: Coroutine[Any, Any, None], tasks: Tasks) -> None:
        self._coroutine = coroutine
        self._tasks = tasks
        self._waiting: Any = None
        self._cancelled = False  # while it was not waiting for anything that could be

    def step(self, _: object = None) -> None:
        before = self._waiting
        try:
            if self._cancelled:
                self._cancelled = False
                waiting = self._coroutine.throw(asyncio.CancelledError())
            else:
                waiting = self._coroutine.send(None)
        except (StopIteration, asyncio.CancelledError):
            self._tasks.ended(self)
            return
        except BaseException:
            self._tasks.ended(self)
            raise
        if before is None:
            self._tasks.waits(self)
        if waiting is None:  # it lets others have their turn
            self._waiting = self
            asyncio.get_running_loop().call_soon(self.step)
        else:
            self._waiting = waiting
            waiting._asyncio_future_blocking = False
            waiting.add_done_callback(self.step)

    def cancel(self) -> None:
        if self._waiting is self or not self._waiting.cancel():
            self._cancelled = True


class Limit:
    """One time limit that many futures have: a single timer serves them all, since they end in order.

    A future that is not done in time gets a TimeoutError.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, future: asyncio.Future[Any]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        self._ends[future] = end
        if self._timer is None:
            self._timer = loop.call_at(end, self._expire)

    def stop(self, future: asyncio.Future[Any]) -> None:
        self._ends.pop(future, None)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = None
        while self._ends:
            future, end = next(iter(self._ends.items()))
            if end > now:
                self._timer = loop.call_at(end, self._expire)
                return
            del self._ends[future]
            if not future.done():
                future.set_exception(TimeoutError(f"no answer within {self.seconds:g} s"))


async def within(seconds: float, work: Awaitable[T]) -> T:
    """What `work` gives, or TimeoutError after `seconds`, when it is cancelled.

    Unlike `asyncio.wait_for` it may be awaited where no task is current.
    """
    future = asyncio.ensure_future(work)
    expired = False

    def expire() -> None:
        nonlocal expired
        expired = future.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await future
    except asyncio.CancelledError:
        if expired:
            raise TimeoutError(f"no answer within {seconds:g} s") from None
        raise
    finally:
        timer.cancel()
