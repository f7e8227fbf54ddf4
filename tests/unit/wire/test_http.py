"""HTTP messages as values."""

from __future__ import annotations

from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.wire.http import HttpRequest, HttpResponse, encode_response, header_lines, host_name, parse_query
from routekey.wire.http11 import accept_key, handshake_fault

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def request(*headers: tuple[str, str], target: str = "/") -> HttpRequest:
    return HttpRequest("GET", target, list(headers))


def test_a_header_is_found_whatever_its_case_and_keeps_its_own() -> None:
    made = request(("X-Thing", "1"), ("x-tHING", "2"))
    assert made.all("x-thing") == ["1", "2"]
    assert made.header("x-thing") == "2"
    assert made.headers == [("X-Thing", "1"), ("x-tHING", "2")]


def test_a_header_that_is_not_there_is_the_default() -> None:
    assert request().all("x") == []
    assert request().header("x") == ""
    assert request().header("x", "y") == "y"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b", "/a/b", ""),
        ("/a%2Fb?c=%20d", "/a%2Fb", "c=%20d"),
        ("/?a?b", "/", "a?b"),
        ("/?", "/", ""),
        ("", "", ""),
    ],
)
def test_a_target_is_a_path_and_a_query_with_their_escapes(target: str, path: str, query: str) -> None:
    made = request(target=target)
    assert (made.path, made.query) == (path, query)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8080", "localhost"),
        ("api.execute-api.us-east-1.amazonaws.com.", "api.execute-api.us-east-1.amazonaws.com"),
        ("api.example.com.:443", "api.example.com"),
        ("[::1]", "::1"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        (" spaced ", "spaced"),
        ("", ""),
        (":80", ""),
        ("[", ""),
    ],
)
def test_a_host_name_is_without_port_brackets_and_case(authority: str, name: str) -> None:
    assert host_name(authority) == name
    assert request(("Host", authority)).host == name


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1", {"a": ["1"]}),
        ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        ("a", {"a": [""]}),
        ("a=", {"a": [""]}),
        ("=a", {"": ["a"]}),
        ("&&a=1&", {"a": ["1"]}),
        ("a=b=c", {"a": ["b=c"]}),
        ("a+b=c+d", {"a b": ["c d"]}),
        ("a%20b=%C3%A9", {"a b": ["é"]}),
        ("a=%zz", {"a": ["%zz"]}),
        ("a=%ff", {"a": ["\ufffd"]}),
        ("a=1;b=2", {"a": ["1;b=2"]}),
    ],
)
def test_a_query_is_decoded_with_every_value_in_order(query: str, values: dict[str, list[str]]) -> None:
    assert parse_query(query) == values


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8)), max_size=8))
@settings(derandomize=True, database=None, deadline=None, max_examples=100)
def test_a_query_that_was_encoded_reads_as_it_was(pairs: list[tuple[str, str]]) -> None:
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)
    assert parse_query(urlencode(pairs, quote_via=quote_plus)) == expected


@pytest.mark.parametrize("bad", ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b"])
def test_a_header_value_cannot_break_out_of_its_line(bad: str) -> None:
    lines = header_lines([("X", bad), (bad, "x")])
    assert lines.count("\r\n") == 2
    assert lines.replace("\r\n", "").count("\r") == lines.replace("\r\n", "").count("\n") == lines.count("\0") == 0


def test_an_answer_is_written_with_its_length() -> None:
    data = encode_response(HttpResponse(200, [("X", "é")], b"body"), keep_alive=True)
    assert data == b"HTTP/1.1 200 OK\r\nX: \xe9\r\nContent-Length: 4\r\n\r\nbody"


def test_an_answer_that_is_the_last_says_so() -> None:
    assert b"\r\nConnection: close\r\n" in encode_response(HttpResponse(200), keep_alive=False)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_has_no_length(status: int) -> None:
    assert b"Content-Length" not in encode_response(HttpResponse(status), keep_alive=True)


def test_a_status_without_a_name_is_written_all_the_same() -> None:
    assert encode_response(HttpResponse(599), keep_alive=True).startswith(b"HTTP/1.1 599 \r\n")


def test_the_accept_key_is_that_of_the_standard() -> None:
    assert accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_handshake_without_fault_has_none() -> None:
    assert handshake_fault(request(("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", KEY))) is None


@pytest.mark.parametrize(
    ("version", "key"),
    [
        ("12", KEY),
        ("", KEY),
        ("13", ""),
        ("13", "c2hvcnQ="),
        ("13", "not base64!"),
        ("13", KEY + "x"),
        ("13", "é"),
        ("13", "dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ=="),
    ],
)
def test_a_handshake_with_the_wrong_version_or_key_has_a_fault(version: str, key: str) -> None:
    assert handshake_fault(request(("Sec-WebSocket-Version", version), ("Sec-WebSocket-Key", key))) is not None
