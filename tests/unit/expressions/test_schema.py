"""Models: the words for what is wrong, and schemas and bodies that would keep a validator busy (spec 1.9, 3.6)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routekey.errors import ExpressionError
from routekey.expressions.schema import MAX_DEPTH, compile_schema, parse_schema
from routekey.expressions.schema_words import MAX_FAULTS

MODELS = "https://apigateway.amazonaws.com/restapis/abc123/models/"


def faults(schema: Any, body: str, **others: Any) -> list[str]:
    """What is wrong with a body by the model M, which may refer to others."""
    return compile_schema("M", {"M": schema, **others})(body)


@pytest.mark.parametrize(
    ("schema", "body", "text"),
    [
        # The two that API Gateway was seen to use
        ({"required": ["a"]}, "{}", 'object has missing required properties (["a"])'),
        (
            {"type": "integer"}, '"1"',
            'instance type (string) does not match any allowed primitive type (allowed: ["integer"])',
        ),
        # Ours, after the validator that it has
        ({"required": ["b", "a", "c"]}, '{"c":1}', 'object has missing required properties (["a","b"])'),
        (
            {"type": ["string", "null"]}, "1.5",
            'instance type (number) does not match any allowed primitive type (allowed: ["null","string"])',
        ),
        (
            {"type": "integer"}, "1.0",
            'instance type (number) does not match any allowed primitive type (allowed: ["integer"])',
        ),
        (
            {"type": "object"}, "[]",
            'instance type (array) does not match any allowed primitive type (allowed: ["object"])',
        ),
        (
            {"type": "object"}, "true",
            'instance type (boolean) does not match any allowed primitive type (allowed: ["object"])',
        ),
        (
            {"type": "number"}, "null",
            'instance type (null) does not match any allowed primitive type (allowed: ["number"])',
        ),
        ({"enum": [1, "a"]}, '"b"', 'instance value ("b") not found in enum (possible values: [1,"a"])'),
        ({"minimum": 3}, "2", "numeric instance is lower than the required minimum (minimum: 3, found: 2)"),
        ({"maximum": 3}, "3.5", "numeric instance is greater than the required maximum (maximum: 3, found: 3.5)"),
        (
            {"minimum": 3, "exclusiveMinimum": True}, "3",
            "numeric instance is not strictly greater than the required minimum 3",
        ),
        (
            {"maximum": 3, "exclusiveMaximum": True}, "3",
            "numeric instance is not strictly lower than the required maximum 3",
        ),
        ({"minLength": 3}, '"é"', 'string "é" is too short (length: 1, required minimum: 3)'),
        ({"maxLength": 1}, '"ab"', 'string "ab" is too long (length: 2, maximum allowed: 1)'),
        ({"pattern": "^a+$"}, '"b"', 'ECMA 262 regex "^a+$" does not match input string "b"'),
        ({"format": "email"}, '"b"', 'string "b" is invalid against the format "email"'),
        (
            {"properties": {"a": {}}, "additionalProperties": False}, '{"c":1,"b":2,"a":3}',
            'object instance has properties which are not allowed by the schema: ["b","c"]',
        ),
        ({"items": [{}], "additionalItems": False}, "[1,2]", "array only allows 1 items, instance has 2"),
        ({"minItems": 2}, "[1]", "array is too short: must have at least 2 elements but instance has 1 elements"),
        ({"maxItems": 1}, "[1,2]", "array is too long: must have at most 1 elements but instance has 2 elements"),
        ({"uniqueItems": True}, '[{"a":1},{"a":1}]', "array must not contain duplicate elements"),
        (
            {"minProperties": 1}, "{}",
            "object has too few properties (found 0 but schema requires at least 1)",
        ),
        (
            {"maxProperties": 0}, '{"a":1}',
            "object has too many properties (found 1 but schema requires at most 0)",
        ),
        ({"multipleOf": 3}, "4", "remainder of division is not zero (4 / 3)"),
        (
            {"oneOf": [{"type": "integer"}, {"minimum": 3}]}, "4",
            "instance failed to match exactly one schema (of 2)",
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]}, "4",
            "instance failed to match at least one required schema among 2",
        ),
        ({"not": {"type": "integer"}}, "4", "instance matched a schema which it should not have"),
        ({"dependencies": {"a": ["b"]}}, '{"a":1}', 'object has missing required properties (["b"])'),
        ({"dependencies": {"a": {"required": ["c"]}}}, '{"a":1}', 'object has missing required properties (["c"])'),
        (
            {"patternProperties": {"^x": {"minimum": 2}}}, '{"xa":1}',
            "numeric instance is lower than the required minimum (minimum: 2, found: 1)",
        ),
        ({"items": {"$ref": "#/definitions/d"}, "definitions": {"d": {"enum": [1]}}}, "[2]",
         "instance value (2) not found in enum (possible values: [1])"),
        ({}, "", "the body is not JSON"),
        ({}, "{", "the body is not JSON"),
        ({}, "NaN", "the body is not JSON"),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_these_words(schema: Any, body: str, text: str) -> None:
    assert faults(schema, body) == [text]


def test_several_faults_are_told_and_missing_names_of_one_object_together() -> None:
    schema = {"required": ["a", "b"], "properties": {"c": {"required": ["d"]}, "e": {"type": "string"}}}
    assert faults(schema, '{"c":{},"e":1}') == [
        'object has missing required properties (["a","b"])',
        'object has missing required properties (["d"])',
        'instance type (integer) does not match any allowed primitive type (allowed: ["string"])',
    ]


def test_of_many_faults_the_first_are_told() -> None:
    assert len(faults({"items": {"type": "string"}}, json.dumps([1] * 100))) == MAX_FAULTS
    long = json.dumps([1] * 10_000)
    assert len(faults({"items": {"type": "string"}}, long)) == 1


def test_what_is_told_of_a_long_value_is_cut() -> None:
    [text] = faults({"enum": ["x" * 5000]}, json.dumps("y" * 10_000))
    assert len(text) < 1500


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({}, "1"),
        ({"type": "integer"}, "123456789012345678901234567890"),
        ({"type": "number"}, "1"),
        ({"type": ["string", "null"]}, "null"),
        ({"format": "nobody-knows"}, '"x"'),
        ({"format": "email"}, "1"),
        ({"pattern": "b"}, '"abc"'),
        ({"pattern": "^\\p{L}+$"}, '"é"'),
        ({"enum": [1.0]}, "1"),
        ({"multipleOf": 0.1}, "0.3"),
        ({"maxLength": 1}, '"😀"'),
        ({"title": "T", "description": "D", "default": 1, "x-own": {"type": 7}}, "{}"),
        ({"id": "http://example.com/m.json", "items": {"$ref": "#/definitions/d"}, "definitions": {"d": {}}}, "[1]"),
        ({"const": 3, "if": {}, "contains": {"type": "string"}}, "[1]"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "1"),
        ({"$schema": "http://127.0.0.1:9/nobody-asks-for-this"}, "1"),
        ({"properties": {"$ref": {"type": "string"}, "enum": {"type": "integer"}, "id": {"type": "null"}}},
         '{"$ref":"x","enum":1,"id":null}'),
    ],
)  # fmt: skip
def test_draft_4_lets_these_pass(schema: Any, body: str) -> None:
    assert faults(schema, body) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"type": "any"},
        {"type": 7},
        {"type": []},
        {"required": "a"},
        {"required": True},
        {"required": []},
        {"required": ["a", "a"]},
        {"properties": []},
        {"properties": {"a": 7}},
        {"properties": {"a": {"required": True}}},
        {"items": "a"},
        {"minLength": -1},
        {"maxItems": 1.5},
        {"multipleOf": 0},
        {"exclusiveMinimum": 3},
        {"pattern": "("},
        {"pattern": "(a{1000}){1000}"},
        {"patternProperties": {"(": {}}},
        {"allOf": []},
        {"dependencies": {"a": 7}},
        {"$ref": "#/definitions/nothing"},
        {"$ref": MODELS + "Nobody"},
        {"$ref": "Nobody"},
        pytest.param({"items": {"$ref": MODELS + "Good#/nothing"}}),
        {"$ref": "http://127.0.0.1:9/a.json"},
        {"$ref": "https://example.com/restapis/abc123/models/Good"},
        {"$ref": "file:///etc/passwd"},
        {"definitions": {"unused": {"$ref": "http://127.0.0.1:9/"}}},
        {"id": "http://127.0.0.1:9/", "items": {"$ref": "other"}},
    ],
)
def test_a_schema_that_is_none_is_refused_and_its_model_named(schema: Any) -> None:
    with pytest.raises(ExpressionError, match="model M"):
        faults(schema, "1", Good={})


@pytest.mark.parametrize("text", ["", "{", "[]", '"a"', "1", "null", "[" * 100_000, '{"a":1e999}', '{"a":"\\ud800"}'])
def test_a_text_that_is_no_json_object_is_no_schema(text: str) -> None:
    with pytest.raises(ExpressionError, match="model M"):
        parse_schema("M", text)


# References


@pytest.mark.parametrize(
    "reference",
    [MODELS + "Other", MODELS + "Other#", "http://apigateway.amazonaws.com/restapis/x/models/Other",
     MODELS + "Other/", "Other", MODELS + "Holder#/definitions/other", MODELS + "Holder#/items/0"],
)  # fmt: skip
def test_a_reference_leads_to_another_model_or_into_it(reference: str) -> None:
    other = {"type": "integer"}
    holder = {"definitions": {"other": other}, "items": [other]}
    assert faults({"items": {"$ref": reference}}, "[1]", Other=other, Holder=holder) == []
    assert len(faults({"items": {"$ref": reference}}, '["a"]', Other=other, Holder=holder)) == 1


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("a/b", "a~1b"),
        ("a~b", "a~0b"),
        ("~1", "~01"),
        ("a b", "a%20b"),
        ("a%b", "a%25b"),
    ],
)
def test_a_pointer_is_unescaped(name: str, pointer: str) -> None:
    schema = {"items": {"$ref": f"#/definitions/{pointer}"}, "definitions": {name: {"type": "integer"}}}
    assert len(faults(schema, '[1,"a"]')) == 1


def test_models_that_refer_to_each_other_check_trees_of_any_depth() -> None:
    tree = {"required": ["name"], "properties": {"children": {"type": "array", "items": {"$ref": MODELS + "Branch"}}}}
    branch = {"required": ["weight"], "properties": {"tree": {"$ref": MODELS + "M"}}}
    body: dict[str, Any] = {"name": "leaf"}
    for _ in range(30):
        body = {"name": "n", "children": [{"weight": 1, "tree": body}]}
    check = compile_schema("M", {"M": tree, "Branch": branch})
    assert check(json.dumps(body)) == []
    wrong = json.dumps(body).replace('{"name": "leaf"}', '{"name": "leaf", "children": [{}]}')
    assert check(wrong) == ['object has missing required properties (["weight"])']


# Schemas that never come to an end, or unfold to very much


def chain(length: int, keyword: str) -> dict[str, Any]:
    """Definitions of which each refers to the next twice."""
    definitions: dict[str, Any] = {
        f"d{at}": {keyword: [{"$ref": f"#/definitions/d{at + 1}"}] * 2} for at in range(length)
    }
    return {"definitions": {**definitions, f"d{length}": {}}, "$ref": "#/definitions/d0"}


def nested(depth: int, keyword: str = "not") -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {keyword: schema} if keyword != "properties" else {"properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{}, {"$ref": "#"}]},
        {"oneOf": [{"$ref": "#"}]},
        {"not": {"$ref": "#"}},
        {"dependencies": {"a": {"$ref": "#"}}},
        {"$ref": MODELS + "M"},
        {"allOf": [{"$ref": MODELS + "Other"}]},
        {
            "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}},
            "$ref": "#/definitions/a",
        },
        {"properties": {"deep": {"items": {"allOf": [{"$ref": "#/properties/deep/items"}]}}}},
        chain(40, "allOf"),
        chain(40, "anyOf"),
        chain(40, "oneOf"),
        nested(500),
        nested(500, "properties"),
        nested(500, "items"),
        nested(61, "items"),
    ],
)
def test_a_schema_that_never_ends_is_refused(schema: Any) -> None:
    with pytest.raises(ExpressionError, match="model M"):
        faults(schema, "1", Other={"allOf": [{"$ref": MODELS + "M"}]})


def test_a_schema_may_nest_and_unfold_as_people_write_them() -> None:
    assert faults(chain(5, "allOf"), "1") == []
    assert faults(nested(58, "items"), "[[1]]") == []
    assert len(faults(nested(51), "1")) == 1


NESTED_60 = '{"x":' * 60
CLOSED_60 = "}" * 60


def clique(size: int, keyword: str) -> dict[str, Any]:
    """So many models, each of which is any of all below."""
    names = ["M", *(f"M{number}" for number in range(1, size))]
    every = [{"$ref": MODELS + name} for name in names]
    return {name: {"type": "object", "properties": {"x": {keyword: every}}} for name in names}


EXPRESSION = {
    "M": {"oneOf": [{"$ref": MODELS + name} for name in ("Add", "Mul", "Value")]},
    "Add": {"required": ["l", "r"], "properties": {"l": {"$ref": MODELS + "M"}, "r": {"$ref": MODELS + "M"}}},
    "Mul": {"required": ["l", "r"], "properties": {"l": {"$ref": MODELS + "M"}, "r": {"$ref": MODELS + "M"}}},
    "Value": {"type": "integer"},
}
_EXPRESSION_BODY = '{"r":1,"l":' * 40 + "1" + "}" * 40


def costly() -> Iterator[Any]:
    """Schemas, a body, whether it fits, and the seconds that all of it may take."""
    many = json.dumps([{"a": number} for number in range(9000)])
    yield pytest.param({"M": {"uniqueItems": True}}, many, True, 10, id="unique objects")
    enum = {"items": {"enum": [{"a": number} for number in range(1000)]}}
    yield pytest.param({"M": enum}, json.dumps([{"a": 999}] * 9000), True, 10, id="long enum")
    patterns: dict[str, Any] = {f"^k{number}.*z$": {} for number in range(300)}
    names = json.dumps({f"k{number}": 1 for number in range(9000)})
    yield pytest.param({"M": {"patternProperties": patterns}}, names, True, 10, id="many patterns")
    yield pytest.param({"M": {"pattern": "^(a+)+$"}}, json.dumps("a" * 100_000 + "b"), False, 10, id="nested repeats")
    checks = {"items": {"allOf": [{"type": "integer"}] * 1900}}
    yield pytest.param({"M": checks}, json.dumps([1] * 40_000), True, 10, id="checks times items")
    yield pytest.param(EXPRESSION, _EXPRESSION_BODY, False, 10, id="ambiguous expression")
    yield pytest.param(clique(3, "anyOf"), f"{NESTED_60}1{CLOSED_60}", False, 10, id="three in a ring")
    twice = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    both = {"M": {"type": "object", "properties": {"x": twice}}}
    yield pytest.param(both, f"{NESTED_60}1{CLOSED_60}", False, 10, id="itself twice")
    yield pytest.param(both, f"{NESTED_60}{{}}{CLOSED_60}", True, 10, id="itself twice, and it fits")
    # What explains a fault walks every path to it, where allOf or patternProperties lead to the same value again.
    all_of = {"M": {"type": "object", "properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}}
    yield pytest.param(all_of, f"{NESTED_60}1{CLOSED_60}", False, 10, id="allOf twice")
    named = {"type": "object", "properties": {"x": {"$ref": "#"}}, "patternProperties": {".": {"$ref": "#"}}}
    yield pytest.param({"M": named}, f"{NESTED_60}1{CLOSED_60}", False, 10, id="patternProperties")
    # Many models that all refer to each other are unfolded, and what was found out about them is not remembered.
    yield pytest.param(clique(6, "anyOf"), f"{NESTED_60}1{CLOSED_60}", False, 10, id="clique of 6")
    yield pytest.param(clique(8, "anyOf"), f"{NESTED_60}1{CLOSED_60}", False, 10, id="clique of 8")
    yield pytest.param(clique(8, "allOf"), f"{NESTED_60}{{}}{CLOSED_60}", True, 10, id="allOf clique of 8")


RUN = """
import json, sys
from routekey.errors import ExpressionError
from routekey.expressions.schema import compile_schema
schemas, body = json.load(sys.stdin)
try:
    print(json.dumps(compile_schema("M", schemas)(body)))
