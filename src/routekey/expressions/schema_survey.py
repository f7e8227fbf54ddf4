"""What a schema may cost, found out before the validator meets it: it would follow circles for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from routekey.errors import ExpressionError

MAX_SCHEMA_DEPTH = 60
MAX_UNFOLDED = 1000  # references, along every way that meets none twice
MAX_CHECKS = 2000  # that one value may have to pass, through $ref and allOf

MODEL = re.compile(r"https?://apigateway\.amazonaws\.com/restapis/[^/]+/models/([A-Za-z0-9]+)/?")
BASE = "https://apigateway.amazonaws.com/restapis/api/models/"


class Survey:
    """Walks the schemas of an API before the validator does: it would follow their circles for ever."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._cost: dict[int, int] = {}
        self._busy: set[int] = set()

    def check(self, name: str) -> tuple[bool, bool]:
        """Whether the schema recurs through anyOf or oneOf, and through what else checks one value twice.

        ExpressionError where validation would not end.
        """
        seen: dict[int, tuple[Any, str]] = {}
        waiting = [(self._schemas[name], name, 0)]
        while waiting:
            schema, model, depth = waiting.pop()
            if id(schema) in seen:
                continue
            if depth > MAX_SCHEMA_DEPTH:
                raise ExpressionError(f"the schema of model {name} nests deeper than {MAX_SCHEMA_DEPTH} levels")
            seen[id(schema)] = schema, model
            self._weigh(schema, model, name)
            waiting += [(each, model, depth + 1) for each in _parts(schema)]
            target = self._target(schema, model)
            if target is not None:
                waiting.append((*target, 0))
        self._unfold(name)
        branching, repeating = (
            any(
                self._reaches_itself(schema, model)
                for schema, model in seen.values()
                if isinstance(schema, dict) and not schema.keys().isdisjoint(keywords)
            )
            for keywords in (("anyOf", "oneOf"), ("allOf", "not", "dependencies", "patternProperties"))
        )
        return branching, repeating

    def _unfold(self, name: str) -> None:
        """Follow every way that meets no schema twice: the validator copies each, and forgets between them."""
        left = MAX_UNFOLDED
        waiting: list[tuple[Any, str, frozenset[int]]] = [(self._schemas[name], name, frozenset())]
        while waiting:
            schema, model, way = waiting.pop()
            target = self._target(schema, model)
            if target is None:
                waiting += [(each, model, way) for each in _parts(schema) if isinstance(each, (dict, list))]
            elif id(target[0]) not in way:
                left -= 1
                if left < 0:
                    raise ExpressionError(f"the references of model {name} unfold to more than {MAX_UNFOLDED}")
                waiting.append((*target, way | {id(target[0])}))

    def _weigh(self, schema: Any, model: str, name: str, depth: int = 0) -> int:
        """How many checks one value has to pass by `schema`."""
        if not isinstance(schema, dict):
            return 1
        known = self._cost.get(id(schema))
        if known is not None:
            return known
        if id(schema) in self._busy or depth > MAX_CHECKS // 10:
            raise ExpressionError(f"the schema of model {name} refers to itself without an end")
        self._busy.add(id(schema))
        target = self._target(schema, model)
        inside = [target] if target is not None else [(each, model) for each in _same_value(schema)]
        cost = 1 + sum(self._weigh(each, where, name, depth + 1) for each, where in inside)
        self._busy.discard(id(schema))
        if cost > MAX_CHECKS:
            raise ExpressionError(f"the schema of model {name} unfolds to more than {MAX_CHECKS} checks of one value")
        self._cost[id(schema)] = cost
        return cost

    def _target(self, schema: Any, model: str) -> tuple[Any, str] | None:
        """The schema that `$ref` leads to, and the model it is in."""
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str):
            return None
        uri, _, pointer = reference.partition("#")
        of = model
        if uri:
            match = MODEL.fullmatch(uri if "//" in uri else BASE + uri)
            if match is None or match[1] not in self._schemas:
                raise ExpressionError(f"the schema of model {model}: $ref {reference:.200} is no model of this API")
            model = match[1]
        found = self._schemas[model]
        for step in unquote(pointer).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
                found = found[int(step)]
            elif isinstance(found, dict) and step in found:
                found = found[step]
            else:
                raise ExpressionError(f"the schema of model {of}: $ref {reference:.200} leads nowhere")
        return found, model

    def _reaches_itself(self, start: Any, model: str) -> bool:
        seen: set[int] = set()
        waiting = [(each, model) for each in _parts(start)]
        while waiting:
            schema, where = waiting.pop()
            if schema is start:
                return True
            if id(schema) not in seen:
                seen.add(id(schema))
                waiting += [(each, where) for each in _parts(schema)]
                target = self._target(schema, where)
                if target is not None:
                    waiting.append(target)
        return False


def _parts(schema: Any) -> Iterator[Any]:
    """The values right inside a schema that may be schemas, or hold some."""
    if isinstance(schema, dict):
        yield from (each for key, each in schema.items() if key not in ("enum", "default") and each is not None)
    elif isinstance(schema, list):
        yield from schema


def _same_value(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas inside that check the very same value."""
    for keyword in ("allOf", "anyOf", "oneOf"):
        branches = schema.get(keyword)
        yield from branches if isinstance(branches, list) else ()
    if "not" in schema:
        yield schema["not"]
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict):
        yield from (each for each in dependencies.values() if isinstance(each, dict))
