"""Frames in, messages out: no sockets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.wire.websocket import (
    BINARY,
    CLOSE,
    MAX_SENT_FRAME,
    PING,
    PONG,
    TEXT,
    Event,
    FrameParser,
    ProtocolError,
    close_payload,
    frame,
    message,
)
from tests.wire.raw import client_frame, close_frame

bounded = settings(derandomize=True, database=None, deadline=None, max_examples=200)


def events(*chunks: bytes, max_frame: int = 1 << 20, max_message: int = 1 << 20, binary: bool = True) -> list[Event]:
    """What comes of `chunks`; a ProtocolError stands at the end as its code."""
    parser = FrameParser(max_frame, max_message, binary)
    found: list[Event] = []
    try:
        for chunk in chunks:
            parser.feed(chunk)
            while (event := parser.next()) is not None:
                found.append(event)
    except ProtocolError as error:
        found.append(Event(0, error.reason, error.code))
    return found


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """A valid stream of frames, and what it says."""
    data: list[bytes] = []
    said: list[Event] = []
    controls = st.lists(st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)), max_size=2)
    masks = st.binary(min_size=4, max_size=4)

    def interlude() -> None:
        for opcode, payload in draw(controls):
            data.append(client_frame(opcode, payload, mask=draw(masks)))
            said.append(Event(opcode, payload))

    for _ in range(draw(st.integers(0, 4))):
        interlude()
        kind = draw(st.sampled_from([TEXT, BINARY]))
        text = draw(st.text(max_size=200)) if kind == TEXT else ""
        payload = text.encode() if kind == TEXT else draw(st.binary(max_size=300))
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for at, part in enumerate(parts):
            data.append(client_frame(0 if at else kind, part, final=at == len(parts) - 1, mask=draw(masks)))
            if at < len(parts) - 1:
                interlude()
        said.append(Event(kind, text if kind == TEXT else payload))
    return b"".join(data), said


@given(streams(), st.data())
@bounded
def test_any_split_of_a_stream_gives_the_same_messages(stream: tuple[bytes, list[Event]], data: st.DataObject) -> None:
    raw, said = stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    chunks = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert events(*chunks) == said


@given(streams())
@settings(bounded, max_examples=50)
def test_a_stream_byte_by_byte_gives_the_same_messages(stream: tuple[bytes, list[Event]]) -> None:
    raw, said = stream
    assert events(*[raw[at : at + 1] for at in range(len(raw))]) == said


@given(streams())
@settings(bounded, max_examples=50)
def test_reads_that_come_before_the_last_was_parsed_are_not_lost(stream: tuple[bytes, list[Event]]) -> None:
    raw, said = stream
    parser = FrameParser(1 << 20, 1 << 20, binary=True)
    found = []
    for at in range(0, len(raw), 50):
        parser.feed(raw[at : at + 50])
        if event := parser.next():  # one a read, as when the handler pauses
            found.append(event)
    while event := parser.next():
        found.append(event)
    assert found == said


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("final", [True, False])
def test_a_server_frame_reads_as_written(opcode: int, size: int, final: bool) -> None:
    data = frame(opcode, b"x" * size, final)
    head = 2 if size < 126 else 4 if size < 65536 else 10
    assert len(data) == head + size
    assert data[0] == opcode | (0x80 if final else 0)
    assert data[1] < 0x80
    assert (data[1] if size < 126 else int.from_bytes(data[2:head], "big")) == size


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        (0, [0]),
        (MAX_SENT_FRAME, [MAX_SENT_FRAME]),
        (MAX_SENT_FRAME + 1, [MAX_SENT_FRAME, 1]),
        (3 * MAX_SENT_FRAME, [MAX_SENT_FRAME] * 3),
    ],
)
def test_a_message_is_cut_into_frames_of_32_kb(size: int, frames: list[int]) -> None:
    expected = b"".join(
        frame(0 if at else TEXT, b"x" * length, at == len(frames) - 1) for at, length in enumerate(frames)
    )
    assert message(TEXT, b"x" * size) == expected


def test_a_frame_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    assert events(client_frame(TEXT, b"x" * 10), max_frame=10) == [Event(TEXT, "x" * 10)]
    assert events(client_frame(TEXT, b"x" * 11), max_frame=10) == [Event(0, "Message too big", 1009)]


def test_a_message_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    first = client_frame(TEXT, b"x" * 6, final=False)
    assert events(first, client_frame(0, b"x" * 4), max_message=10) == [Event(TEXT, "x" * 10)]
    assert events(first, client_frame(0, b"x" * 5), max_message=10) == [Event(0, "Message too big", 1009)]


def test_a_message_after_a_fragmented_one_has_the_whole_limit() -> None:
    first, last = client_frame(TEXT, b"x" * 5, final=False), client_frame(0, b"x" * 5)
    assert events(first, last, first, last, max_message=10) == [Event(TEXT, "x" * 10)] * 2


def test_a_control_frame_does_not_count_towards_the_limits() -> None:
    assert events(client_frame(PING, b"x" * 125), max_frame=10, max_message=10) == [Event(PING, b"x" * 125)]


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (client_frame(TEXT, b"x" * 11)[:2], Event(0, "Message too big", 1009)),
        (client_frame(BINARY, b"x")[:2], Event(0, "Binary is not supported", 1003)),
        (client_frame(0, b"x")[:2], Event(0, "Protocol error", 1002)),
        (client_frame(3, b"x" * 9)[:2], Event(0, "Protocol error", 1002)),
        (client_frame(TEXT, b"x", mask=None)[:2], Event(0, "Protocol error", 1002)),
        (client_frame(PING, b"x" * 126)[:2], Event(0, "Protocol error", 1002)),
    ],
)
def test_a_frame_is_refused_by_its_head_before_its_payload_has_come(head: bytes, error: Event) -> None:
    assert events(head, max_frame=10, binary=False) == [error]


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_close_gives_its_code_and_reason(code: int) -> None:
    assert events(close_frame(code, "schön".encode())) == [Event(CLOSE, "schön", code)]


def test_a_close_without_a_code_is_1005() -> None:
    assert events(client_frame(CLOSE)) == [Event(CLOSE, "", 1005)]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_code_that_must_not_be_sent_is_a_protocol_error(code: int) -> None:
    assert events(close_frame(code)) == [Event(0, "Protocol error", 1002)]


def test_1005_is_never_written() -> None:
    assert close_payload(1005, "whatever") == b""
    assert close_payload(1000, "") == b"\x03\xe8"


@pytest.mark.parametrize(
    "reason", ["x" * 200, "é" * 100, "a" + "é" * 100, "\U0001f600" * 50], ids=["ascii", "two bytes", "odd", "four"]
)
def test_a_close_payload_fits_a_control_frame_and_stays_text(reason: str) -> None:
    payload = close_payload(1001, reason)
    assert len(payload) <= 125
    assert reason.startswith(payload[2:].decode())
