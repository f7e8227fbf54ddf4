"""REST-JSON: a request to an operation's members, and its answer back to bytes."""

from __future__ import annotations

import base64
import binascii
import datetime
import email.utils
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from routekey.errors import ApiError
from routekey.wire.http import Headers, HttpRequest, HttpResponse, parse_query
from routekey.wire.model import Member, Operation, Shape

Members = dict[str, Any]


class Fault(ApiError):
    """A request that does not fit its shape; the service words the error its own way."""

    def __init__(self, member: str, message: str, value: object = None, kind: str = "type") -> None:
        super().__init__(400, "BadRequestException", message)
        self.member = member
        self.value = value
        self.kind = kind  # type, enum, required, limit


def decode(operation: Operation, request: HttpRequest, path_values: Mapping[str, str]) -> Members:
    """The members of `request` by wire name, checked against the model; unknown ones are left out."""
    shape = operation.input
    if shape is None:
        return {}
    query = parse_query(request.query)
    body: Any = None
    if shape.payload is None and any(member.location == "body" for member in shape.members.values()):
        body = _body(request.body)
    members: Members = {}
    for member in shape.members.values():
        value = _located(member, shape, request, path_values, query, body)
        if value is not None:
            members[member.wire if shape.payload != member.name else member.name] = value
    for name in shape.required:
        member = shape.members[name]
        if (member.wire if shape.payload != name else name) not in members:
            raise Fault(member.wire, f"Missing required member: {member.wire}", kind="required")
    return members


