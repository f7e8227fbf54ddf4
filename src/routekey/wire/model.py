"""Service models: operations and shapes, read straight from botocore's data files.

Importing botocore costs 0.1 s and more; its files cost a few milliseconds.
"""

from __future__ import annotations

import gzip
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

Location = Literal["body", "uri", "querystring", "header", "headers", "statusCode"]


class Shape:
    """One shape of a model, its members resolved on first use."""

    def __init__(self, name: str, data: Mapping[str, Any], shapes: Mapping[str, Any]) -> None:
        self.name = name
        self.type: str = data["type"]
        self.data = data
        self._shapes = shapes

    def _at(self, reference: Mapping[str, Any]) -> Shape:
        name = reference["shape"]
        return Shape(name, self._shapes[name], self._shapes)

    @cached_property
    def members(self) -> dict[str, Member]:
        return {name: Member(name, ref, self._at(ref)) for name, ref in self.data.get("members", {}).items()}

    @cached_property
    def required(self) -> list[str]:
        return list(self.data.get("required", []))

    @cached_property
    def item(self) -> Shape:
        """What a list holds, or a map's values."""
        return self._at(self.data["member"] if self.type == "list" else self.data["value"])

    @cached_property
    def enum(self) -> list[str] | None:
        return self.data.get("enum")

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Its pattern, where Python's `re` reads it; the models hold Java's."""
        try:
            return re.compile(self.data["pattern"]) if "pattern" in self.data else None
        except re.error:
            return None

    @property
    def payload(self) -> str | None:
        return self.data.get("payload")


class Member:
    def __init__(self, name: str, reference: Mapping[str, Any], shape: Shape) -> None:
        self.name = name
        self.wire = reference.get("locationName", name)
        self.location: Location = reference.get("location", "body")
        self.shape = shape
        self.timestamp: str | None = reference.get("timestampFormat") or shape.data.get("timestampFormat")


@dataclass(slots=True)
class Operation:
    name: str
    method: str
    segments: list[str]  # of its path; "{x}" stands for one segment, "{x+}" for the rest
    query: dict[str, str]  # fixed parameters that tell it from others on the same path
    status: int
    input: Shape | None
    output: Shape | None


@dataclass(slots=True)
class Service:
    """One service's operations, and how a request finds its own."""

    name: str
    operations: dict[str, Operation]
    messages: dict[str, str] = field(default_factory=dict)  # what each exception calls its message

    def message_of(self, exception: str) -> str:
        return self.messages.get(exception, "message")

    def match(self, method: str, path: str, query: Mapping[str, list[str]]) -> tuple[Operation, dict[str, str]] | None:
        """The operation that `method` and the raw `path` ask for, with its path variables, still escaped."""
        segments = _segments(path)
        best: tuple[Operation, dict[str, str]] | None = None
        for operation in self._by_length.get((method, len(segments)), ()):
            values = _bind(operation.segments, segments)
            if values is None or any(query.get(k) != [v] for k, v in operation.query.items()):
                continue
            if best is None or _rank(operation) > _rank(best[0]):
                best = operation, values
        return best

    _index: dict[tuple[str, int], list[Operation]] | None = None

    @property
    def _by_length(self) -> dict[tuple[str, int], list[Operation]]:
        if self._index is None:
            self._index = {}
            for operation in self.operations.values():
                self._index.setdefault((operation.method, len(operation.segments)), []).append(operation)
        return self._index


def _rank(operation: Operation) -> tuple[int, int]:
    return len(operation.query), sum(not segment.startswith("{") for segment in operation.segments)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


def _bind(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    values = {}
    for wanted, given in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            if not given:
                return None
            values[wanted.strip("{+}")] = given
        elif wanted != given:
            return None
    return values


def load(service: str, version: str) -> Service:
    """The model of `service`, such as `apigatewayv2`, in API version `version`."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError("botocore is not installed: reinstall routekey")
    folder = Path(found.submodule_search_locations[0], "data", service, version)
    packed = folder / "service-2.json.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / "service-2.json").read_bytes()
    model = msgspec.json.decode(text)
    shapes = model["shapes"]

    def shape(reference: Mapping[str, Any] | None) -> Shape | None:
        return None if reference is None else Shape(reference["shape"], shapes[reference["shape"]], shapes)

    operations = {}
    for name, data in model["operations"].items():
        http = data["http"]
        path, _, query = http["requestUri"].partition("?")
        fixed = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
        operations[name] = Operation(
            name, http["method"], _segments(path), fixed, http.get("responseCode", 200),
            shape(data.get("input")), shape(data.get("output")),
        )  # fmt: skip
    messages = {}
    for name, data in shapes.items():
        if data.get("exception"):
            members = data.get("members", {}).items()
            named = (member.get("locationName", key) for key, member in members if key.lower() == "message")
            messages[name] = next(named, "message")
    return Service(service, operations, messages)
