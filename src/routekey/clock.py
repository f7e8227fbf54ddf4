"""Time as something that is passed in, and timers for many thousand things at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("routekey")


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since 1970, for stamps that people and functions see."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for timers."""


class SystemClock:
    def __init__(self) -> None:
        self.time: Callable[[], float] = time.time
        self.monotonic: Callable[[], float] = time.monotonic


class Timed(Protocol):
    timer_slot: int  # kept by Deadlines

    def expired(self, now: float) -> float | None:
        """Called when the time has come: do what is due and give None, or the time to call again."""


class Deadlines:
    """A timer wheel. Each thing stands in one bucket, and work is only done when its bucket is due.

    A thing whose deadline moves on with every message does not touch the wheel: when its bucket
    comes up it answers with its new deadline. So a timer costs nothing per message.
    """

    resolution = 0.25

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._buckets: dict[int, set[Timed]] = {}
        self._last = self._slot(clock.monotonic())

    def _slot(self, at: float) -> int:
        return int(at / self.resolution) + 1

    def add(self, thing: Timed, at: float) -> None:
        slot = max(self._slot(at), self._last + 1)
        thing.timer_slot = slot
        self._buckets.setdefault(slot, set()).add(thing)

    def remove(self, thing: Timed) -> None:
        """Forget `thing`: what has ended must not be held until its time would have come."""
        bucket = self._buckets.get(thing.timer_slot)
        if bucket is not None:
            bucket.discard(thing)
            if not bucket:
                del self._buckets[thing.timer_slot]

    def tick(self) -> None:
        """Call everything that is due by the clock."""
        now = self.clock.monotonic()
        slot = int(now / self.resolution)
        if slot - self._last > len(self._buckets):
            due = sorted(key for key in self._buckets if key <= slot)
        else:
            due = [key for key in range(self._last + 1, slot + 1) if key in self._buckets]
        self._last = max(slot, self._last)
        for key in due:
            # What one of them removes while it runs must not be called any more: take them one by one.
            while bucket := self._buckets.get(key):
                thing = bucket.pop()
                try:
                    again = thing.expired(now)
                except Exception:
                    log.exception("a timer failed")  # the others still count on this loop
                    continue
                if again is not None:
                    self.add(thing, again)
            self._buckets.pop(key, None)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(self.resolution)
            self.tick()
