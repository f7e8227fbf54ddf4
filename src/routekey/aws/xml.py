"""XML that a service answers, read with bounds: endpoints may be anybody's."""

from __future__ import annotations

from xml.etree import ElementTree

MAX_XML = 4 * 1024 * 1024  # bytes; a larger answer is left as it is


def parse(data: bytes) -> ElementTree.Element | None:
    """The document, or None where it is none. What entities expand to is bounded by expat itself."""
    if data.lstrip()[:1] != b"<" or len(data) > MAX_XML:
        return None
    try:
        return ElementTree.fromstring(data)  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError):  # the latter two for encodings that it does not have
        return None


def tag(element: ElementTree.Element) -> str:
    """Its name, without the namespace."""
    return element.tag.rpartition("}")[2]
