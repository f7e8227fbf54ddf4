"""Log lines on standard output, written by a thread of their own so that a stuck reader stops nobody."""

from __future__ import annotations

import datetime
import logging
import logging.handlers
import queue
import sys
from typing import TextIO

import msgspec

MAX_WAITING = 10_000  # lines; beyond that they are dropped, and counted


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        message = record.getMessage()
        fields = " ".join(f"{name}={_shown(value)}" for name, value in getattr(record, "data", {}).items())
        if record.name == "routekey.functions" and "\n" in message:
            message = message.replace("\n", "\n    ")
        line = f"{moment} {level}{message}  {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _shown(value: object) -> str:
    text = str(value)
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


class _Queue(logging.handlers.QueueHandler):
    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # nothing leaves the process, so nothing needs to be made plain

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class Output:
    """Standard output as the gateway uses it: plain lines first, then the log."""

    def __init__(self, form: str, level: str, stream: TextIO | None = None) -> None:
        waiting: queue.Queue[logging.LogRecord] = queue.Queue(MAX_WAITING)
        self._handler = _Queue(waiting)
        sink = logging.StreamHandler(stream or sys.stdout)
        sink.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
        self._listener = logging.handlers.QueueListener(waiting, sink)
        self._logger = logging.getLogger("routekey")
        self._logger.setLevel(level.upper())
        self._logger.propagate = False
        self._logger.addHandler(self._handler)
        self._listener.start()

    def close(self) -> None:
        self._logger.removeHandler(self._handler)
        self._listener.stop()
        if self._handler.dropped:
            print(f"{self._handler.dropped} log lines were dropped: nobody read them in time", file=sys.stderr)