except ExpressionError:
    print('"refused"')
"""


@pytest.mark.parametrize(("schemas", "body", "fits", "seconds"), list(costly()))
def test_no_schema_and_no_body_keeps_the_validator_busy(
    schemas: Mapping[str, Any], body: str, fits: bool, seconds: float
) -> None:
    # In a process of its own: nothing inside this one could stop it. To refuse such a schema is as good.
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps([schemas, body]), capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == "refused" or (found == []) == fits


@pytest.mark.parametrize(
    ("schemas", "body"),
    [
        ({"M": {"properties": {"enum": {"allOf": [{"$ref": "#/properties/enum"}]}}}}, '{"enum":1}'),
        ({"M": {"properties": {"default": {"allOf": [{"$ref": "#/properties/default"}]}}}}, '{"default":1}'),
        ({"M": {"properties": {"a": {"id": "N", "allOf": [{"$ref": "#"}]}}}, "N": {}}, '{"a":1}'),
        ({"M": {"definitions": {"a%62": {}, "ab": {"allOf": [{"$ref": "#/definitions/a%62"}]}},
                "$ref": "#/definitions/ab"}}, "1"),
        ({"M": {"definitions": {"": {"x": {"allOf": [{"$ref": "#/definitions//x"}]}}, "x": {}},
                "$ref": "#/definitions//x"}}, "1"),
    ],
    ids=["a property enum", "a property default", "an id inside", "percent", "an empty member"],
)  # fmt: skip
def test_a_circle_that_hides_ends_too(schemas: Mapping[str, Any], body: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=json.dumps([schemas, body]), capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 0, done.stderr


# Bodies


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 100_000])
def test_a_body_may_nest_so_deep(depth: int) -> None:
    found = faults({}, "[" * depth + "]" * depth)
    assert (found == []) == (depth == MAX_DEPTH)
    assert len(found) <= 1


@pytest.mark.parametrize(
    "body",
    ["1" * 120_000, "-" + "9" * 5000, "1e400", "1e99999999", '"\\ud800"', '["\\udc00\\ud800"]', '{"\\ud83d":1}',
     "\ufeff1", "[" * 120_000, '{"a":' * 20_000, "1 2", "'a'", "\x00", '"\n"'],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
@pytest.mark.parametrize("schema", [{}, {"type": "string"}, {"multipleOf": 3, "maximum": 5}])
def test_a_body_that_no_parser_should_take_is_not_json(schema: Any, body: str) -> None:
    assert faults(schema, body) == ["the body is not JSON"]


@pytest.mark.parametrize(
    "body", ["1" * 400, "1." + "1" * 120_000, "1e308", "-1e308", "4e-320", "1e-99999999", "-0", "0.0"]
)
def test_numbers_of_any_size_are_checked(body: str) -> None:
    found = faults({"maximum": 5, "multipleOf": 0.001, "type": "number"}, body)
    assert all(isinstance(text, str) for text in found)


def test_a_pattern_that_gives_up_is_a_fault() -> None:
    assert len(faults({"pattern": "(a|a)*\\1$"}, json.dumps("a" * 5000 + "b"))) == 1


# Any schema, any body


NAMES = st.sampled_from(["a", "b", "id", ""])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
REFERENCES = st.sampled_from(
    ["#", "#/properties/a", "#/definitions/b", "#/items", "#/nothing", "#/items/0", "#/definitions//b", "#/%61",
     MODELS + "M", MODELS + "N", MODELS + "Nobody", MODELS + "N#/properties/a", "N", "http://127.0.0.1:9/", "", ":"]
)  # fmt: skip


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from(["a", "b", "", "enum", "id", "$ref"]), inner, max_size=2)
    listed = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array", ["null", "number"], "bogus", 7]),
            "$ref": REFERENCES,
            "id": st.sampled_from(["N", "#a", "http://127.0.0.1:9/", "\n"]),
            "properties": named,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", ".", "("]), inner, max_size=2),
            "definitions": named,
            "dependencies": named | st.just({"a": ["b"]}),
            "additionalProperties": st.booleans() | inner,
            "items": inner | listed,
            "additionalItems": st.booleans() | inner,
            "allOf": listed,
            "anyOf": listed,
            "oneOf": listed,
            "not": inner,
            "required": st.lists(st.sampled_from(["a", "b"]), max_size=2),
            "enum": st.lists(JSON, max_size=2),
            "pattern": st.sampled_from(["a", "^(a+)+$", "(", "(a)\\1", "[\\w-z]"]),
            "format": st.sampled_from(["email", "date-time", "regex", "own"]),
            "minimum": JSON,
            "exclusiveMinimum": st.booleans(),
            "multipleOf": st.sampled_from([0, 1, 0.1, 1e-300]),
            "minLength": st.integers(-1, 3),
            "uniqueItems": st.booleans(),
            "maxProperties": st.integers(0, 2),
        },
    )


SCHEMAS = st.recursive(_keywords(st.just({})), _keywords, max_leaves=6) | JSON


@settings(derandomize=True, max_examples=200, deadline=None)
@given(SCHEMAS, SCHEMAS, st.lists(JSON.map(json.dumps) | st.text(max_size=10), max_size=3))
def test_any_schema_compiles_or_is_refused_and_any_body_has_its_faults(
    first: Any, second: Any, bodies: list[str]
) -> None:
    schemas = {}
    for name, schema in (("M", first), ("N", second)):
        try:
            schemas[name] = parse_schema(name, json.dumps(schema))
        except ExpressionError:
            return
    try:
        check = compile_schema("M", schemas)
    except ExpressionError:
        return
    for body in bodies:
        assert all(isinstance(text, str) for text in check(body))
