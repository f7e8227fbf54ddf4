"""Coroutines that run to their first wait at once, so that work which never waits costs no task."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """The work that somebody has started; the event loop itself holds tasks only weakly."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` now, up to its first wait; the rest becomes a task. It must not raise.

        Before the first wait there may be no current task, so `asyncio.timeout` is of no use inside: use `within`.
        """
        task = _begin(coroutine)
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Wait until everything started has ended."""
        while self._running:
            await asyncio.wait(list(self._running))

    def cancel(self) -> None:
        for task in list(self._running):
            task.cancel()


if sys.version_info >= (3, 12):

    def _begin(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)
        return None if task.done() else task

else:

    def _begin(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        context = contextvars.copy_context()
        try:
            first = context.run(coroutine.send, None)
        except StopIteration:
            return None
        task = asyncio.get_running_loop().create_task(_rest(coroutine, first), context=context)
        # A task cancelled before its first step never enters `_rest`: close what it would have run.
        task.add_done_callback(lambda _: coroutine.close())
        return task

    class _Resume:
        """Awaits what the coroutine was waiting for, then goes on with it."""

        __slots__ = ("coroutine", "first")

        def __init__(self, coroutine: Coroutine[Any, Any, None], first: Any) -> None:
            self.coroutine = coroutine
            self.first = first

        def __await__(self) -> Generator[Any, Any, None]:
            waiting = self.first
            while True:
                try:
                    value = yield waiting
                except BaseException as error:
                    step: Callable[[], Any] = lambda error=error: self.coroutine.throw(error)  # type: ignore[misc]  # noqa: E731
                else:
                    step = lambda value=value: self.coroutine.send(value)  # type: ignore[misc]  # noqa: E731
                try:
                    waiting = step()
                except StopIteration:
                    return

    async def _rest(coroutine: Coroutine[Any, Any, None], first: Any) -> None:
        await _Resume(coroutine, first)


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
