"""One open connection: the mutable thing of the data plane."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from routekey.wire.http import Socket

if TYPE_CHECKING:
    from routekey.gateway.catalog import StageHandle
    from routekey.gateway.pipeline import Pipeline

log = logging.getLogger("routekey.gateway")


class Connection:
    """Who is connected, since when, and how to reach them. Receives the socket's events."""

    __slots__ = (
        "connected", "connected_at", "domain_name", "full_since", "id", "in_flight", "last_active", "last_data",
        "pipeline", "socket", "source_ip", "stage", "timer_slot", "user_agent",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: Pipeline,
        stage: StageHandle,
        connection_id: str,
        *,
        domain_name: str,
        source_ip: str,
        user_agent: str | None,
    ) -> None:
        self.pipeline: Pipeline = pipeline
        self.stage: StageHandle = stage
        self.id: str = connection_id
        self.domain_name: str = domain_name
        self.source_ip: str = source_ip
        self.user_agent: str | None = user_agent
        self.socket: Socket | None = None
        self.in_flight = 0
        self.full_since = 0.0  # when its send buffer filled up; 0 while it drains
        self.timer_slot = 0
        clock = pipeline.clock
        self.connected_at: int = int(clock.time() * 1000)  # milliseconds since 1970
        self.connected = self.last_active = self.last_data = clock.monotonic()

    # SocketHandler

    def opened(self, socket: Socket) -> None:
        self.socket = socket
        self.connected = self.last_active = self.last_data = self.pipeline.clock.monotonic()
        self.pipeline.opened(self)

    def received(self, data: str | bytes) -> None:
        self.last_active = self.last_data = self.pipeline.clock.monotonic()
        self.in_flight += 1
        if self.in_flight >= self.pipeline.quotas.in_flight and self.socket is not None:
            self.socket.pause()
        self.pipeline.tasks.start(self.pipeline.message(self, str(data)))

    def finished(self) -> None:
        """One message has run its course."""
        self.in_flight -= 1
        if self.in_flight == self.pipeline.quotas.in_flight - 1 and self.socket is not None:
            self.socket.resume()

    def pinged(self) -> None:
        self.last_active = self.pipeline.clock.monotonic()

    def closed(self, code: int, reason: str) -> None:
        self.pipeline.tasks.start(self.pipeline.disconnect(self, code, reason))

    # outbound

    def send(self, text: str) -> bool:
        """Queue `text` for the client; False when it does not read and its buffer is full."""
        socket = self.socket
        if socket is None:
            return True
        quotas = self.pipeline.quotas
        now = self.pipeline.clock.monotonic()
        # Its length in characters is enough of a measure, and costs nothing.
        if socket.buffered() + len(text) > quotas.send_buffer:
            return False
        self.full_since = 0.0
        self.last_active = self.last_data = now
        socket.send(text)
        return True

    def reply_dropped(self) -> None:
        """An answer found the buffer full: the client has a while to read, then it is closed (C-25)."""
        if not self.full_since:
            self.full_since = self.pipeline.clock.monotonic()
            self.pipeline.hurry(self, self.deadline)

    def close(self, code: int, reason: str) -> None:
        if self.socket is not None:
            self.socket.close(code, reason)

    # Timed

    @property
    def deadline(self) -> float:
        """When it is idle, old, or unread for too long (spec 2.6, C-25), on the monotonic clock."""
        quotas = self.pipeline.quotas
        deadline = min(self.last_active + quotas.idle_timeout, self.connected + quotas.max_connection_age)
        return min(deadline, self.full_since + quotas.slow_client) if self.full_since else deadline

    def expired(self, now: float) -> float | None:
        quotas = self.pipeline.quotas
        if self.full_since and self.socket is not None and self.socket.buffered() < quotas.send_buffer // 2:
            self.full_since = 0.0
        if now < self.deadline:
            return self.deadline
        if self.full_since and now >= self.full_since + quotas.slow_client:
            log.warning("a client does not read: closing", extra={"data": {"connection": self.id}})
        self.close(1001, "Going away")
        return None
