"""A store that ends with its process."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from routekey.state.store import Change, Entry, RevisionConflict, Watchers, Write, check_value


class MemoryStore(Watchers):
    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._revision = 0

    async def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    async def keys(self, prefix: str) -> list[str]:
        first = bisect_left(self._keys, prefix)
        return self._keys[first : bisect_left(self._keys, prefix + "\U0010ffff")]

    async def entries(self, prefix: str) -> list[Entry]:
        return [self._entries[key] for key in await self.keys(prefix)]

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        await self.batch([Write(key, value, revision)])
        return self._entries[key].revision

    async def delete(self, key: str, revision: int | None = None) -> None:
        await self.batch([Write(key, None, revision)])

    async def batch(self, writes: Iterable[Write]) -> None:
        done: list[Change] = []
        try:
            for write in writes:
                self._apply(write)
                done.append(Change(write.key, write.value))
        finally:
            await self.tell(done)

    def _apply(self, write: Write) -> None:
        known = self._entries.get(write.key)
        if write.revision is not None and write.revision != (known.revision if known else 0):
            raise RevisionConflict(write.key)
        if write.value is None:
            if known is not None:
                del self._entries[write.key]
                del self._keys[bisect_left(self._keys, write.key)]
            return
        check_value(write.key, write.value)
        self._revision += 1
        if known is None:
            insort(self._keys, write.key)
        self._entries[write.key] = Entry(write.key, write.value, self._revision)

    async def close(self) -> None:
        """Nothing is held open."""
