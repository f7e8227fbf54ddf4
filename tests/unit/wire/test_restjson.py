"""Requests to members, and members to answers, by a small model of every kind of shape."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import pytest

from routekey.errors import ApiError
from routekey.wire.http import HttpRequest
from routekey.wire.model import Operation, Shape
from routekey.wire.restjson import Fault, decode, encode, encode_error

SHAPES: dict[str, Any] = {
    "String": {"type": "string"},
    "Name": {"type": "string", "min": 1, "max": 5, "pattern": "[a-z]+"},
    "Color": {"type": "string", "enum": ["RED", "BLUE"]},
    "Integer": {"type": "integer", "min": 1, "max": 100},
    "Double": {"type": "double"},
    "Boolean": {"type": "boolean"},
    "Blob": {"type": "blob"},
    "Time": {"type": "timestamp"},
    "IsoTime": {"type": "timestamp", "timestampFormat": "iso8601"},
    "MailTime": {"type": "timestamp", "timestampFormat": "rfc822"},
    "Names": {"type": "list", "member": {"shape": "Name"}, "max": 3},
    "Numbers": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Integer"}},
    "Inner": {
        "type": "structure",
        "required": ["Name"],
        "members": {"Name": {"shape": "Name", "locationName": "name"}, "Data": {"shape": "Blob"}},
    },
    "Input": {
        "type": "structure",
        "required": ["Id"],
        "members": {
            "Id": {"shape": "String", "location": "uri", "locationName": "id"},
            "Limit": {"shape": "Integer", "location": "querystring", "locationName": "limit"},
            "Ratio": {"shape": "Double", "location": "querystring", "locationName": "ratio"},
            "Keys": {"shape": "Names", "location": "querystring", "locationName": "key"},
            "Dry": {"shape": "Boolean", "location": "querystring", "locationName": "dry"},
            "Token": {"shape": "String", "location": "header", "locationName": "X-Token"},
            "Name": {"shape": "Name", "locationName": "name"},
            "Color": {"shape": "Color", "locationName": "color"},
            "Count": {"shape": "Integer", "locationName": "count"},
            "Ready": {"shape": "Boolean", "locationName": "ready"},
            "Names": {"shape": "Names", "locationName": "names"},
            "Numbers": {"shape": "Numbers", "locationName": "numbers"},
            "Inner": {"shape": "Inner", "locationName": "inner"},
            "Data": {"shape": "Blob", "locationName": "data"},
        },
    },
    "BlobInput": {"type": "structure", "payload": "Body", "members": {"Body": {"shape": "Blob"}}},
    "StructureInput": {
        "type": "structure",
        "payload": "Body",
        "members": {
            "Body": {"shape": "Inner"},
            "Token": {"shape": "String", "location": "header", "locationName": "T"},
        },
    },
    "Output": {
        "type": "structure",
        "members": {
            "Name": {"shape": "String", "locationName": "name"},
            "Made": {"shape": "Time", "locationName": "made"},
            "IsoMade": {"shape": "IsoTime", "locationName": "isoMade"},
            "MailMade": {"shape": "MailTime", "locationName": "mailMade"},
            "Data": {"shape": "Blob", "locationName": "data"},
            "Ratio": {"shape": "Double", "locationName": "ratio"},
            "Inner": {"shape": "Inner", "locationName": "inner"},
            "Tag": {"shape": "String", "location": "header", "locationName": "X-Tag"},
            "Code": {"shape": "Integer", "location": "statusCode"},
        },
    },
    "BlobOutput": {"type": "structure", "payload": "Body", "members": {"Body": {"shape": "Blob"}}},
    "StructureOutput": {"type": "structure", "payload": "Body", "members": {"Body": {"shape": "Inner"}}},
}


def shape(name: str) -> Shape:
    return Shape(name, SHAPES[name], SHAPES)


def operation(given: str | None = "Input", output: str | None = "Output", status: int = 200) -> Operation:
    made = shape(given) if given is not None else None, shape(output) if output is not None else None
    return Operation("Do", "POST", ["things", "{id}"], {}, status, *made)


def members(body: Any = None, query: str = "", headers: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    """What a request to /things/x says, without its id."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    found = decode(operation(), HttpRequest("POST", f"/things/x?{query}", headers or [], data), {"id": "x"})
    assert found.pop("id") == "x"
    return found


