"""Function code: deployment packages in the store, unpacked once into a folder each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from routekey.errors import ApiError
from routekey.state import chunks
from routekey.state.store import Store, key

MAX_UNPACKED = 250 * 1024 * 1024  # bytes, as Lambda's own limit
MAX_FILES = 50_000


def _invalid(message: str) -> ApiError:
    return ApiError(400, "InvalidParameterValueException", message, {"Type": "User"})


def check_zip(data: bytes) -> None:
    """ApiError when `data` is no deployment package that can be unpacked safely."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        raise _invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from None
    if not entries:
        raise _invalid("Uploaded file must be a non-empty zip")
    if len(entries) > MAX_FILES:
        raise _invalid(f"The uploaded zip holds {len(entries)} files, {MAX_FILES} are allowed")
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise _invalid(f"Unzipped size must be smaller than {MAX_UNPACKED} bytes")
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")
        if entry.filename.startswith(("/", "\\")) or ".." in parts:
            raise _invalid(f"The uploaded zip holds a file outside of its folder: {entry.filename:.200}")


def sha256(data: bytes) -> str:
    """The digest as Lambda shows it, in base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class CodeStore:
    """Packages by digest: the same code is stored and unpacked once, whatever functions it serves."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self._locks: dict[str, asyncio.Lock] = {}

    async def save(self, data: bytes) -> str:
        """Keep a package; gives its digest. It is unpacked at once, which shows whether it can be."""
        await asyncio.to_thread(check_zip, data)
        digest = sha256(data)
        where = key("code", digest)
        try:
            if not self._target(digest).exists():
                await asyncio.to_thread(_unpack, data, self._target(digest))
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, ValueError) as error:
            raise _invalid(
                f"Could not unzip uploaded file ({error}). Please check your file, then try to upload again."
            ) from None
        await self.store.batch(chunks.writes(where, data))
        return digest

    def _target(self, digest: str) -> Path:
        return self.folder / base64.b64decode(digest).hex()[:32]

    async def load(self, digest: str) -> bytes | None:
        return await chunks.read(self.store, key("code", digest))

    async def discard(self, digest: str) -> None:
        """Forget a package that nothing refers to; its folder stays until the next start, for those that run in it."""
        await self.store.batch(await chunks.deletes(self.store, key("code", digest)))

    async def sweep(self) -> None:
        """Remove the folders of packages that are not in the store any more."""
        known = {self._target(unquote_digest(each)).name for each in await self.store.keys("code/")}
        if self.folder.is_dir():
            for entry in list(self.folder.iterdir()):
                if entry.name not in known:
                    await asyncio.to_thread(shutil.rmtree, entry, True)

    async def folder_of(self, digest: str) -> Path:
        """The folder that holds the package's files."""
        target = self._target(digest)
        if target.exists():
            return target
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            if not target.exists():
                data = await self.load(digest)
                if data is None:
                    raise FileNotFoundError(f"the code of a function is not in the store: {digest}")
                await asyncio.to_thread(_unpack, data, target)
        self._locks.pop(digest, None)
        return target


def unquote_digest(stored: str) -> str:
    """The digest in a key of the store."""
    return re.sub("=([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), stored.removeprefix("code/"))


def _unpack(data: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unpacking-"))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            for entry in package.infolist():
                if stat.S_ISLNK(entry.external_attr >> 16):
                    continue  # a link could lead out of the folder
                path = package.extract(entry, work)
                mode = (entry.external_attr >> 16) & 0o777
                os.chmod(path, (mode or 0o644) | (0o700 if os.path.isdir(path) else 0o400))
        if not target.exists():
            os.replace(work, target)
        else:
            shutil.rmtree(work)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
