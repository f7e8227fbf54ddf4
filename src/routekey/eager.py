"""Coroutines that run to their first wait at once, so that work which never waits costs no task."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

_running: set[asyncio.Task[None]] = set()  # the loop holds tasks weakly: somebody has to hold them


if sys.version_info >= (3, 12):

    def start(coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` now, up to its first wait; the rest becomes a task. It must not raise."""
        task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), eager_start=True)
        if not task.done():
            _running.add(task)
            task.add_done_callback(_running.discard)

else:

    def start(coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` now, up to its first wait; the rest becomes a task. It must not raise.

        Before the first wait there is no current task, so `asyncio.timeout` is of no use inside:
        use `within`.
        """
        context = contextvars.copy_context()
        try:
            first = context.run(coroutine.send, None)
        except StopIteration:
            return
        task = asyncio.get_running_loop().create_task(_rest(coroutine, first), context=context)
        _running.add(task)
        task.add_done_callback(_running.discard)
        # A task cancelled before its first step never enters `_rest`: close what it would have run.
        task.add_done_callback(lambda _: coroutine.close())

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


async def drain(seconds: float) -> None:
    """Wait until everything started has ended, at most `seconds`; what is left is cancelled."""
    here = asyncio.current_task()
    left = [task for task in _running if task is not here]
    if left:
        _, late = await asyncio.wait(left, timeout=seconds)
        for task in late:
            task.cancel()
