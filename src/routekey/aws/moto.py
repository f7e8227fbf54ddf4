"""`--aws moto`: a moto server of the gateway's own, which stands in for AWS as long as the gateway runs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

log = logging.getLogger("routekey.aws")

START_SECONDS = 60.0
ATTEMPTS = 3  # the port that is free may be taken meanwhile


class MotoFailed(Exception):
    """The server did not start; the message has what it said."""


class NotInstalled(Exception):
    """The extra is missing; the message says how to get it."""


def require() -> None:
    """NotInstalled where there is no moto server to start."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask_cors") is None:
        raise NotInstalled("--aws moto: moto is not installed: pip install 'routekey[moto]'")


class Moto:
    """The server's process. `watch` and `forget` are told of it, so that it ends however the gateway does."""

    def __init__(
        self, account_id: str, region: str, watch: Callable[[int], None], forget: Callable[[int], None]
    ) -> None:
        self._account_id = account_id
        self._region = region
        self._watch = watch
        self._forget = forget
        self._process: asyncio.subprocess.Process | None = None
        self._ended: asyncio.Task[None] | None = None
        self._said = b""

    async def start(self) -> str:
        """Start it and wait until it answers; gives its URL. MotoFailed when it does not."""
        for attempt in range(ATTEMPTS):
            port = _free_port()
            await self._spawn(port)
            if await self._answers(port):
                return f"http://127.0.0.1:{port}"
            await self.stop()
            if attempt + 1 == ATTEMPTS or b"in use" not in self._said:
                break
        raise MotoFailed(f"moto did not start: {self._said.decode('utf-8', 'replace').strip()[-500:]}")

    async def _spawn(self, port: int) -> None:
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "PYTHONPATH")
        variables = {name: value for name, value in os.environ.items() if name in keep or name.startswith("MOTO_")}
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port),
            env={**variables, "MOTO_ACCOUNT_ID": self._account_id, "AWS_DEFAULT_REGION": self._region},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        self._said = b""
        self._watch(process.pid)
        self._ended = asyncio.get_running_loop().create_task(self._read(process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Take what it writes, which is mostly its log of requests, and notice its end."""
        assert process.stderr is not None
        while data := await process.stderr.read(4096):
            self._said = (self._said + data)[-4096:]
        code = await process.wait()
        if process is self._process:
            said = self._said.decode("utf-8", "replace").strip()[-300:]
            log.error("moto has ended: calls of AWS services fail", extra={"data": {"exit": code, "said": said}})

    async def _answers(self, port: int) -> bool:
        process, loop = self._process, asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while process is not None and process.returncode is None and loop.time() < end:
            with contextlib.suppress(OSError, TimeoutError):
                if await _is_moto(port) and process.returncode is None:
                    return True
            await asyncio.sleep(0.02)
        return False

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if self._ended is not None:
            await self._ended
        self._forget(process.pid)


async def _is_moto(port: int) -> bool:
    """Whether it is moto that answers there, and nobody else who took the port meanwhile."""
    async with asyncio.timeout(0.5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /moto-api/data.json HTTP/1.0\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.read(1)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return False
        finally:
            writer.close()
    return b" 200 " in head[:16] and body == b"{"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
