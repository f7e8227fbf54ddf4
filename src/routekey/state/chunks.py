"""Values larger than an engine takes: parts first, then the head that makes them count."""

from __future__ import annotations

import msgspec

from routekey.state.store import MAX_VALUE, Store, Write

_PARTS = "parts"


class _Head(msgspec.Struct):
    parts: int
    size: int


def writes(key: str, data: bytes) -> list[Write]:
    """The writes that store `data` under `key`, in the order that survives a crash between them."""
    pieces = [data[at : at + MAX_VALUE] for at in range(0, len(data), MAX_VALUE)]
    parts = [Write(_part(key, number), piece) for number, piece in enumerate(pieces)]
    return [*parts, Write(key, msgspec.json.encode(_Head(len(pieces), len(data))))]


async def read(store: Store, key: str) -> bytes | None:
    """What was stored under `key`, or None when it is not there whole."""
    head = await store.get(key)
    if head is None:
        return None
    known = msgspec.json.decode(head.value, type=_Head)
    pieces = [await store.get(_part(key, number)) for number in range(known.parts)]
    data = b"".join(piece.value for piece in pieces if piece is not None)
    return data if len(data) == known.size else None


async def deletes(store: Store, key: str) -> list[Write]:
    """The writes that remove `key` and its parts, the head first."""
    head = await store.get(key)
    if head is None:
        return []
    known = msgspec.json.decode(head.value, type=_Head)
    return [Write(key, None), *(Write(_part(key, number), None) for number in range(known.parts))]


def _part(key: str, number: int) -> str:
    return f"{_PARTS}/{key}/{number:05d}"
