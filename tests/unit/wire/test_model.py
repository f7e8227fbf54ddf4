"""How a request finds its operation, in the models that the gateway serves."""

from __future__ import annotations

import re

import pytest

from routekey.wire.http import parse_query
from routekey.wire.model import Operation, Service, load

MODELS = [("apigatewayv2", "2018-11-29"), ("apigateway", "2015-07-09"), ("lambda", "2015-03-31")]


@pytest.fixture(scope="module")
def v2() -> Service:
    return load("apigatewayv2", "2018-11-29")


@pytest.fixture(scope="module")
def functions() -> Service:
    return load("lambda", "2015-03-31")


def found(service: Service, method: str, target: str) -> tuple[str, dict[str, str]] | None:
    path, _, query = target.partition("?")
    match = service.match(method, path, parse_query(query))
    return None if match is None else (match[0].name, match[1])


@pytest.mark.parametrize(
    ("method", "target", "name", "values"),
    [
        ("POST", "/v2/apis", "CreateApi", {}),
        ("GET", "/v2/apis", "GetApis", {}),
        ("GET", "/v2/apis/", "GetApis", {}),
        ("GET", "/v2/apis?maxResults=5", "GetApis", {}),
        ("GET", "/v2/apis/a1", "GetApi", {"apiId": "a1"}),
        ("DELETE", "/v2/apis/a1/routes/r1", "DeleteRoute", {"apiId": "a1", "routeId": "r1"}),
        ("GET", "/v2/apis/a1/stages/%24default", "GetStage", {"apiId": "a1", "stageName": "%24default"}),
        ("GET", "/v2/tags/arn%3Aaws%3Ax%2Fy", "GetTags", {"resource-arn": "arn%3Aaws%3Ax%2Fy"}),
    ],
)
def test_a_request_finds_its_operation_and_its_path_variables(
    v2: Service, method: str, target: str, name: str, values: dict[str, str]
) -> None:
    assert found(v2, method, target) == (name, values)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v2"),
        ("GET", "/v3/apis"),
        ("PUT", "/v2/nothing"),
        ("BREW", "/v2/apis"),
        ("GET", "/v2/apis/a1/routes/r1/more/and/more"),
        ("GET", "/v2/apis//routes"),
        ("GET", ""),
        ("GET", "/"),
    ],
)
def test_a_request_of_no_operation_finds_none(v2: Service, method: str, target: str) -> None:
    assert found(v2, method, target) is None


def test_a_fixed_query_parameter_tells_operations_apart(functions: Service) -> None:
    layers = "/2018-10-31/layers"
    assert found(functions, "GET", layers) == ("ListLayers", {})
    assert found(functions, "GET", f"{layers}?find=LayerVersion&Arn=x") == ("GetLayerVersionByArn", {})
    assert found(functions, "GET", f"{layers}?find=Other") == ("ListLayers", {})


def test_a_literal_segment_wins_over_a_variable() -> None:
    operations = [
        Operation("Any", "GET", ["things", "{id}"], {}, 200, None, None),
        Operation("Own", "GET", ["things", "own"], {}, 200, None, None),
    ]
    for order in (operations, operations[::-1]):
        service = Service("test", {operation.name: operation for operation in order})
        assert found(service, "GET", "/things/own") == ("Own", {})
        assert found(service, "GET", "/things/other") == ("Any", {"id": "other"})


@pytest.mark.parametrize(("name", "version"), MODELS)
def test_every_operation_of_a_model_is_found_by_its_own_path(name: str, version: str) -> None:
    service = load(name, version)
    for operation in service.operations.values():
        path = "/" + "/".join(re.sub(r"\{(.*?)\+?\}", r"x-\1", segment) for segment in operation.segments)
        match = service.match(operation.method, path, {key: [value] for key, value in operation.query.items()})
        assert match is not None, operation
        assert (match[0].method, match[0].segments) == (operation.method, operation.segments)
        assert all(value == f"x-{key}" for key, value in match[1].items())


@pytest.mark.parametrize(("name", "version"), MODELS)
def test_every_shape_of_a_model_is_of_a_kind_that_the_codec_knows(name: str, version: str) -> None:
    from routekey.wire.restjson import _KINDS

    for operation in load(name, version).operations.values():
        for shape in (operation.input, operation.output):
            for member in shape.members.values() if shape is not None else ():
                assert member.shape.type in _KINDS or member.shape.data.get("eventstream") is not None


def test_a_model_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="service-2"):
        load("nothing", "2000-01-01")
