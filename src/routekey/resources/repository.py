"""Resources in a store: typed reads, and writes that lose no race."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from routekey.errors import conflict
from routekey.resources.base import Resource
from routekey.resources.deployment import Snapshot
from routekey.state import chunks
from routekey.state.store import Entry, RevisionConflict, Store, Write, key

R = TypeVar("R", bound=Resource)


class Repository:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}

    def decode(self, kind: type[R], entry: Entry | bytes) -> R:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        value: R = decoder.decode(entry if isinstance(entry, bytes) else entry.value)
        return value

    async def find(self, kind: type[R], *ids: str) -> R | None:
        entry = await self.store.get(key(kind.collection, *ids))
        return None if entry is None else self.decode(kind, entry)

    async def all(self, kind: type[R], *parents: str) -> list[R]:
        """Everything of one kind under `parents`, in order of id."""
        entries = await self.store.entries(key(kind.collection, *parents) + "/")
        return [self.decode(kind, entry) for entry in entries]

    async def add(self, *resources: Resource) -> None:
        """Store new resources. ConflictException when one is already there."""
        await self._write([Write(each.key, msgspec.json.encode(each), 0) for each in resources])

    async def put(self, *resources: Resource) -> None:
        """Store resources, new or not."""
        await self._write([Write(each.key, msgspec.json.encode(each)) for each in resources])

    async def replace(self, resource: R, members: Any) -> R:
        """Apply `members`, a function from the stored resource to its new self, without losing a race."""
        while True:
            entry = await self.store.get(resource.key)
            if entry is None:
                raise conflict(f"{resource.kind} was deleted meanwhile")
            changed: R = members(self.decode(type(resource), entry))
            try:
                await self.store.put(entry.key, msgspec.json.encode(changed), entry.revision)
            except RevisionConflict:
                continue
            return changed

    async def remove(self, *resources: Resource) -> None:
        await self._write([Write(each.key, None) for each in resources])

    async def _write(self, writes: list[Write]) -> None:
        try:
            await self.store.batch(writes)
        except RevisionConflict as error:
            raise conflict(f"{error.key} exists already") from None

    async def snapshot(self, api_id: str, deployment_id: str) -> Snapshot | None:
        """What a deployment froze."""
        data = await chunks.read(self.store, Snapshot.key(api_id, deployment_id))
        return None if data is None else Snapshot.decode(data)