def fault(body: Any = None, query: str = "") -> Fault:
    with pytest.raises(Fault) as caught:
        members(body, query)
    assert (caught.value.status, caught.value.code) == (400, "BadRequestException")
    return caught.value


# requests


def test_members_come_from_path_query_headers_and_body() -> None:
    found = members({"name": "abc"}, "limit=5&ratio=0.5&key=a&key=b&dry=True", [("x-token", "t")])
    assert found == {
        "limit": 5, "ratio": 0.5, "key": ["a", "b"], "dry": True, "X-Token": "t", "name": "abc",
    }  # fmt: skip


def test_a_path_variable_is_unescaped() -> None:
    request = HttpRequest("POST", "/things/a%2Fb%20c", [])
    assert decode(operation(), request, {"id": "a%2Fb%20c"}) == {"id": "a/b c"}


def test_a_plus_in_a_path_stays_a_plus() -> None:
    assert decode(operation(), HttpRequest("POST", "/things/a+b", []), {"id": "a+b"}) == {"id": "a+b"}


def test_what_a_body_says_beyond_the_model_is_left_out() -> None:
    assert members({"name": "a", "other": 1, "inner": {"name": "b", "other": 2}}) == {
        "name": "a",
        "inner": {"name": "b"},
    }


def test_null_in_a_body_is_absent() -> None:
    assert members({"name": None, "numbers": {"a": 1, "b": None}, "inner": {"name": "a", "Data": None}}) == {
        "numbers": {"a": 1},
        "inner": {"name": "a"},
    }


@pytest.mark.parametrize("body", [b"", b"{}", b" {} "])
def test_no_body_and_an_empty_one_are_the_same(body: bytes) -> None:
    assert members(body) == {}


def test_values_of_every_kind_are_taken() -> None:
    body = {
        "color": "RED", "count": 100, "ready": False, "names": ["a", "b"], "numbers": {"x": 1},
        "inner": {"name": "n", "Data": base64.b64encode(b"\xff").decode()}, "data": "",
    }  # fmt: skip
    assert members(body) == {**body, "inner": {"name": "n", "Data": b"\xff"}, "data": b""}


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"name": 5}, "name"),
        ({"name": ["a"]}, "name"),
        ({"count": "5"}, "count"),
        ({"count": 5.5}, "count"),
        ({"count": True}, "count"),
        ({"ready": 1}, "ready"),
        ({"ready": "true"}, "ready"),
        ({"names": "a"}, "names"),
        ({"names": ["a", 1]}, "names[1]"),
        ({"numbers": []}, "numbers"),
        ({"numbers": {"x": "1"}}, "numbers.x"),
        ({"inner": "x"}, "inner"),
        ({"inner": {"name": 1}}, "inner.name"),
        ({"inner": {"name": "a", "Data": "%%%"}}, "inner.Data"),
        ({"data": "not base64"}, "data"),
    ],
)
def test_a_value_of_the_wrong_kind_is_a_fault_that_names_it(body: Any, member: str) -> None:
    assert (caught := fault(body)).member == member
    assert member in caught.message
    assert caught.kind == "type"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"color": "GREEN"}, "enum"),
        ({"color": "red"}, "enum"),
        ({"name": ""}, "limit"),
        ({"name": "abcdef"}, "limit"),
        ({"name": "ABC"}, "limit"),
        ({"name": "abc\n"}, "limit"),
        ({"count": 0}, "limit"),
        ({"count": 101}, "limit"),
        ({"names": ["a", "b", "c", "d"]}, "limit"),
        ({"inner": {}}, "required"),
        ({"inner": {"name": None}}, "required"),
    ],
)
def test_a_value_out_of_its_bounds_is_a_fault_of_its_kind(body: Any, kind: str) -> None:
    assert fault(body).kind == kind


@pytest.mark.parametrize("query", ["limit=x", "limit=", "limit=1.5", "ratio=x", "dry=1", "dry="])
def test_a_query_value_of_the_wrong_kind_is_a_fault(query: str) -> None:
    assert fault(query=query).member == query.partition("=")[0]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "key=a&key=TOO"])
