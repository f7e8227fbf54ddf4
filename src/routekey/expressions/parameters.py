"""Parameter mappings: where a value comes from, and which part of a request or response it goes to (spec 12.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from routekey.errors import ExpressionError
from routekey.expressions.json import to_json
from routekey.expressions.jsonpath import MISSING, compile_path
from routekey.expressions.scope import Response, Scope

_NAME = r"[A-Za-z0-9._$-]+"
_TARGET = re.compile(rf"integration\.request\.(header|querystring|path)\.({_NAME})")
_RESPONSE_TARGET = re.compile(rf"(?:method|route)\.response\.header\.({_NAME})")
_REQUEST = re.compile(
    rf"(?:route|method)\.request\.(header|querystring|multivalueheader|multivaluequerystring|path)\.({_NAME})"
)
_REQUEST_BODY = re.compile(r"(?:route|method)\.request\.body(.*)", re.DOTALL)
_RESPONSE = re.compile(rf"integration\.response\.(header|multivalueheader)\.({_NAME})")
_RESPONSE_BODY = re.compile(r"integration\.response\.body(.*)", re.DOTALL)
_CONTEXT = re.compile(r"context\.([A-Za-z0-9._-]+)")
_STAGE = re.compile(rf"stageVariables\.({_NAME})")

Source = Callable[[Scope], str | None]
ResponseSource = Callable[[Scope, Response], str | None]


@dataclass(frozen=True, slots=True)
class RequestMapping:
    """One compiled entry of requestParameters."""

    location: str  # header, querystring or path
    name: str
    source: Source
    static: bool  # a literal, which goes out as the author wrote it


def compile_request_mapping(target: str, source: str) -> RequestMapping:
    """What goes where in a request. ExpressionError names what is wrong."""
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ExpressionError(f"{target} (integration.request.header|querystring|path.NAME)")
    return RequestMapping(match[1], match[2], _request_source(source), source.startswith("'"))


def compile_response_mapping(target: str, source: str) -> tuple[str, ResponseSource]:
    """Name of the response header, and the source of its value. ExpressionError otherwise."""
    match = _RESPONSE_TARGET.fullmatch(target)
    if match is None:
        raise ExpressionError(f"{target} (method.response.header.NAME)")
    return match[1], _response_source(source)


def _request_source(text: str) -> Source:
    common = _common(text)
    if common is not None:
        return common
    match = _REQUEST.fullmatch(text)
    if match is not None:
        return _request_part(match[1], match[2])
    match = _REQUEST_BODY.fullmatch(text)
    if match is not None:
        if not match[1]:
            return lambda scope: scope.body or None
        find = _body(match[1])
        return lambda scope: find(scope.document)
    raise ExpressionError(text)


def _request_part(kind: str, name: str) -> Source:
    if kind == "header":
        return lambda scope: _last(scope.header_values(name))
    if kind == "querystring":
        return lambda scope: _last(scope.query_values(name))
    if kind == "multivalueheader":
        return lambda scope: ",".join(scope.header_values(name)) or None
    if kind == "multivaluequerystring":
        return lambda scope: ",".join(scope.query_values(name)) or None
    return lambda scope: None  # WebSocket routes have no path variables


def _response_source(text: str) -> ResponseSource:
    common = _common(text)
    if common is not None:
        return lambda scope, result: common(scope)
    match = _RESPONSE.fullmatch(text)
    if match is not None:
        name = match[2]
        if match[1] == "header":
            return lambda scope, result: _last(result.values(name))
        return lambda scope, result: ",".join(result.values(name)) or None
    match = _RESPONSE_BODY.fullmatch(text)
    if match is not None:
        if not match[1]:
            return lambda scope, result: result.text or None
        find = _body(match[1])
        return lambda scope, result: find(result.document)
    raise ExpressionError(text)


def _common(text: str) -> Source | None:
    if len(text) >= 2 and text.startswith("'") and text.endswith("'"):
        static = text[1:-1]
        return lambda scope: static
    match = _CONTEXT.fullmatch(text)
    if match is not None:
        name = match[1]
        return lambda scope: _text(scope.context_value(name))
    match = _STAGE.fullmatch(text)
    if match is not None:
        name = match[1]
        return lambda scope: scope.stage_variables.get(name)
    return None


def _last(values: Any) -> str | None:
    return values[-1] if values else None


def _text(value: Any) -> str | None:
    if value is None or value is MISSING:
        return None
    return str(value) if isinstance(value, str) else to_json(value)


def _body(path: str) -> Callable[[Any], str | None]:
    if path[0] not in ".[":
        raise ExpressionError(f"body{path}")
    find = compile_path("$" + path).get
    return lambda document: None if document is MISSING else _text(find(document))
