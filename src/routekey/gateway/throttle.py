"""Token buckets (spec 11.2)."""

from __future__ import annotations

from routekey.clock import Clock


class TokenBucket:
    """`rate` a second, refilled continuously, at most `burst` saved up; a rate of 0 admits everything."""

    def __init__(self, clock: Clock, rate: float, burst: int) -> None:
        self.clock = clock
        self.rate = rate
        self.burst = burst
        self.tokens = float(burst)
        self.filled = clock.monotonic()

    def admit(self) -> bool:
        if self.rate <= 0:
            return True
        now = self.clock.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