def test_a_query_value_out_of_its_bounds_is_a_fault(query: str) -> None:
    assert fault(query=query).kind == "limit"


@pytest.mark.parametrize(
    "body", [b"x", b"{", b"[]", b"null", b'"x"', b"5", b'{"name":}', b"\xff", b'{"name":"\xff"}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_a_fault(body: bytes) -> None:
    fault(body)


def test_a_long_value_is_not_quoted_at_length() -> None:
    assert len(fault({"name": "x" * 100_000}).message) < 500
    assert len(fault(query="limit=" + "x" * 100_000).message) < 500


def test_a_required_member_that_is_missing_is_a_fault() -> None:
    with pytest.raises(Fault) as caught:
        decode(operation(), HttpRequest("POST", "/", []), {})
    assert (caught.value.member, caught.value.kind) == ("id", "required")


def test_a_payload_of_bytes_is_the_body_as_it_is() -> None:
    assert decode(operation("BlobInput"), HttpRequest("POST", "/", [], b"\xff{"), {}) == {"Body": b"\xff{"}


def test_a_payload_of_a_structure_is_the_whole_body() -> None:
    request = HttpRequest("POST", "/", [("T", "t")], b'{"name":"a"}')
    assert decode(operation("StructureInput"), request, {}) == {"Body": {"name": "a"}, "T": "t"}


def test_an_operation_without_input_reads_nothing() -> None:
    assert decode(operation(None), HttpRequest("POST", "/", [], b"garbage"), {}) == {}


# answers

NOON = datetime.datetime(2021, 12, 25, 12, 0, 5, tzinfo=datetime.UTC)


def said(result: dict[str, Any]) -> Any:
    return json.loads(encode(operation(), result, []).body)


def test_an_answer_says_members_by_wire_name_and_leaves_out_the_absent() -> None:
    assert said({"name": "a", "ratio": None, "unknown": 1}) == {"name": "a"}
    assert said({}) == {}


def test_an_answer_is_json_and_keeps_the_headers_given() -> None:
    answer = encode(operation(status=201), {"name": "é", "X-Tag": "t"}, [("X-Id", "1")])
    assert answer.status == 201
    assert answer.headers == [("X-Id", "1"), ("X-Tag", "t"), ("Content-Type", "application/json")]
    assert answer.body == '{"name":"é"}'.encode()


def test_times_are_written_in_the_form_of_their_shape() -> None:
    east = NOON.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    for time in (NOON, east):
        assert said({"made": time, "isoMade": time, "mailMade": time}) == {
            "made": 1640433605,
            "isoMade": "2021-12-25T12:00:05Z",
            "mailMade": "Sat, 25 Dec 2021 12:00:05 GMT",
        }


def test_bytes_are_written_in_base64_and_numbers_that_are_none_as_null() -> None:
    assert said({"data": b"\xff", "ratio": float("nan"), "inner": {"name": "a", "Data": b"x"}}) == {
        "data": "/w==",
        "ratio": None,
        "inner": {"name": "a", "Data": "eA=="},
    }


def test_a_member_may_be_the_status() -> None:
    assert encode(operation(), {"Code": 202}, []).status == 202


@pytest.mark.parametrize("made", [operation(output=None, status=202), operation(status=204)])
def test_an_answer_without_output_has_no_body(made: Operation) -> None:
    answer = encode(made, {"name": "a"}, [])
    assert (answer.status, answer.headers, answer.body) == (made.status, [], b"")


def test_an_answer_may_be_a_payload() -> None:
    assert encode(operation(output="BlobOutput"), {"Body": b"\xff"}, []).body == b"\xff"
    assert encode(operation(output="StructureOutput"), {"Body": {"name": "a"}}, []).body == b'{"name":"a"}'
    assert encode(operation(output="BlobOutput"), {}, []).body == b""


def test_an_error_is_a_document_with_its_code_in_a_header() -> None:
    answer = encode_error(ApiError(404, "NotFoundException", "no such thing"), [("X-Id", "1")], "message")
    assert answer.status == 404
    assert ("x-amzn-ErrorType", "NotFoundException") in answer.headers
    assert ("X-Id", "1") in answer.headers
    assert json.loads(answer.body) == {"message": "no such thing"}