def _body(data: bytes) -> Mapping[str, Any]:
    if not data:
        return {}
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Fault("", f"The request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Fault("", "The request body must be a JSON object")
    return value


def _located(
    member: Member,
    shape: Shape,
    request: HttpRequest,
    path_values: Mapping[str, str],
    query: Mapping[str, list[str]],
    body: Any,
) -> Any:
    if shape.payload == member.name:
        if member.shape.type in ("blob", "string"):
            return request.body
        return _convert(member.wire, member.shape, _body(request.body))
    if member.location == "uri":
        raw = path_values.get(member.wire)
        return None if raw is None else _from_text(member.wire, member.shape, [unquote(raw)])
    if member.location == "querystring":
        values = query.get(member.wire)
        return None if not values else _from_text(member.wire, member.shape, values)
    if member.location == "header":
        values = request.all(member.wire.lower())
        return None if not values else _from_text(member.wire, member.shape, values)
    if member.location == "headers":
        return None
    value = body.get(member.wire)
    return None if value is None else _convert(member.wire, member.shape, value)


def _from_text(where: str, shape: Shape, values: list[str]) -> Any:
    if shape.type == "list":
        return [_from_text(where, shape.item, [value]) for value in values]
    text = values[-1]
    try:
        if shape.type in ("integer", "long"):
            return _check(where, shape, int(text))
        if shape.type in ("float", "double"):
            return _check(where, shape, float(text))
    except ValueError:
        raise Fault(where, f"Invalid value for {where}: {text:.80} is no number", text) from None
    if shape.type == "boolean":
        if text.lower() not in ("true", "false"):
            raise Fault(where, f"Invalid value for {where}: {text:.80} is neither true nor false", text)
        return text.lower() == "true"
    return _check(where, shape, text)


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "structure": ((dict,), "an object"),
    "map": ((dict,), "an object"),
    "list": ((list,), "a list"),
    "string": ((str,), "a string"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "blob": ((str,), "base64 text"),
    "timestamp": ((str, int, float), "a time"),
}


def _convert(where: str, shape: Shape, value: Any) -> Any:
    types, name = _KINDS[shape.type]
    if not _fits(value, types):
        raise Fault(where, f"Invalid value for {where}: {name} is expected", value)
    if shape.type == "structure":
        result = {}
        for member in shape.members.values():
            given = value.get(member.wire)
            if given is not None:
                result[member.wire] = _convert(f"{where}.{member.wire}", member.shape, given)
        for required in shape.required:
            wire = shape.members[required].wire
            if wire not in result:
                raise Fault(f"{where}.{wire}", f"Missing required member: {where}.{wire}", kind="required")
        return result
    if shape.type == "map":
        return _check(
            where,
            shape,
            {k: _convert(f"{where}.{k:.80}", shape.item, v) for k, v in value.items() if v is not None},
        )
    if shape.type == "list":
        return _check(where, shape, [_convert(f"{where}[{i}]", shape.item, v) for i, v in enumerate(value)])
    if shape.type == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Fault(where, f"Invalid value for {where}: it is not base64") from None
    return _check(where, shape, value)


def _check(where: str, shape: Shape, value: Any) -> Any:
    if shape.enum is not None and value not in shape.enum:
        raise Fault(where, f"Invalid value for {where}: {value}", value, "enum")
    size = value if isinstance(value, int | float) else len(value) if isinstance(value, str | list | dict) else None
    low, high = shape.data.get("min"), shape.data.get("max")
    if size is not None and not isinstance(value, bool):
        what = "" if isinstance(value, int | float) else " items" if not isinstance(value, str) else " characters"
        if low is not None and size < low:
            raise Fault(where, f"Invalid value for {where}: at least {low}{what} are expected", value, "limit")
        if high is not None and size > high:
            raise Fault(where, f"Invalid value for {where}: at most {high}{what} are allowed", value, "limit")
    if isinstance(value, str) and shape.pattern is not None and not shape.pattern.fullmatch(value):
        message = f"Invalid value for {where}: {value:.80} does not match {shape.pattern.pattern:.200}"
        raise Fault(where, message, value, "limit")
    return value


def encode(operation: Operation, result: Mapping[str, Any], headers: Headers) -> HttpResponse:
    """The answer of `operation` that says `result`, members by wire name; absent ones are left out."""
    shape = operation.output
    status = operation.status
    headers = list(headers)
    if shape is None or status == 204:
        return HttpResponse(status, headers, b"")
    body: Members = {}
    payload = b""
    for member in shape.members.values():
        value = result.get(member.wire, result.get(member.name))
        if value is None:
            continue
        if member.location == "header":
            headers.append((member.wire, str(value)))
        elif member.location == "statusCode":
            status = int(value)
        elif shape.payload == member.name:
            headers.append(("Content-Type", "application/json"))
            payload = value if isinstance(value, bytes) else msgspec.json.encode(plain(member, value))
        else:
            body[member.wire] = plain(member, value)
    if shape.payload is not None:
        return HttpResponse(status, headers, payload)
    headers.append(("Content-Type", "application/json"))
    return HttpResponse(status, headers, msgspec.json.encode(body))


def plain(member: Member, value: Any) -> Any:
    """`value` in the JSON form of its shape."""
    return _plain(member.shape, value, member.timestamp)


def _plain(shape: Shape, value: Any, timestamp: str | None = None) -> Any:
    if shape.type == "structure":
        return {m.wire: plain(m, value[m.wire]) for m in shape.members.values() if value.get(m.wire) is not None}
    if shape.type == "map":
        return {name: _plain(shape.item, each) for name, each in value.items()}
    if shape.type == "list":
        return [_plain(shape.item, each) for each in value]
    if shape.type == "timestamp" and isinstance(value, datetime.datetime):
        return _timestamp(value, timestamp)
    if shape.type == "blob" and isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _timestamp(value: datetime.datetime, form: str | None) -> Any:
    if form == "iso8601":
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if form == "rfc822":
        return email.utils.format_datetime(value.astimezone(datetime.UTC), usegmt=True)
    return int(value.timestamp())


def encode_error(error: ApiError, headers: Headers, member: str) -> HttpResponse:
    """The error document that SDKs turn into their own exception; `member` is what its model calls the message."""
    body = {member: error.message, **error.members}
    all_headers = [*headers, ("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    return HttpResponse(error.status, all_headers, msgspec.json.encode(body))
