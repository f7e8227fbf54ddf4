"""Log lines on standard output, written by a thread of their own so that a stuck reader stops nobody."""

from __future__ import annotations

import contextlib
import datetime
import logging
import queue
import sys
import threading
from typing import TextIO

import msgspec

MAX_WAITING = 10_000  # lines; beyond that they are dropped, and counted


# What clients choose must neither look like another line nor speak to the terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        message = record.getMessage()
        if record.name != "routekey.functions":
            message = message.translate(_CONTROL)
        fields = " ".join(f"{name}={_shown(value)}" for name, value in getattr(record, "data", {}).items())
        if record.name == "routekey.functions" and "\n" in message:
            message = message.replace("\n", "\n    ")
        line = f"{moment} {level}{message}  {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    text = str(value).translate(_CONTROL)
    return f'"{text}"' if " " in text or not text else text


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "data", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


class Output(logging.Handler):
    """Standard output as the gateway uses it: plain lines, then the log.

    A thread writes it, so that a reader who stops reading stops nothing but its own lines.
    """

    def __init__(self, form: str, level: str, stream: TextIO | None = None) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
        self._stream = stream or sys.stdout
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="routekey-output", daemon=True)
        self._thread.start()
        self._logger = logging.getLogger("routekey")
        self._logger.setLevel(level.upper())
        self._logger.propagate = False
        self._logger.addHandler(self)

    def line(self, text: str) -> None:
        """Queue one line as it is."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def emit(self, record: logging.LogRecord) -> None:
        self.line(self.format(record))

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                self._stream.write(text + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                return  # nobody reads any more

    def finish(self) -> bool:
        """Write what waits, for a second at most; whether that was done."""
        self._logger.removeHandler(self)
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=1.0)
        self._thread.join(1.0)
        if self._dropped:
            print(f"{self._dropped} lines of output were dropped: nobody read them in time", file=sys.stderr)
        return not self._thread.is_alive()
