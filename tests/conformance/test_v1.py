"""The part of apigateway v1 that WebSocket APIs need, through boto3 (spec 1.14, C-14)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

from tests.conformance.worlds import BALANCER, Wire, World, full_v1, new_api
from tests.support import RunningGateway, running

DATES = ("createdDate", "lastUpdatedDate")


@pytest.fixture
def alone() -> Iterator[World]:
    """A gateway whose lists and account belong to one test."""
    with running() as gateway:
        yield World(gateway, service="apigateway")


@pytest.fixture
def v1(gateway: RunningGateway) -> World:
    return World(gateway, service="apigateway")


def _without(answer: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}


def _replace(path: str, value: str, op: str = "replace") -> dict[str, str]:
    return {"op": op, "path": path, "value": value}


def test_a_vpc_link_is_pending_when_made_and_available_afterwards(v1: World) -> None:
    members = {"name": "n", "description": "d", "targetArns": [BALANCER], "tags": {"a": "b"}}
    made = v1.call("CreateVpcLink", **members)
    assert re.fullmatch("[a-z0-9]{6}", made["id"])
    assert made == {**members, "id": made["id"], "status": "PENDING"}
    assert v1.call("GetVpcLink", vpcLinkId=made["id"]) == {**made, "status": "AVAILABLE"}


def test_a_vpc_link_is_patched(v1: World) -> None:
    v1.ids["vpclink_id"] = v1.call("CreateVpcLink", name="n", targetArns=[BALANCER], tags={"a": "b"})["id"]
    patches = [_replace("/name", "x"), _replace("/description", "y"), _replace("/tags/c~1d", "e", "add"),
               {"op": "remove", "path": "/tags/a"}]  # fmt: skip
    updated = v1.call("UpdateVpcLink", patchOperations=patches)
    assert (updated["name"], updated["description"], updated["tags"]) == ("x", "y", {"c/d": "e"})
    assert v1.call("GetVpcLink") == updated


def test_a_vpc_link_that_an_integration_uses_is_not_deleted(gateway: RunningGateway, v1: World) -> None:
    link = v1.ids["vpclink_id"] = v1.call("CreateVpcLink", name="n", targetArns=[BALANCER])["id"]
    world = new_api(gateway)
    world.make(
        "CreateIntegration", "IntegrationId", IntegrationType="HTTP_PROXY", IntegrationMethod="GET",
        IntegrationUri="http://e.com", ConnectionType="VPC_LINK", ConnectionId=link,
    )  # fmt: skip
    assert v1.refused("DeleteVpcLink")[:2] == ("BadRequestException", 400)
    world.call("DeleteIntegration")
    assert v1.answer("DeleteVpcLink")["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert v1.refused("GetVpcLink")[:2] == ("NotFoundException", 404)


def test_a_v1_list_comes_in_pages_of_limit(alone: World) -> None:
    made = {alone.call("CreateVpcLink", name=f"n{n}", targetArns=[BALANCER])["id"] for n in range(5)}
    first = alone.call("GetVpcLinks", limit=2)
    assert len(first["items"]) == 2
    pages = alone.client.get_paginator("get_vpc_links").paginate(PaginationConfig={"PageSize": 2})
    found = [[item["id"] for item in page["items"]] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1]
    assert {item for page in found for item in page} == made


@pytest.mark.parametrize("paging", [{"limit": 0}, {"limit": 501}, {"limit": -1}, {"position": "nonsense"}])
def test_v1_paging_that_no_list_gave_is_refused(v1: World, paging: dict[str, Any]) -> None:
    assert v1.refused("GetApiKeys", **paging)[:2] == ("BadRequestException", 400)


def test_an_api_key_reads_back_and_shows_its_value_only_when_asked(alone: World) -> None:
    members = {"name": "k", "description": "d", "enabled": True, "value": "the-value-of-this-key", "customerId": "c",
               "tags": {"a": "b"}}  # fmt: skip
    made = alone.call("CreateApiKey", **members)
    assert _without(made, "id", *DATES) == {**members, "stageKeys": []}
    assert alone.call("GetApiKey", apiKey=made["id"], includeValue=True) == made
    assert alone.call("GetApiKey", apiKey=made["id"]) == _without(made, "value")


def test_an_api_key_without_value_gets_one_and_is_not_enabled(v1: World) -> None:
    made = v1.call("CreateApiKey", name="k")
    assert 20 <= len(made["value"]) <= 128
    assert made["enabled"] is False


def test_two_api_keys_never_share_a_value(v1: World) -> None:
    value = v1.call("CreateApiKey", name="k")["value"]
    assert v1.refused("CreateApiKey", name="other", value=value)[:2] == ("ConflictException", 409)


def test_an_api_key_is_patched_listed_and_deleted(alone: World) -> None:
    key = alone.call("CreateApiKey", name="first")["id"]
    alone.call("CreateApiKey", name="second")
    alone.ids["api_Key"] = key
    updated = alone.call("UpdateApiKey", patchOperations=[_replace("/enabled", "true"), _replace("/name", "third")])
    assert (updated["enabled"], updated["name"]) == (True, "third")
    assert [item["id"] for item in alone.call("GetApiKeys", nameQuery="thi")["items"]] == [key]
    assert all("value" not in item for item in alone.call("GetApiKeys")["items"])
    assert all("value" in item for item in alone.call("GetApiKeys", includeValues=True)["items"])
    alone.call("DeleteApiKey")
    assert [item["name"] for item in alone.call("GetApiKeys")["items"]] == ["second"]


def test_api_keys_are_imported_from_csv_into_usage_plans(alone: World) -> None:
    plan = alone.call("CreateUsagePlan", name="p")["id"]
    rows = [
        "Name,key,description,Enabled,usageplanIds",
        f"one,{'a' * 20},first,TRUE,{plan}",
        f"two,{'b' * 20},second,false,unknown",
        "three,short,third,true,",
    ]
    answer = alone.call("ImportApiKeys", body="\n".join(rows).encode(), format="csv")
    one, two = (alone.call("GetApiKey", apiKey=key, includeValue=True) for key in answer["ids"])
    assert (one["name"], one["value"], one["description"], one["enabled"]) == ("one", "a" * 20, "first", True)
    assert (two["name"], two["enabled"]) == ("two", False)
    assert len(answer["warnings"]) == 2
    alone.ids["usageplanId"] = plan
    assert [item["id"] for item in alone.call("GetUsagePlanKeys")["items"]] == [one["id"]]


def test_an_import_that_may_not_warn_makes_no_key(alone: World) -> None:
    body = f"Name,key\nok,{'a' * 20}\nbad,short".encode()
    refusal = alone.refused("ImportApiKeys", body=body, format="csv", failOnWarnings=True)
    assert refusal[:2] == ("BadRequestException", 400)
    assert alone.call("GetApiKeys")["items"] == []


def test_a_usage_plan_with_its_stages_and_limits_reads_back(gateway: RunningGateway, v1: World) -> None:
    world = new_api(gateway)
    world.call("CreateStage", StageName="prod")
    members = {
        "name": "p", "description": "d", "apiStages": [{"apiId": world.ids["apiId"], "stage": "prod"}],
        "throttle": {"burstLimit": 1, "rateLimit": 2.0}, "quota": {"limit": 10, "offset": 0, "period": "DAY"},
        "tags": {"a": "b"},
    }  # fmt: skip
    made = v1.call("CreateUsagePlan", **members)
    assert _without(made, "id") == members
    assert v1.call("GetUsagePlan", usagePlanId=made["id"]) == made


def test_a_usage_plan_of_a_stage_that_is_not_there_is_refused(v1: World) -> None:
    refusal = v1.refused("CreateUsagePlan", name="p", apiStages=[{"apiId": "aabbccddee", "stage": "prod"}])
    assert refusal.status in (400, 404)


def test_a_usage_plan_is_patched_and_deleted_when_no_stage_is_left(gateway: RunningGateway, v1: World) -> None:
    world = new_api(gateway)
    world.call("CreateStage", StageName="prod")
    stage = f"{world.ids['apiId']}:prod"
    v1.ids["usageplanId"] = v1.call("CreateUsagePlan", name="p")["id"]
    patches = [_replace("/name", "q"), _replace("/throttle/burstLimit", "5"), _replace("/throttle/rateLimit", "2.5"),
               _replace("/apiStages", stage, "add")]  # fmt: skip
    updated = v1.call("UpdateUsagePlan", patchOperations=patches)
    assert (updated["name"], updated["throttle"]) == ("q", {"burstLimit": 5, "rateLimit": 2.5})
    assert updated["apiStages"] == [{"apiId": world.ids["apiId"], "stage": "prod"}]
    assert v1.refused("DeleteUsagePlan").status == 400
    v1.call("UpdateUsagePlan", patchOperations=[_replace("/apiStages", stage, "remove")])
    v1.call("DeleteUsagePlan")
    assert v1.refused("GetUsagePlan").status == 404


def test_a_key_is_put_into_a_plan_found_there_and_taken_out(alone: World) -> None:
    key = alone.call("CreateApiKey", name="k")
    plan = alone.call("CreateUsagePlan", name="p")
    alone.call("CreateUsagePlan", name="empty")
    alone.ids.update(usageplanId=plan["id"], keyId=key["id"])
    linked = alone.call("CreateUsagePlanKey", keyId=key["id"], keyType="API_KEY")
    assert linked == {"id": key["id"], "type": "API_KEY", "name": "k", "value": key["value"]}
    assert alone.call("GetUsagePlanKey") == linked
    assert alone.call("GetUsagePlans", keyId=key["id"])["items"] == [plan]
    again = alone.refused("CreateUsagePlanKey", keyId=key["id"], keyType="API_KEY")
    assert again[:2] == ("ConflictException", 409)
    alone.call("DeleteUsagePlanKey")
    assert alone.call("GetUsagePlanKeys")["items"] == []


def test_a_deleted_api_key_leaves_its_plans(alone: World) -> None:
    alone.ids["api_Key"] = alone.call("CreateApiKey", name="k")["id"]
    alone.ids["usageplanId"] = alone.call("CreateUsagePlan", name="p")["id"]
    alone.call("CreateUsagePlanKey", keyId=alone.ids["api_Key"], keyType="API_KEY")
    alone.call("DeleteApiKey")
    assert alone.call("GetUsagePlanKeys")["items"] == []


def test_a_client_certificate_is_a_real_one_and_keeps_its_key(gateway: RunningGateway, v1: World, wire: Wire) -> None:
    made = v1.call("GenerateClientCertificate", description="d", tags={"a": "b"})
    certificate = x509.load_pem_x509_certificate(made["pemEncodedCertificate"].encode())
    assert certificate.not_valid_after_utc == made["expirationDate"]
    v1.ids["clientcertificate_id"] = made["clientCertificateId"]
    assert v1.call("GetClientCertificate") == made
    assert b"PRIVATE" not in wire.send("GET", v1.target("GetClientCertificate")).body
    updated = v1.call("UpdateClientCertificate", patchOperations=[_replace("/description", "new")])
    assert updated == {**made, "description": "new"}
    v1.call("DeleteClientCertificate")
    assert v1.refused("GetClientCertificate")[:2] == ("NotFoundException", 404)


def test_the_account_takes_a_logging_role_and_gives_it_up(alone: World) -> None:
    before = alone.call("GetAccount")
    assert before["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}
    assert "cloudwatchRoleArn" not in before
    role = "arn:aws:iam::000000000000:role/logs"
    with_role = alone.call("UpdateAccount", patchOperations=[_replace("/cloudwatchRoleArn", role)])
    assert with_role == {**before, "cloudwatchRoleArn": role} == alone.call("GetAccount")


@pytest.mark.parametrize(
    ("id_name", "operation", "path"),
    [("vpclink_id", "GetVpcLink", "vpclinks"), ("api_Key", "GetApiKey", "apikeys"),
     ("usageplanId", "GetUsagePlan", "usageplans"),
     ("clientcertificate_id", "GetClientCertificate", "clientcertificates")],
)  # fmt: skip
def test_v1_tags_are_merged_and_removed_by_arn(
    gateway: RunningGateway, id_name: str, operation: str, path: str
) -> None:
    v1 = full_v1(gateway)
    v1.ids["resource_arn"] = f"arn:aws:apigateway:us-east-1::/{path}/{v1.ids[id_name]}"
    v1.call("TagResource", tags={"a": "1", "b": "2"})
    v1.call("TagResource", tags={"b": "3"})
    v1.call("UntagResource", tagKeys=["a"])
    assert v1.call("GetTags")["tags"] == {"b": "3"} == v1.call(operation)["tags"]


@pytest.mark.parametrize(
    "operation", [
        "GetVpcLink", "UpdateVpcLink", "DeleteVpcLink", "GetApiKey", "UpdateApiKey", "DeleteApiKey", "GetUsagePlan",
        "UpdateUsagePlan", "DeleteUsagePlan", "GetUsagePlanKeys", "GetUsagePlanKey", "DeleteUsagePlanKey",
        "GetClientCertificate", "UpdateClientCertificate", "DeleteClientCertificate",
    ],
)  # fmt: skip
def test_an_unknown_v1_identifier_is_not_found(v1: World, operation: str) -> None:
    assert v1.refused(operation)[:2] == ("NotFoundException", 404)


PATCHES: list[Any] = [
    {}, {"op": "replace"}, _replace("", ""), _replace("/", "x"), _replace("/id", "x"), _replace("/nothing", "x"),
    _replace("/name/x", "y"), _replace("/tags", "x"), _replace("/tags/", "x", "add"),
    _replace("/tags/aws:x", "y", "add"),
    _replace("/name", ""), _replace("/description", "", "remove"), _replace("/name", "", "remove"),
    _replace("/enabled", "perhaps"), _replace("/throttle", "x"), _replace("/throttle", "", "remove"),
    _replace("/throttle/burstLimit", "x"), _replace("/throttle/burstLimit", "1e999"),
    _replace("/throttle/rateLimit", "nan"),
    _replace("/throttle/rateLimit", "inf"), _replace("/throttle/rateLimit", "-1"), _replace("/quota/limit", "9" * 400),
    _replace("/quota/limit", "9" * 5000), _replace("/quota/period", "YEAR"), _replace("/apiStages", "x", "add"),
    _replace("/apiStages", "", "add"), _replace("/apiStages", "a:b", "remove"), _replace("/apiStages", "a:b"),
    _replace("/stages", "a/b", "add"), _replace("/value", "x"), _replace("/targetArns", "x"), _replace("/status", "x"),
    _replace("/pemEncodedCertificate", "x"), _replace("/cloudwatchRoleArn", "x" * 100_000),
    {"op": "move", "path": "/name", "from": "/description"}, {"op": "test", "path": "/name", "value": "x"},
    {"op": "copy", "path": "/name", "from": "/x"}, {"op": "nonsense", "path": "/name"}, "text", 5, None, [],
    {"op": 5, "path": 5, "value": 5}, {"op": "replace", "path": "/name", "value": None},
]  # fmt: skip


@pytest.mark.parametrize(
    "operation", ["UpdateVpcLink", "UpdateApiKey", "UpdateUsagePlan", "UpdateClientCertificate", "UpdateAccount"]
)
def test_no_patch_operation_breaks_what_it_patches(operation: str) -> None:
    with running() as gateway:
        v1 = full_v1(gateway)
        wire = Wire(gateway)
        target, read = v1.target(operation), operation.replace("Update", "Get")
        for patch in PATCHES:
            reply = wire.send("PATCH", target, json.dumps({"patchOperations": [patch]}))
            assert (patch, reply.status) in [(patch, 200), (patch, 400)]
            assert (patch, wire.send("GET", v1.target(read)).status) == (patch, 200)
        wire.close()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/id", "x"), ("/nothing", "x"), ("/name", ""), ("/throttle/burstLimit", "many"),
        ("/throttle/rateLimit", "nan"), ("/throttle/rateLimit", "inf"),
        ("/quota/limit", "1.5"), ("/quota/period", "YEAR"), ("/apiStages", "x:y"),
    ],
)  # fmt: skip
def test_a_patch_to_what_cannot_be_is_refused_and_changes_nothing(v1: World, path: str, value: str) -> None:
    v1.ids["usageplanId"] = v1.call("CreateUsagePlan", name="p", throttle={"burstLimit": 1, "rateLimit": 1.0})["id"]
    before = v1.call("GetUsagePlan")
    operation = "add" if path == "/apiStages" else "replace"
    refusal = v1.refused(
        "UpdateUsagePlan", patchOperations=[_replace("/description", "d"), _replace(path, value, operation)]
    )
    assert refusal.status in (400, 404)
    assert v1.call("GetUsagePlan") == before


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"Name,Key", b"Name,Key\n", b"\n\n", b"\0", b"Name,Key\n\"open", b"Name,Key\na,b,c,d",
             b"Key\n" + b"x" * 200_000, "Name,Key\né,éééééééééééééééééééé".encode()],
)  # fmt: skip
def test_no_file_of_api_keys_breaks_the_import(wire: Wire, body: bytes) -> None:
    assert wire.send("POST", "/apikeys?mode=import&format=csv", body).status in (201, 400)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/vpclinks", {"name": "n", "targetArns": []}), ("/vpclinks", {"name": "n", "targetArns": [""]}),
        ("/vpclinks", {"name": "n"}), ("/vpclinks", {"name": "", "targetArns": [BALANCER]}),
        ("/apikeys", {"value": "short"}), ("/apikeys", {"value": "x" * 129}), ("/apikeys", {"stageKeys": "x"}),
        ("/usageplans", {}), ("/usageplans", {"name": ""}), ("/usageplans", {"name": "p", "apiStages": [{}]}),
        ("/usageplans", {"name": "p", "quota": {"period": "YEAR"}}), ("/usageplans", {"name": "p", "throttle": 5}),
        ("/clientcertificates", {"description": 5}), ("/clientcertificates", {"tags": {"aws:x": "y"}}),
    ],
)  # fmt: skip
def test_a_v1_resource_that_cannot_be_is_refused(wire: Wire, target: str, body: dict[str, Any]) -> None:
    reply = wire.send("POST", target, json.dumps(body))
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (400, "BadRequestException")
