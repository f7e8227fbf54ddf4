"""The store behind a --data URL."""

from __future__ import annotations

from pathlib import Path

from routekey.state.memory import MemoryStore
from routekey.state.sqlite import SqliteStore
from routekey.state.store import Store, StoreError


def open_store(url: str) -> Store:
    """The store that `url` names: `memory:` or `sqlite:PATH`. StoreError when it cannot be used."""
    scheme, _, rest = url.partition(":")
    if url == "memory:":
        return MemoryStore()
    if scheme == "sqlite" and rest:
        return SqliteStore(Path(rest.removeprefix("//")))
    raise StoreError(f"--data {url} names no store: use memory: or sqlite:PATH")


def data_folder(url: str) -> Path | None:
    """Where files beside the store live, such as certificates; None when nothing may outlive the process."""
    scheme, _, rest = url.partition(":")
    return Path(rest.removeprefix("//")).absolute().parent if scheme == "sqlite" else None
