"""The open connections of this process, by id."""

from __future__ import annotations

from routekey.gateway.catalog import StageHandle
from routekey.gateway.connection import Connection


class Connections:
    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        self._open[connection.id] = connection

    def remove(self, connection: Connection) -> bool:
        """Whether it was open until now."""
        return self._open.pop(connection.id, None) is not None

    def find(self, connection_id: str) -> Connection | None:
        return self._open.get(connection_id)

    def of(self, stage: StageHandle) -> list[Connection]:
        return [connection for connection in self._open.values() if connection.stage is stage]

    def all(self) -> list[Connection]:
        return list(self._open.values())
