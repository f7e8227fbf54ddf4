"""The store of one machine: a SQLite file in WAL mode, written before a write returns."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from routekey.state.store import Change, Entry, RevisionConflict, StoreError, Watchers, Write, check_value

T = TypeVar("T")

APPLICATION_ID = 0x726B6579  # "rkey"
_PUT = (
    "INSERT INTO entries VALUES (?, ?, ?)"
    " ON CONFLICT(key) DO UPDATE SET value=excluded.value, revision=excluded.revision"
)


class SqliteStore(Watchers):
    """One process at a time: the file stays locked while it is open. All SQL runs in one thread."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._connection = _open(path)
        row = self._connection.execute("SELECT max(revision) FROM entries").fetchone()
        self._revision: int = row[0] or 0
        self._thread = ThreadPoolExecutor(1, "routekey-sqlite")

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def get(self, key: str) -> Entry | None:
        def work() -> Entry | None:
            row = self._connection.execute("SELECT key, value, revision FROM entries WHERE key=?", (key,)).fetchone()
            return Entry(*row) if row else None

        return await self._run(work)

    async def entries(self, prefix: str) -> list[Entry]:
        query = "SELECT key, value, revision FROM entries WHERE key>=? AND key<? ORDER BY key"
        rows = await self._run(lambda: self._connection.execute(query, _range(prefix)).fetchall())
        return [Entry(*row) for row in rows]

    async def keys(self, prefix: str) -> list[str]:
        query = "SELECT key FROM entries WHERE key>=? AND key<? ORDER BY key"
        rows = await self._run(lambda: self._connection.execute(query, _range(prefix)).fetchall())
        return [row[0] for row in rows]

    async def put(self, key: str, value: bytes, revision: int | None = None) -> int:
        written = await self._write([Write(key, value, revision)])
        return written[0]

    async def delete(self, key: str, revision: int | None = None) -> None:
        await self._write([Write(key, None, revision)])

    async def batch(self, writes: Iterable[Write]) -> None:
        await self._write(list(writes))

    async def _write(self, writes: Sequence[Write]) -> Sequence[int]:
        for write in writes:
            check_value(write.key, write.value or b"")
        revisions = await self._run(lambda: self._transaction(writes))
        await self.tell([Change(write.key, write.value) for write in writes])
        return revisions

    def _transaction(self, writes: Sequence[Write]) -> Sequence[int]:
        connection = self._connection
        revisions = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in writes:
                self._check(write)
                self._revision += 1
                revisions.append(self._revision)
                if write.value is None:
                    connection.execute("DELETE FROM entries WHERE key=?", (write.key,))
                else:
                    connection.execute(_PUT, (write.key, write.value, self._revision))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return revisions

    def _check(self, write: Write) -> None:
        if write.revision is None:
            return
        row = self._connection.execute("SELECT revision FROM entries WHERE key=?", (write.key,)).fetchone()
        if (row[0] if row else 0) != write.revision:
            raise RevisionConflict(write.key)

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()


def _range(prefix: str) -> tuple[str, str]:
    return prefix, prefix + "\U0010ffff"


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path} cannot be opened ({error}): name another file with --data sqlite:PATH") from None
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        known = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and known != APPLICATION_ID:
            raise StoreError(f"{path} is a database of another program: name another file with --data sqlite:PATH")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS by_revision ON entries (revision)")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        if "locked" in str(error):
            mend = "another routekey uses it: stop that one, or name another file with --data sqlite:PATH"
        elif "not a database" in str(error):
            mend = "it is not a SQLite file: name another with --data sqlite:PATH"
        else:
            mend = f"{error}: name another file with --data sqlite:PATH"
        raise StoreError(f"{path} cannot be used: {mend}") from None
    except StoreError:
        connection.close()
        raise
    return connection
