"""Models of messages: JSON Schema draft 4, compiled once (spec 1.9, 3.6).

The validator is a library's; what is ours is that no schema and no message can keep it busy, and the words for what is
wrong, which are those that API Gateway is known to use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from routekey.errors import ExpressionError
from routekey.expressions.schema_survey import BASE, MODEL, Survey
from routekey.expressions.schema_words import explained

MAX_DEPTH = 100  # of a message
MAX_EXPLAINED = 16 * 1024  # characters of a message whose every fault is told; of a longer one the first is
# Of a message explained by a schema that recurs through anyOf or oneOf: each level doubles the cost.
MAX_BRANCHED_DEPTH = 6

Validator = Callable[[str], list[str]]


def parse_schema(name: str, text: str) -> Any:
    """The document of a model's schema. ExpressionError when it is none."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ExpressionError(f"the schema of model {name} is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise ExpressionError(f"the schema of model {name} is not a JSON object")
    return document


def compile_schema(name: str, schemas: Mapping[str, Any]) -> Validator:
    """What tells all that is wrong with a body by the model `name`; `schemas` are the models of its API, by name.

    ExpressionError when the schema is no draft-04 schema, refers to what is not there, or never comes to an end.
    """
    import jsonschema_rs

    document = schemas[name]
    branching, repeating = Survey(schemas).check(name)

    def retrieve(uri: str) -> Any:
        match = MODEL.fullmatch(uri)
        if match is None or match[1] not in schemas:
            raise LookupError(f"{uri} is no model of this API")
        return schemas[match[1]]

    try:
        validator = jsonschema_rs.Draft4Validator(
            document,
            base_uri=BASE + name,
            retriever=retrieve,
            validate_formats=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1 << 20),
        )
    except jsonschema_rs.ValidationError as error:
        at = "/".join(map(str, error.instance_path))
        raise ExpressionError(f"the schema of model {name}: {error.message:.300}{f' at {at}' if at else ''}") from None
    except ValueError as error:
        raise ExpressionError(f"the schema of model {name}: {error}") from None

    def faults(body: str) -> list[str]:
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return ["the body is not JSON"]
        depth = _depth(value)
        if depth > MAX_DEPTH:
            return [f"the body nests deeper than {MAX_DEPTH} levels"]
        try:
            if validator.is_valid(value):
                return []
            if branching and depth > MAX_BRANCHED_DEPTH:
                return ["instance failed to match the schema"]
            if repeating or len(body) > MAX_EXPLAINED:
                validator.validate(value)
            return explained(list(validator.iter_errors(value)))
        except jsonschema_rs.ValidationError as error:
            return explained([error])
        except ValueError as error:  # what the validator cannot take at all
            return [str(error)[:200]]

    return faults


def _depth(value: Any) -> int:
    """How deep a value nests, as far as that matters."""
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        level = [each for each in below if isinstance(each, (dict, list))]
        if not level:
            return depth + 1
    return MAX_DEPTH + 1
