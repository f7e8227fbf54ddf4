"""WebSocket frames against the real server: the groups of the Autobahn suite, and what a gateway adds."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import pytest

from tests.support import RunningGateway, eventually, mock
from tests.wire.raw import BINARY, CLOSE, PING, PONG, TEXT, Frame, Raw, client_frame, close_frame, handshake
from tests.wire.server import FRAME, Server

VALID_TEXT = ["", "a", "κόσμε", "\x00", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\uffff", "\U0010ffff"]
INVALID_TEXT = [
    b"\x80",
    b"\xbf\xbf",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xf4\x90\x80\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xce",
    b"\xe2\x82",
    b"ab\xce",
    b"a\x80b",
]
VALID_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
INVALID_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]


@pytest.fixture
def client(server: Server) -> Iterator[Raw]:
    """A connection that takes text and binary of any size, and echoes."""
    with Raw(server.port) as raw:
        yield raw.upgrade("/wide")


def fails_with(client: Raw, code: int, reason: str) -> None:
    frame = client.closed()
    assert (frame.code, frame.reason) == (code, reason)


# sizes


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536])
def test_a_message_of_any_size_comes_back(client: Raw, opcode: int, size: int) -> None:
    client.send(client_frame(opcode, b"*" * size))
    assert client.message() == Frame(opcode, b"*" * size)


@pytest.mark.parametrize(("size", "wide"), [(0, 2), (0, 8), (5, 2), (125, 8), (126, 8), (65535, 8)])
def test_a_length_in_more_bytes_than_it_needs_is_understood(client: Raw, size: int, wide: int) -> None:
    client.send(client_frame(TEXT, b"*" * size, wide=wide))
    assert client.message() == Frame(TEXT, b"*" * size)


@pytest.mark.parametrize("size", [0, 5, 126, 300])
def test_a_frame_in_one_byte_writes_comes_back(client: Raw, size: int) -> None:
    client.dribble(client_frame(TEXT, b"x" * size))
    assert client.message() == Frame(TEXT, b"x" * size)


def test_a_large_frame_in_uneven_pieces_comes_back(client: Raw) -> None:
    data = client_frame(BINARY, bytes(range(256)) * 300)
    for at in range(0, len(data), 997):
        client.send(data[at : at + 997])
    assert client.message() == Frame(BINARY, bytes(range(256)) * 300)


@pytest.mark.parametrize("mask", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
@pytest.mark.parametrize("size", [1, 3, 4, 7, 8, 9, 33])
def test_any_mask_is_undone_whatever_the_alignment(client: Raw, mask: bytes, size: int) -> None:
    payload = bytes(range(64, 64 + size))
    client.send(client_frame(TEXT, payload, mask=mask))
    assert client.message().payload == payload


def test_replies_to_one_read_are_joined_in_one_write(client: Raw) -> None:
    client.send(*[client_frame(TEXT, f"{number:03}".encode()) for number in range(100)])
    first = client.more()
    assert first == b"".join(b"\x81\x03" + f"{number:03}".encode() for number in range(100))


def test_a_message_above_32_kb_comes_in_frames_of_32_kb(client: Raw) -> None:
    client.send(client_frame(TEXT, b"x" * (2 * FRAME + 1)))
    frames = [client.frame() for _ in range(3)]
    assert [(frame.opcode, len(frame.payload), frame.final) for frame in frames] == [
        (TEXT, FRAME, False),
        (0, FRAME, False),
        (0, 1, True),
    ]


# control frames


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_gets_a_pong_with_its_payload(client: Raw, size: int) -> None:
    client.send(client_frame(PING, b"\xfe" * size))
    assert client.frame() == Frame(PONG, b"\xfe" * size)


def test_a_ping_in_one_byte_writes_gets_a_pong(client: Raw) -> None:
    client.dribble(client_frame(PING, b"ping"))
    assert client.frame() == Frame(PONG, b"ping")


def test_many_pings_are_answered_in_order(client: Raw) -> None:
    client.send(*[client_frame(PING, b"%d" % number) for number in range(50)])
    assert [client.frame().payload for _ in range(50)] == [b"%d" % number for number in range(50)]


def test_an_unasked_pong_is_passed_over(client: Raw) -> None:
    client.send(client_frame(PONG, b"nobody asked"), client_frame(TEXT, b"next"))
    assert client.message() == Frame(TEXT, b"next")


def test_a_ping_is_told_to_the_handler_and_a_pong_is_not(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade("/wide").send(client_frame(PONG), client_frame(PING))
        client.frame()
        session = server.session()
        assert [session.next(), session.next()] == [("opened",), ("pinged",)]


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("wide", [2, 8])
def test_a_control_frame_above_125_bytes_is_refused(client: Raw, opcode: int, wide: int) -> None:
    client.send(client_frame(opcode, b"\x03\xe8" + b"x" * 124, wide=wide))
    fails_with(client, 1002, "Protocol error")


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_is_refused(client: Raw, opcode: int) -> None:
    client.send(client_frame(opcode, b"", final=False))
    fails_with(client, 1002, "Protocol error")


# fragments


def test_fragments_are_one_message(client: Raw) -> None:
    client.send(
        client_frame(TEXT, b"one ", final=False),
        client_frame(0, b"two ", final=False),
        client_frame(0, b"three"),
    )
    assert client.message() == Frame(TEXT, b"one two three")


def test_binary_fragments_are_one_message(client: Raw) -> None:
    client.send(client_frame(BINARY, b"\xff", final=False), client_frame(0, b"\xfe"))
    assert client.message() == Frame(BINARY, b"\xff\xfe")


@pytest.mark.parametrize("parts", [[b"", b"", b""], [b"", b"x", b""], [b"x", b"", b""], [b"", b"", b"x"]])
def test_fragments_may_be_empty(client: Raw, parts: list[bytes]) -> None:
    client.send(
        client_frame(TEXT, parts[0], final=False),
        client_frame(0, parts[1], final=False),
        client_frame(0, parts[2]),
    )
    assert client.message() == Frame(TEXT, b"".join(parts))


def test_a_message_in_a_thousand_one_byte_fragments_comes_back(client: Raw) -> None:
    client.send(
        client_frame(TEXT, b"0", final=False),
        *[client_frame(0, b"%d" % (number % 10), final=False) for number in range(1, 999)],
        client_frame(0, b"9"),
    )
    assert client.message().payload == b"".join(b"%d" % (number % 10) for number in range(999)) + b"9"


def test_control_frames_between_fragments_are_answered_at_once(client: Raw) -> None:
    client.send(client_frame(TEXT, b"a", final=False), client_frame(PING, b"1"))
    assert client.frame() == Frame(PONG, b"1")
    client.send(client_frame(0, b"b", final=False), client_frame(PONG), client_frame(PING, b"2"))
    assert client.frame() == Frame(PONG, b"2")
    client.send(client_frame(0, b"c"))
    assert client.message() == Frame(TEXT, b"abc")


def test_a_close_between_fragments_ends_the_connection(client: Raw) -> None:
    client.send(client_frame(TEXT, b"a", final=False), close_frame(1000))
    assert client.closed().code == 1000


@pytest.mark.parametrize("final", [True, False])
def test_a_continuation_of_nothing_is_refused(client: Raw, final: bool) -> None:
    client.send(client_frame(0, b"x", final=final))
    fails_with(client, 1002, "Protocol error")


def test_a_continuation_after_a_whole_message_is_refused(client: Raw) -> None:
    client.send(client_frame(TEXT, b"a", final=False), client_frame(0, b"b"), client_frame(0, b"c"))
    assert client.message() == Frame(TEXT, b"ab")
    fails_with(client, 1002, "Protocol error")


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("final", [True, False])
def test_a_new_message_among_fragments_is_refused(client: Raw, opcode: int, final: bool) -> None:
    client.send(client_frame(TEXT, b"a", final=False), client_frame(opcode, b"b", final=final))
    fails_with(client, 1002, "Protocol error")


# reserved bits and opcodes, masks


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG, CLOSE])
def test_a_reserved_bit_is_refused(client: Raw, reserved: int, opcode: int) -> None:
    client.send(client_frame(opcode, b"", reserved=reserved))
    fails_with(client, 1002, "Protocol error")


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"x" * 200])
def test_a_reserved_opcode_is_refused(client: Raw, opcode: int, payload: bytes) -> None:
    client.send(client_frame(opcode, payload))
    fails_with(client, 1002, "Protocol error")


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@pytest.mark.parametrize("payload", [b"", b"abcd"])
def test_an_unmasked_frame_is_refused(client: Raw, opcode: int, payload: bytes) -> None:
    client.send(client_frame(opcode, payload, mask=None))
    fails_with(client, 1002, "Protocol error")


def test_what_came_before_the_violation_is_answered_and_what_comes_after_is_not(client: Raw) -> None:
    client.send(client_frame(TEXT, b"before"), client_frame(TEXT, b"", reserved=4), client_frame(TEXT, b"after"))
    assert client.message() == Frame(TEXT, b"before")
    fails_with(client, 1002, "Protocol error")


def test_a_violation_is_told_to_the_handler_once(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade().send(client_frame(TEXT, b"", reserved=1), close_frame(1000))
        client.closed()
    session = server.session()
    assert [session.next(), session.next()] == [("opened",), ("closed", 1002, "Protocol error")]
    eventually(lambda: server.open == 0)
    assert session.events.empty()


# UTF-8


@pytest.mark.parametrize("text", VALID_TEXT)
def test_valid_text_comes_back_whole_fragmented_and_byte_by_byte(client: Raw, text: str) -> None:
    data = text.encode()
    parts = [data[at : at + 1] for at in range(len(data))]
    client.send(client_frame(TEXT, data))
    client.send(client_frame(TEXT, b"", final=False), *[client_frame(0, part, final=False) for part in parts])
    client.send(client_frame(0))
    client.dribble(client_frame(TEXT, data))
    assert [client.message() for _ in range(3)] == [Frame(TEXT, data)] * 3


@pytest.mark.parametrize("data", INVALID_TEXT)
def test_invalid_text_is_refused(client: Raw, data: bytes) -> None:
    client.send(client_frame(TEXT, data))
    fails_with(client, 1007, "Invalid UTF-8")


@pytest.mark.parametrize("data", INVALID_TEXT)
def test_invalid_text_in_one_byte_fragments_is_refused(client: Raw, data: bytes) -> None:
    client.send(client_frame(TEXT, b"", final=False))
    client.send(*[client_frame(0, data[at : at + 1], final=False) for at in range(len(data))], client_frame(0))
    fails_with(client, 1007, "Invalid UTF-8")


def test_invalid_text_is_refused_before_its_last_fragment(client: Raw) -> None:
    client.send(client_frame(TEXT, b"\xce\xba\xff", final=False))
    fails_with(client, 1007, "Invalid UTF-8")


def test_a_surrogate_split_over_fragments_is_refused(client: Raw) -> None:
    parts = [b"a\xed", b"\xa0", b"\x80b"]
    client.send(client_frame(TEXT, b"", final=False), *[client_frame(0, part, final=False) for part in parts])
    fails_with(client, 1007, "Invalid UTF-8")


def test_binary_needs_not_be_utf_8(client: Raw) -> None:
    client.send(client_frame(BINARY, b"\xff\xfe\x80"))
    assert client.message() == Frame(BINARY, b"\xff\xfe\x80")


# close


@pytest.mark.parametrize("code", VALID_CODES)
def test_a_close_code_is_echoed(client: Raw, code: int) -> None:
    client.send(close_frame(code))
    assert client.closed().payload == struct.pack("!H", code)


@pytest.mark.parametrize("reason", [b"bye", "κόσμε".encode(), b"x" * 123])
def test_a_close_reason_is_echoed(client: Raw, reason: bytes) -> None:
    client.send(close_frame(1000, reason))
    assert client.closed().payload == b"\x03\xe8" + reason


@pytest.mark.parametrize("code", INVALID_CODES)
def test_a_close_code_that_must_not_be_sent_is_refused(client: Raw, code: int) -> None:
    client.send(close_frame(code))
    fails_with(client, 1002, "Protocol error")


def test_half_a_close_code_is_refused(client: Raw) -> None:
    client.send(client_frame(CLOSE, b"\x03"))
    fails_with(client, 1002, "Protocol error")


def test_a_close_reason_that_is_not_utf_8_is_refused(client: Raw) -> None:
    client.send(close_frame(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"))
    fails_with(client, 1007, "Invalid UTF-8")


def test_an_empty_close_gets_an_empty_close_and_is_1005_to_the_handler(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade().send(client_frame(CLOSE))
        assert client.closed() == Frame(CLOSE, b"")
    session = server.session()
    assert session.next() == ("opened",)
    assert session.next() == ("closed", 1005, "Client-side close frame status not set")


def test_the_handler_gets_the_code_and_the_reason_of_the_client(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade().send(close_frame(4001, b"enough"))
        client.closed()
    session = server.session()
    assert [session.next(), session.next()] == [("opened",), ("closed", 4001, "enough")]


@pytest.mark.parametrize(
    "late",
    [client_frame(TEXT, b"late"), client_frame(PING), close_frame(1001), b"\xff\xff\xff"],
    ids=["text", "ping", "close", "garbage"],
)
def test_what_comes_after_a_close_is_not_answered(client: Raw, late: bytes) -> None:
    client.send(close_frame(1000), late)
    assert client.closed().code == 1000


def test_a_close_of_the_server_waits_for_the_answer_of_the_client(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade()
        session = server.session()
        server.call(lambda: session.socket.close(1001, "Going away"))
        frame = client.frame()
        assert (frame.opcode, frame.code, frame.reason) == (CLOSE, 1001, "Going away")
        client.send(client_frame(TEXT, b"too late"), client_frame(PING), close_frame(1001))
        assert client.rest() == b""
    assert [session.next(), session.next()] == [("opened",), ("closed", 1001, "Going away")]
    eventually(lambda: server.open == 0)
    assert session.events.empty()


def test_a_close_is_answered_by_a_server_that_had_stopped_reading(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade("/held").send(client_frame(TEXT, b"one"), client_frame(TEXT, b"two"))
        session = server.session()
        assert [session.next(), session.next()] == [("opened",), ("received", "one")]
        server.call(lambda: session.socket.close(1000, ""))
        assert client.frame().code == 1000
        client.sock.settimeout(2)  # the server gives up on a client that does not answer after 5 s
        client.send(close_frame(1000))
        assert client.rest() == b""
    assert session.next() == ("closed", 1000, "")


def test_a_close_reason_too_long_for_a_frame_is_cut_to_valid_text(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade()
        session = server.session()
        server.call(lambda: session.socket.close(1000, "é" * 100))
        assert client.frame().reason == "é" * 61


def test_a_lost_connection_is_1006_to_the_handler(server: Server) -> None:
    client = Raw(server.port).upgrade()
    session = server.session()
    assert session.next() == ("opened",)
    client.close()
    assert session.next() == ("closed", 1006, "Connection closed abnormally")


def test_half_of_the_connection_lost_ends_it(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade()
        session = server.session()
        client.half_close()
        assert client.rest() == b""
        assert [session.next(), session.next()] == [("opened",), ("closed", 1006, "Connection closed abnormally")]
    eventually(lambda: server.open == 0)


def test_a_connection_dropped_by_the_server_ends_without_a_frame(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade()
        session = server.session()
        server.call(session.socket.abort)
        with contextlib.suppress(ConnectionResetError):  # an abort may reset
            assert client.rest() == b""
        assert [session.next(), session.next()] == [("opened",), ("closed", 1006, "Connection closed abnormally")]


# reading on, and not


def test_messages_wait_while_the_handler_does_not_want_more(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade("/held").send(*[client_frame(TEXT, b"%d" % number) for number in range(3)])
        session = server.session()
        assert [session.next(), session.next()] == [("opened",), ("received", "0")]
        client.send(client_frame(TEXT, b"3"))
        for number in range(1, 4):
            assert session.events.empty()
            server.call(session.socket.resume)
            assert session.next() == ("received", f"{number}")


def test_a_client_that_does_not_read_is_not_read_from_until_it_does(server: Server) -> None:
    with Raw(server.port) as client:
        client.upgrade("/wide")
        one = client_frame(BINARY, bytes(1 << 20), mask=b"\0\0\0\0")
        client.sock.settimeout(0.2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64:
                client.send(one)
                sent += 1
        assert sent < 64
        client.sock.settimeout(5)
        for _ in range(sent):
            assert len(client.message().payload) == 1 << 20
        socket = server.session().socket
        eventually(lambda: server.call(socket.buffered) == 0)


def test_frames_sent_along_with_the_handshake_are_read(server: Server) -> None:
    with Raw(server.port) as client:
        client.send(handshake("/wide"), client_frame(TEXT, b"early"))
        assert client.answer().status == 101
        assert client.message() == Frame(TEXT, b"early")


# through a gateway


@pytest.fixture
def routed(gateway: RunningGateway) -> Iterator[Raw]:
    """A raw connection to an API whose $default route answers `got`."""
    api = gateway.api({"$default": mock("got", two_way=True)})
    with Raw(gateway.port) as client:
        yield client.upgrade(f"/{api.id}/{api.stage}")


def test_a_gateway_takes_frames_of_32_kb_and_messages_of_128_kb(routed: Raw) -> None:
    part = b"x" * FRAME
    routed.send(client_frame(TEXT, part))
    assert routed.message() == Frame(TEXT, b"got")
    routed.send(client_frame(TEXT, part, final=False), client_frame(0, part, final=False))
    routed.send(client_frame(0, part, final=False), client_frame(0, part))
    assert routed.message() == Frame(TEXT, b"got")


def test_a_gateway_closes_on_a_frame_above_32_kb(routed: Raw) -> None:
    routed.send(client_frame(TEXT, b"x" * (FRAME + 1)))
    fails_with(routed, 1009, "Message too big")


def test_a_gateway_closes_on_a_frame_above_32_kb_by_its_head_alone(routed: Raw) -> None:
    routed.send(client_frame(TEXT, b"x" * (FRAME + 1))[:4])
    fails_with(routed, 1009, "Message too big")


def test_a_gateway_closes_on_a_message_above_128_kb(routed: Raw) -> None:
    part = b"x" * FRAME
    routed.send(client_frame(TEXT, part, final=False), *[client_frame(0, part, final=False)] * 3)
    routed.send(client_frame(0, b"x"))
    fails_with(routed, 1009, "Message too big")


def test_a_gateway_closes_on_an_impossible_length(routed: Raw) -> None:
    routed.send(b"\x81\xff" + b"\xff" * 8)
    fails_with(routed, 1009, "Message too big")


@pytest.mark.parametrize("final", [True, False])
def test_a_gateway_closes_on_binary(routed: Raw, final: bool) -> None:
    routed.send(client_frame(BINARY, b"\x00", final=final))
    fails_with(routed, 1003, "Binary is not supported")


@pytest.mark.parametrize("data", [b"\xff", b"\xed\xa0\x80", b'{"action":"\xc3"}'])
def test_a_gateway_closes_on_invalid_text(routed: Raw, data: bytes) -> None:
    routed.send(client_frame(TEXT, data))
    fails_with(routed, 1007, "Invalid UTF-8")


@pytest.mark.parametrize(
    "data",
    [
        client_frame(TEXT, b"x", mask=None),
        client_frame(TEXT, b"x", reserved=4),
        client_frame(3),
        client_frame(PING, b"x" * 126),
        client_frame(PING, final=False),
        client_frame(0, b"x"),
        close_frame(1005),
    ],
    ids=["unmasked", "reserved bit", "reserved opcode", "long ping", "fragmented ping", "lone continuation", "1005"],
)
def test_a_gateway_closes_on_a_protocol_violation(routed: Raw, data: bytes) -> None:
    routed.send(data)
    fails_with(routed, 1002, "Protocol error")


def test_a_gateway_answers_a_ping_and_echoes_a_close(routed: Raw) -> None:
    routed.send(client_frame(PING, b"hello"), close_frame(3001, b"done"))
    assert routed.frame() == Frame(PONG, b"hello")
    fails_with(routed, 3001, "done")


def test_a_gateway_agrees_to_no_extension(gateway: RunningGateway) -> None:
    api = gateway.api({"$default": mock("got")})
    with Raw(gateway.port) as client:
        client.send(handshake(f"/{api.id}/{api.stage}", "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
        answer = client.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert "sec-websocket-extensions" not in answer.headers
