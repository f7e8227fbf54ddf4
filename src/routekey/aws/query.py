"""Answers of query-protocol services: XML turned into the JSON that AWS itself gives for `Accept: application/json`.

Seen of that JSON: members in alphabetical order, absent ones null, times as seconds since 1970, errors without a
wrapper, and of SQS its maps as lists of Name and Value, and `messages` in lower case.
"""

from __future__ import annotations

import contextlib
import datetime
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import msgspec

from routekey.aws import xml
from routekey.aws.services import Model, Reference, Service, Shape
from routekey.aws.xml import tag
from routekey.wire.http import HttpResponse

_SEEN_NAMES = {("SQS", "Messages"): "messages"}
MAX_FORM = 64 * 1024  # bytes of a body in which an action is looked for


def action_of(query: str, body: bytes) -> str | None:
    """The `Action=` of a query-protocol request, in its query or its form; None for other requests."""
    for text in (query, body[:MAX_FORM].decode("latin-1") if b"Action=" in body[:MAX_FORM] else ""):
        if "Action=" in text:
            with contextlib.suppress(ValueError):
                found = parse_qs(text, max_num_fields=1000).get("Action")
                if found:
                    return found[0]
    return None


def as_json(service: Service, action: str, response: HttpResponse) -> HttpResponse:
    """`response` with its XML turned into JSON by the service's model; one that is not XML as it is."""
    root = xml.parse(response.body)
    document = _document(service.model, action, root) if root is not None else None
    if document is None:
        return response
    dropped = ("content-type", "content-length")
    headers = [pair for pair in response.headers if pair[0].lower() not in dropped]
    body = msgspec.json.encode(document)
    return HttpResponse(response.status, [*headers, ("Content-Type", "application/json")], body)


def _document(model: Model, action: str, root: ElementTree.Element) -> dict[str, Any] | None:
    name = tag(root)
    error = next((each for each in root.iter() if tag(each) == "Error"), None)
    if error is not None and name in ("ErrorResponse", "Response"):
        found = {tag(child): child.text or "" for child in error}
        said = {member: found.get(member) for member in ("Code", "Message", "Type")}
        return {"Error": said, "RequestId": _request_id(root)}
    operation = model.operations.get(action)
    if operation is None:
        return None
    content: dict[str, Any] = {"ResponseMetadata": {"RequestId": _request_id(root)}}
    if operation.output is not None:
        wrapper = operation.output.result_wrapper or f"{action}Result"
        result = next((child for child in root if tag(child) == wrapper), root)
        content[wrapper] = _Reader(model).structure(result, model.shapes[operation.output.shape])
    return {name: dict(sorted(content.items()))}


def _request_id(root: ElementTree.Element) -> str | None:
    return next((each.text for each in root.iter() if tag(each).lower() == "requestid"), None)


class _Reader:
    def __init__(self, model: Model) -> None:
        self.shapes = model.shapes
        self.service = model.metadata.service_id

    def structure(self, element: ElementTree.Element, shape: Shape) -> dict[str, Any]:
        children: dict[str, list[ElementTree.Element]] = {}
        for child in element:
            children.setdefault(tag(child), []).append(child)
        found: dict[str, Any] = {}
        for name, reference in shape.members.items():
            target = self.shapes[reference.shape]
            if target.type in ("list", "map") and (reference.flattened or target.flattened):
                names = self._flat_names(name, reference, target)
                items = [child for each in sorted(names) for child in children.get(each, ())]
                value = self._collection(items, target, flat=True) if items else None
            else:
                named = children.get(reference.location_name or name) or children.get(name)
                value = self.value(named[0], target, reference) if named else None
            found[_SEEN_NAMES.get((self.service, name), name)] = value
        return dict(sorted(found.items()))

    @staticmethod
    def _flat_names(name: str, reference: Reference, target: Shape) -> set[str]:
        """What the items of a flattened list or map may be called; models that prefer JSON have lost the names."""
        item = target.member
        names = {name, name.removesuffix("s"), reference.location_name, item.location_name if item else ""}
        return names | ({item.shape} if item is not None else set())

    def value(self, element: ElementTree.Element, shape: Shape, reference: Reference) -> Any:
        text = element.text or ""
        if shape.type == "structure":
            return self.structure(element, shape)
        if shape.type in ("list", "map"):
            return self._collection(list(element), shape, flat=False)
        try:
            if shape.type in ("integer", "long"):
                return int(text)
            if shape.type in ("float", "double"):
                return float(text)
            if shape.type == "boolean":
                return text == "true"
            if shape.type == "timestamp":
                seconds = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
                return int(seconds) if seconds == int(seconds) else seconds
        except ValueError:
            return text
        return text

    def _collection(self, children: list[ElementTree.Element], shape: Shape, *, flat: bool) -> Any:
        if shape.type == "list" and shape.member is not None:
            item = self.shapes[shape.member.shape]
            return [self.value(child, item, shape.member) for child in children]
        if shape.value is None:
            return None
        item = self.shapes[shape.value.shape]
        pairs = []
        for child in children:
            parts = list(child)
            if len(parts) >= 2:
                pairs.append((parts[0].text or "", self.value(parts[1], item, shape.value)))
        return [{"Name": name, "Value": value} for name, value in pairs] if flat else dict(pairs)
