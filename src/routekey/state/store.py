"""The one seam between a gateway and what outlives it.

Drawn so that a key-value engine fits under it: keys use few characters (`key` encodes the rest),
values stay under MAX_VALUE (`chunks` splits larger ones), and nothing needs a transaction over
several keys: `batch` applies its writes in order, so the write that makes the others count goes last.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

MAX_VALUE = 1_000_000  # bytes

_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")


class Entry(NamedTuple):
    key: str
    value: bytes
    revision: int


class Write(NamedTuple):
    """Put `value` at `key`, or delete the key when `value` is None.

    With a `revision` the write only happens on exactly that one; 0 means that the key must be new.
    """

    key: str
    value: bytes | None
    revision: int | None = None


class Change(NamedTuple):
    key: str
    value: bytes | None  # None: deleted


class RevisionConflict(Exception):
    """Somebody else wrote the key first."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class StoreError(Exception):
    """The store cannot be opened; the message says what to do."""


Watcher = Callable[[Sequence[Change]], Awaitable[None]]


class Store(Protocol):
    async def get(self, key: str) -> Entry | None: ...

    async def entries(self, prefix: str) -> list[Entry]:
        """Every entry whose key begins with `prefix`, in key order."""

    async def keys(self, prefix: str) -> list[str]: ...

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        """Write one entry and give its new revision. RevisionConflict on a lost race."""

    async def delete(self, key: str, revision: int | None = None) -> None: ...

    async def batch(self, writes: Iterable[Write]) -> None:
        """Apply the writes in order. A RevisionConflict may leave the earlier ones applied."""

    def watch(self, prefix: str, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` of each change below `prefix`; gives the function that ends it.

        A store of one process tells before the write returns, so an answered write is in force.
        """

    async def close(self) -> None: ...


def segment(text: str) -> str:
    """`text` as one segment of a key: what an engine might not take stands as =XX."""
    return _PLAIN.sub(lambda match: "".join(f"={byte:02X}" for byte in match[0].encode()), text) or "="


def key(collection: str, *parts: str) -> str:
    """The key of a thing: its collection, then the ids that lead to it."""
    return "/".join([collection, *map(segment, parts)])


def check_value(name: str, value: bytes) -> None:
    if len(value) > MAX_VALUE:
        raise ValueError(f"{name} is {len(value)} bytes; a value holds {MAX_VALUE}: store it in chunks")


class Watchers:
    """The watching half of a store whose writers all live in this process."""

    def __init__(self) -> None:
        self._watchers: list[tuple[str, Watcher]] = []

    def watch(self, prefix: str, watcher: Watcher) -> Callable[[], None]:
        entry = (prefix, watcher)
        self._watchers.append(entry)
        return lambda: self._watchers.remove(entry)

    async def tell(self, changes: Sequence[Change]) -> None:
        for prefix, watcher in list(self._watchers):
            seen = [change for change in changes if change.key.startswith(prefix)]
            if seen:
                await watcher(seen)
