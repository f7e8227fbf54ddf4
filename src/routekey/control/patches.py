"""What the operations of apigateway v1 share: look-ups, patch operations, lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from routekey.control.operations import Control, decode_token, encode_token
from routekey.errors import bad_request, not_found
from routekey.resources.access import ApiKey
from routekey.resources.base import Resource, check_tags
from routekey.wire.service import Answer, Call

_LIMIT = 25
_MAX_LIMIT = 500


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def patched(
    members: Mapping[str, Any],
    call: Call,
    paths: Mapping[str, Callable[[str], Any]],
    lists: Mapping[str, Callable[[str], Any]] | None = None,
) -> dict[str, Any]:
    """`members` after the call's patch operations.

    `paths` says which members may be replaced, as /name or /group/name, and how their text is read;
    `lists` which lists take `add` and `remove` of one item.
    """
    result = dict(members)
    for patch in call.get("patchOperations", []):
        operation, path, value = patch.get("op"), patch.get("path", ""), patch.get("value", "")
        name = path.lstrip("/")
        if lists and name in lists and operation in ("add", "remove"):
            item = lists[name](value)
            kept = [each for each in result.get(name, []) if each != item]
            result[name] = [*kept, item] if operation == "add" else kept
        elif name.startswith("tags/") and operation in ("add", "replace", "remove"):
            tags = {k: v for k, v in result.get("tags", {}).items() if k != _unescape(name[5:])}
            result["tags"] = tags if operation == "remove" else {**tags, _unescape(name[5:]): value}
        elif operation == "remove" and any(known == name or known.startswith(f"{name}/") for known in paths):
            result.pop(name, None)
        elif operation in ("replace", "add") and name in paths:
            _set(result, name, _read(paths[name], name, value))
        else:
            allowed = ", ".join(f"/{known}" for known in [*paths, *(lists or {})])
            raise bad_request(
                f"Invalid patch path '{path}' specified for op '{operation}'. Must be one of: [{allowed}]"
            )
    return result


def _read(reader: Callable[[str], Any], name: str, value: str) -> Any:
    try:
        return reader(value)
    except ValueError:
        raise bad_request(f"Invalid value for /{name}: {value:.80}") from None


def _set(result: dict[str, Any], name: str, value: Any) -> None:
    group, _, member = name.partition("/")
    if member:
        result[group] = {**(result.get(group) or {}), member: value}
    else:
        result[name] = value


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def period(text: str) -> str:
    if text not in ("DAY", "WEEK", "MONTH"):
        raise ValueError(text)
    return text


def boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def page(call: Call, items: Sequence[Mapping[str, Any]], key: str = "id") -> dict[str, Any]:
    """One page of a v1 list: `limit` items after `position`."""
    limit = call.get("limit", _LIMIT)
    if not 1 <= limit <= _MAX_LIMIT:
        raise bad_request(f"Invalid value for limit: {limit} (1 to {_MAX_LIMIT})")
    after = decode_token(call["position"]) if call.get("position") else ""
    rest = [item for item in items if str(item[key]) > after]
    answer: dict[str, Any] = {"item": rest[:limit]}
    if len(rest) > limit:
        answer["position"] = encode_token(str(rest[limit - 1][key]))
    return answer


async def find(control: Control, kind: type[Any], name: str, *ids: str) -> Any:
    found = await control.repository.find(kind, *ids)
    if found is None:
        raise not_found(f"Invalid {name} identifier specified", kind.kind)
    return found


async def patch(control: Control, call: Call, resource: Resource, paths: Mapping[str, Any], **more: Any) -> Answer:
    stamp = {"last_updated_date": control.now()} if isinstance(resource, ApiKey) else {}

    def update(stored: Resource) -> Resource:
        updated = type(stored).of(patched(stored.members(), call, paths, **more), **stamp)
        check_tags(updated.tags)  # type: ignore[attr-defined]
        return updated

    return (await control.repository.replace(resource, update)).members()
