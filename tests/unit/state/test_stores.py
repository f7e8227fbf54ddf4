"""One suite for every store."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from routekey.state import chunks
from routekey.state.backend import open_store
from routekey.state.memory import MemoryStore
from routekey.state.sqlite import SqliteStore
from routekey.state.store import MAX_VALUE, Change, RevisionConflict, Store, StoreError, Write, key


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    def open_one() -> Store:
        return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "store.db")

    return open_one


@asynccontextmanager
async def opened(make: object) -> AsyncIterator[Store]:
    store: Store = make()  # type: ignore[operator]
    try:
        yield store
    finally:
        await store.close()


def test_what_is_put_is_there_until_it_is_deleted(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            assert await store.get("a/1") is None
            first = await store.put("a/1", b"one")
            entry = await store.get("a/1")
            assert entry == ("a/1", b"one", first)
            second = await store.put("a/1", b"two")
            assert second > first
            await store.delete("a/1")
            assert await store.get("a/1") is None
            await store.delete("a/1")

    asyncio.run(main())


def test_entries_come_by_prefix_in_key_order(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            for name in ("b/2", "a/2", "a/10", "ab/1", "a/1"):
                await store.put(name, name.encode())
            assert await store.keys("a/") == ["a/1", "a/10", "a/2"]
            assert [entry.value for entry in await store.entries("a/")] == [b"a/1", b"a/10", b"a/2"]
            assert await store.keys("c/") == []
            assert len(await store.keys("")) == 5

    asyncio.run(main())


def test_a_write_on_an_old_revision_conflicts(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            first = await store.put("a", b"1", 0)
            with pytest.raises(RevisionConflict):
                await store.put("a", b"again", 0)
            second = await store.put("a", b"2", first)
            with pytest.raises(RevisionConflict):
                await store.put("a", b"late", first)
            with pytest.raises(RevisionConflict):
                await store.delete("a", first)
            await store.delete("a", second)

    asyncio.run(main())


def test_a_batch_is_applied_in_order(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            await store.batch([Write("a", b"1"), Write("a", b"2"), Write("b", b"3", 0), Write("a", None)])
            assert await store.keys("") == ["b"]

    asyncio.run(main())


def test_a_watcher_has_heard_of_a_write_when_it_returns(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            heard: list[Change] = []

            async def listen(changes: Sequence[Change]) -> None:
                heard.extend(changes)

            stop = store.watch("a/", listen)
            await store.put("a/1", b"x")
            await store.put("b/1", b"y")
            await store.batch([Write("a/2", b"z"), Write("b/2", b"z"), Write("a/1", None)])
            assert heard == [("a/1", b"x"), ("a/2", b"z"), ("a/1", None)]
            stop()
            await store.put("a/3", b"x")
            assert len(heard) == 3

    asyncio.run(main())


def test_a_value_over_the_limit_is_refused_and_chunks_carry_it(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            data = bytes(range(256)) * 10_000
            with pytest.raises(ValueError, match="chunks"):
                await store.put("big", data)
            await store.batch(chunks.writes("big", data))
            assert await chunks.read(store, "big") == data
            assert all(len(entry.value) <= MAX_VALUE for entry in await store.entries(""))
            await store.batch(await chunks.deletes(store, "big"))
            assert await store.keys("") == []
            assert await chunks.read(store, "big") is None

    asyncio.run(main())


def test_chunks_that_are_not_whole_are_not_there(make: object) -> None:
    async def main() -> None:
        async with opened(make) as store:
            writes = chunks.writes("big", b"x" * 2_500_000)
            await store.batch(writes[:-1])
            assert await chunks.read(store, "big") is None
            await store.batch([writes[-1], Write(writes[0].key, None)])
            assert await chunks.read(store, "big") is None

    asyncio.run(main())


def test_keys_hold_few_characters_whatever_the_ids_are() -> None:
    assert key("domainnames", "*.example.com") == "domainnames/=2A.example.com"
    assert key("routes", "a/b", "$default", "é", "") == "routes/a=2Fb/=24default/=C3=A9/=="[:-1]


def test_a_sqlite_store_keeps_what_it_was_given(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(lambda: SqliteStore(tmp_path / "new" / "store.db")) as store:
            revision = await store.put("a", b"1")
        async with opened(lambda: SqliteStore(tmp_path / "new" / "store.db")) as store:
            assert await store.get("a") == ("a", b"1", revision)
            assert await store.put("b", b"2") > revision

    asyncio.run(main())


def test_a_sqlite_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("hello " * 1000)
    with pytest.raises(StoreError, match="not a SQLite file"):
        SqliteStore(path)


def test_a_database_in_use_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(lambda: SqliteStore(tmp_path / "store.db")):
            with pytest.raises(StoreError, match="another routekey uses it"):
                SqliteStore(tmp_path / "store.db")

    asyncio.run(main())


@pytest.mark.parametrize("url", ["", "memory", "redis://x", "sqlite:", "postgres:x"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="--data"):
        open_store(url)
