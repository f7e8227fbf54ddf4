"""Lines of output: what clients choose cannot look like another line, and a reader who stops hurts nobody."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time

import pytest

from routekey.logs import JsonFormatter, Output, TextFormatter


def record(message: str, name: str = "routekey.gateway", **data: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "", 0, message, None, None)
    made.data = data
    return made


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_client_forges_no_line_and_speaks_to_no_terminal(formatter: logging.Formatter) -> None:
    line = formatter.format(record("failed", error="no\n09:00:00 ERROR forged \x1b[2J", reason="\r\x9b"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "\x9b" not in line or isinstance(formatter, JsonFormatter)


def test_what_a_function_prints_keeps_its_lines() -> None:
    line = TextFormatter().format(record("one\ntwo", "routekey.functions", function="f"))
    assert line.splitlines()[1] == "    two  function=f"


def test_json_lines_hold_the_fields() -> None:
    line = json.loads(JsonFormatter().format(record("connected", api="a", stage="dev")))
    assert (line["message"], line["api"], line["stage"], line["level"]) == ("connected", "a", "dev", "info")


def test_a_reader_who_stops_reading_holds_nobody_up() -> None:
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    output = Output("text", "info", stream)
    started = time.monotonic()
    for number in range(5000):
        output.line(f"{number} {'x' * 100}")
    assert time.monotonic() - started < 2
    assert not output.finish(), "the pipe is full, and its thread still waits"
    os.close(read)
    output._thread.join(5)
    with contextlib.suppress(BrokenPipeError):
        stream.close()
