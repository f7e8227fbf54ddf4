"""The Lambda API as boto3 sees it: functions, versions, aliases, permissions, errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functions.helpers import Maker, invoke, name_of
from tests.support import ROLE, RunningGateway, eventually, package, running

ECHO = "def handler(event, context):\n    return event\n"
OTHER = "def handler(event, context):\n    return 'other'\n"


def zipped(source: str = ECHO) -> dict[str, Any]:
    return {"ZipFile": package({"app.py": source})}


# making and changing


def test_create_function_answers_with_its_configuration(make: Maker) -> None:
    name = name_of()
    made = make.create(
        name,
        zipped(),
        Description="echoes",
        MemorySize=256,
        Environment={"Variables": {"COLOUR": "blue"}},
        Tags={"team": "a"},
    )
    assert made["FunctionName"] == name
    assert made["FunctionArn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert made["Version"] == "$LATEST"
    assert made["State"] == "Active"
    assert made["LastUpdateStatus"] == "Successful"
    assert made["Runtime"] == "python3.11"
    assert made["Handler"] == "app.handler"
    assert made["Role"] == ROLE
    assert made["Description"] == "echoes"
    assert made["Timeout"] == 10
    assert made["MemorySize"] == 256
    assert made["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert made["CodeSize"] == len(package({"app.py": ECHO}))
    assert len(base64.b64decode(made["CodeSha256"])) == 32
    assert made["PackageType"] == "Zip"
    assert made["Architectures"] == ["x86_64"]
    assert made["LastModified"].endswith("+0000")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201


def test_settings_that_are_left_out_have_lambdas_defaults(functions: Any, make: Maker) -> None:
    name = name_of()
    make.names.append(name)
    made = functions.create_function(
        FunctionName=name, Runtime="python3.12", Handler="app.handler", Role=ROLE, Code=zipped()
    )
    assert (made["Timeout"], made["MemorySize"], made["Description"]) == (3, 128, "")
    assert "Environment" not in made


def test_get_function_gives_configuration_code_and_tags(functions: Any, make: Maker) -> None:
    name = name_of()
    made = make.create(name, zipped(), Tags={"team": "a"})
    got = functions.get_function(FunctionName=name)
    assert got["Configuration"]["FunctionArn"] == made["FunctionArn"]
    assert got["Configuration"]["RevisionId"] == made["RevisionId"]
    assert got["Code"]["RepositoryType"] == "S3"
    assert got["Tags"] == {"team": "a"}


@pytest.mark.parametrize(
    "reference",
    ["{}", "000000000000:function:{}", "function:{}", "arn:aws:lambda:us-east-1:000000000000:function:{}"],
)
def test_a_function_is_found_by_name_partial_arn_and_arn(functions: Any, make: Maker, reference: str) -> None:
    name = make(ECHO)
    got = functions.get_function_configuration(FunctionName=reference.format(name))
    assert got["FunctionName"] == name


def test_a_function_runs_straight_from_its_folder(
    gateway: RunningGateway, functions: Any, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n    return [os.getcwd(), os.environ['LAMBDA_TASK_ROOT'], __file__]\n"
    )
    name = make.of_code({"S3Bucket": "routekey-folder", "S3Key": str(tmp_path)})
    assert invoke(gateway, name).value == [str(tmp_path), str(tmp_path), str(tmp_path / "app.py")]
    assert functions.get_function(FunctionName=name)["Code"]["Location"] == str(tmp_path)


def test_a_folder_that_is_gone_is_named_when_its_function_is_invoked(
    functions: Any, gateway: RunningGateway, make: Maker, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "app.py").write_text(ECHO)
    name = make.of_code({"S3Bucket": "routekey-folder", "S3Key": str(folder)})
    (folder / "app.py").unlink()
    folder.rmdir()
    with pytest.raises(functions.exceptions.InvalidRuntimeException, match=str(folder)):
        invoke(gateway, name)


@pytest.mark.parametrize(
    "code",
    [
        {"S3Bucket": "routekey-folder", "S3Key": "relative/path"},
        {"S3Bucket": "routekey-folder", "S3Key": "/there/is/none/such"},
        {"S3Bucket": "a-real-bucket", "S3Key": "code.zip"},
    ],
)
def test_code_that_cannot_be_reached_is_refused(functions: Any, make: Maker, code: dict[str, Any]) -> None:
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match="folder"):
        make.of_code(code)


def test_update_function_code_changes_what_runs(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make(ECHO)
    assert invoke(gateway, name, "hello").value == "hello"
    before = functions.get_function_configuration(FunctionName=name)
    after = make.update(name, OTHER)
    assert after["CodeSha256"] != before["CodeSha256"]
    assert after["RevisionId"] != before["RevisionId"]
    assert invoke(gateway, name, "hello").value == "other"


def test_code_moves_between_zip_and_folder(
    gateway: RunningGateway, functions: Any, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(OTHER)
    name = make(ECHO)
    functions.update_function_code(FunctionName=name, S3Bucket="routekey-folder", S3Key=str(tmp_path))
    assert invoke(gateway, name, "hello").value == "other"
    make.update(name, ECHO)
    assert invoke(gateway, name, "hello").value == "hello"
    assert functions.get_function(FunctionName=name)["Code"]["RepositoryType"] == "S3"


def test_update_function_code_as_dry_run_changes_nothing(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make(ECHO)
    functions.update_function_code(FunctionName=name, ZipFile=package({"app.py": OTHER}), DryRun=True)
    assert invoke(gateway, name, "hello").value == "hello"


def test_update_function_configuration_changes_what_it_is_given(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    name = make("import os\ndef handler(event, context):\n    return os.environ.get('COLOUR')\n", MemorySize=256)
    assert invoke(gateway, name).value is None
    after = functions.update_function_configuration(
        FunctionName=name, Description="new", Timeout=7, Environment={"Variables": {"COLOUR": "red"}}
    )
    assert (after["Description"], after["Timeout"], after["MemorySize"]) == ("new", 7, 256)
    assert invoke(gateway, name).value == "red"
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    assert invoke(gateway, name).value is None


def test_update_function_configuration_changes_the_handler(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    name = make(ECHO + "def second(event, context):\n    return 2\n")
    functions.update_function_configuration(FunctionName=name, Handler="app.second")
    assert invoke(gateway, name).value == 2


def test_an_update_that_is_refused_changes_nothing(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    with pytest.raises(functions.exceptions.InvalidParameterValueException):
        functions.update_function_configuration(FunctionName=name, Description="new", Timeout=901)
    assert functions.get_function_configuration(FunctionName=name)["Description"] == ""


def test_list_functions_pages(functions: Any, make: Maker) -> None:
    made = {make(ECHO) for _ in range(5)}
    pages = list(functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    listed = [each["FunctionName"] for page in pages for each in page["Functions"]]
    assert made <= set(listed)
    assert len(listed) == len(set(listed))
    assert all(len(page["Functions"]) <= 2 for page in pages)
    assert len(pages) >= 3


def test_list_functions_shows_versions_when_asked(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)

    def versions(**options: Any) -> list[str]:
        pages = functions.get_paginator("list_functions").paginate(**options)
        return sorted(each["Version"] for page in pages for each in page["Functions"] if each["FunctionName"] == name)

    assert versions() == ["$LATEST"]
    assert versions(FunctionVersion="ALL") == ["$LATEST", "1"]


def test_delete_function_takes_versions_aliases_and_policies_along(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    functions.add_permission(FunctionName=name, StatementId="a", Action="lambda:InvokeFunction", Principal="*")
    functions.delete_function(FunctionName=name)
    missing = functions.exceptions.ResourceNotFoundException
    with pytest.raises(missing):
        functions.get_function(FunctionName=name)
    with pytest.raises(missing):
        functions.get_function(FunctionName=name, Qualifier="1")
    with pytest.raises(missing):
        functions.get_alias(FunctionName=name, Name="live")
    make.create(name, zipped())
    with pytest.raises(missing):
        functions.get_policy(FunctionName=name)
    assert [each["Version"] for each in functions.list_versions_by_function(FunctionName=name)["Versions"]] == [
        "$LATEST"
    ]


def test_delete_function_deletes_one_version(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    functions.delete_function(FunctionName=name, Qualifier="1")
    listed = functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert [each["Version"] for each in listed] == ["$LATEST"]


def test_a_version_that_an_alias_uses_is_not_deleted(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with pytest.raises(functions.exceptions.ResourceConflictException, match="live"):
        functions.delete_function(FunctionName=name, Qualifier="1")


def test_latest_alone_cannot_be_deleted(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    with pytest.raises(functions.exceptions.InvalidParameterValueException):
        functions.delete_function(FunctionName=name, Qualifier="$LATEST")
    assert functions.get_function(FunctionName=name)["Configuration"]["Version"] == "$LATEST"


@pytest.mark.parametrize("waiter", ["function_exists", "function_active", "function_active_v2"])
def test_waiters_see_a_new_function_ready(functions: Any, make: Maker, waiter: str) -> None:
    name = make(ECHO)
    functions.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


@pytest.mark.parametrize("waiter", ["function_updated", "function_updated_v2"])
def test_waiters_see_an_update_done(functions: Any, make: Maker, waiter: str) -> None:
    name = make(ECHO)
    make.update(name, OTHER)
    functions.get_waiter(waiter).wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})


# versions


def test_publish_version_freezes_code_and_configuration(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    source = "import os\ndef handler(event, context):\n    return {!r}, os.environ.get('COLOUR')\n"
    name = make(source.format("one"), Environment={"Variables": {"COLOUR": "blue"}})
    made = functions.publish_version(FunctionName=name, Description="first")
    assert (made["Version"], made["Description"]) == ("1", "first")
    assert made["FunctionArn"].endswith(f":function:{name}:1")
    make.update(name, source.format("two"))
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"COLOUR": "red"}})
    old = invoke(gateway, name, Qualifier="1")
    new = invoke(gateway, name)
    assert (old.value, old.version) == (["one", "blue"], "1")
    assert (new.value, new.version) == (["two", "red"], "$LATEST")


def test_publishing_what_has_not_changed_gives_the_same_version(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    assert functions.publish_version(FunctionName=name)["Version"] == "1"
    assert functions.publish_version(FunctionName=name)["Version"] == "1"
    make.update(name, OTHER)
    assert functions.publish_version(FunctionName=name)["Version"] == "2"


def test_publish_version_checks_the_code_it_is_told_of(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    digest = functions.get_function_configuration(FunctionName=name)["CodeSha256"]
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match="CodeSHA256"):
        functions.publish_version(FunctionName=name, CodeSha256="x" * 43 + "=")
    assert functions.publish_version(FunctionName=name, CodeSha256=digest)["Version"] == "1"


def test_create_and_update_publish_when_asked(functions: Any, make: Maker) -> None:
    name = name_of()
    assert make.create(name, zipped(), Publish=True)["Version"] == "1"
    updated = functions.update_function_code(FunctionName=name, ZipFile=package({"app.py": OTHER}), Publish=True)
    assert updated["Version"] == "2"


def test_a_version_number_is_not_used_twice(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    functions.delete_function(FunctionName=name, Qualifier="1")
    make.update(name, OTHER)
    assert functions.publish_version(FunctionName=name)["Version"] == "2"


def test_list_versions_pages_with_latest_first(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    for number in range(3):
        make.update(name, f"def handler(event, context):\n    return {number}\n")
        functions.publish_version(FunctionName=name)
    pages = functions.get_paginator("list_versions_by_function").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    )
    assert [[each["Version"] for each in page["Versions"]] for page in pages] == [["$LATEST", "1"], ["2", "3"]]


# aliases


def test_an_alias_lives_from_create_to_delete(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    make.update(name, OTHER)
    functions.publish_version(FunctionName=name)
    made = functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="in use")
    assert made["AliasArn"].endswith(f":function:{name}:live")
    assert invoke(gateway, name, "hello", Qualifier="live").value == "hello"
    updated = functions.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert (updated["FunctionVersion"], updated["Description"]) == ("2", "in use")
    assert updated["RevisionId"] != made["RevisionId"]
    result = invoke(gateway, name, "hello", Qualifier="live")
    assert (result.value, result.version) == ("other", "2")
    assert functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "2"
    functions.delete_alias(FunctionName=name, Name="live")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        invoke(gateway, name, Qualifier="live")
    functions.delete_alias(FunctionName=name, Name="live")


def test_list_aliases_pages_and_selects_by_version(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    for alias, version in (("a", "1"), ("b", "$LATEST"), ("c", "1")):
        functions.create_alias(FunctionName=name, Name=alias, FunctionVersion=version)
    pages = functions.get_paginator("list_aliases").paginate(FunctionName=name, PaginationConfig={"PageSize": 2})
    assert [each["Name"] for page in pages for each in page["Aliases"]] == ["a", "b", "c"]
    first = functions.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]
    assert [each["Name"] for each in first] == ["a", "c"]


def test_an_alias_needs_a_version_that_exists_and_a_free_name(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.create_alias(FunctionName=name, Name="live", FunctionVersion="9")
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with pytest.raises(functions.exceptions.ResourceConflictException):
        functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.update_alias(FunctionName=name, Name="live", FunctionVersion="9")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_alias(FunctionName=name, Name="none")


def test_an_alias_is_not_named_like_a_version(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    with pytest.raises(ClientError) as caught:
        functions.create_alias(FunctionName=name, Name="7", FunctionVersion="1")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


# permissions


def test_permissions_are_added_shown_and_removed(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    added = functions.add_permission(
        FunctionName=name,
        StatementId="gateway",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn="arn:aws:execute-api:us-east-1:000000000000:abc/*",
        SourceAccount="000000000000",
    )
    statement = {
        "Sid": "gateway",
        "Effect": "Allow",
        "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        "Condition": {
            "ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:us-east-1:000000000000:abc/*"},
            "StringEquals": {"AWS:SourceAccount": "000000000000"},
        },
    }
    assert json.loads(added["Statement"]) == statement
    got = functions.get_policy(FunctionName=name)
    assert json.loads(got["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert got["RevisionId"]
    functions.remove_permission(FunctionName=name, StatementId="gateway")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_policy(FunctionName=name)


def test_a_qualifier_has_permissions_of_its_own(functions: Any, make: Maker) -> None:
    name = make(ECHO, Publish=True)
    functions.add_permission(
        FunctionName=name, Qualifier="1", StatementId="a", Action="lambda:InvokeFunction", Principal="*"
    )
    policy = json.loads(functions.get_policy(FunctionName=name, Qualifier="1")["Policy"])
    assert policy["Statement"][0]["Resource"].endswith(f":function:{name}:1")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_policy(FunctionName=name)


def test_statement_ids_are_unique_and_known(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    statement = {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "111111111111"}
    functions.add_permission(FunctionName=name, **statement)
    with pytest.raises(functions.exceptions.ResourceConflictException):
        functions.add_permission(FunctionName=name, **statement)
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.remove_permission(FunctionName=name, StatementId="b")


# invoking


def test_invoke_waits_for_the_answer(functions: Any, make: Maker) -> None:
    answer = functions.invoke(FunctionName=make(ECHO), Payload=b'{"a":[1,2.5,null,true]}')
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": [1, 2.5, None, True]}


def test_invoke_without_a_payload_gives_an_empty_object(functions: Any, make: Maker) -> None:
    assert json.loads(functions.invoke(FunctionName=make(ECHO))["Payload"].read()) == {}


def test_invoke_as_event_does_not_wait(functions: Any, make: Maker, tmp_path: Path) -> None:
    name = make("def handler(event, context):\n    open(event, 'w').write(context.aws_request_id)\n")
    target = tmp_path / "seen"
    answer = functions.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(str(target)))
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    eventually(lambda: target.exists() and target.read_text())


def test_invoke_as_dry_run_runs_nothing(functions: Any, make: Maker, tmp_path: Path) -> None:
    name = make("def handler(event, context):\n    open(event, 'w')\n")
    target = tmp_path / "seen"
    answer = functions.invoke(FunctionName=name, InvocationType="DryRun", Payload=json.dumps(str(target)))
    assert answer["StatusCode"] == 204
    assert not target.exists()


@pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
@pytest.mark.parametrize("qualifier", [None, "7", "live"])
def test_invoking_what_there_is_not_raises_resource_not_found(
    functions: Any, make: Maker, kind: str, qualifier: str | None
) -> None:
    name = make(ECHO) if qualifier else "none-such"
    options = {"Qualifier": qualifier} if qualifier else {}
    with pytest.raises(functions.exceptions.ResourceNotFoundException) as caught:
        functions.invoke(FunctionName=name, InvocationType=kind, Payload=b"{}", **options)
    suffix = f":{qualifier}" if qualifier else ""
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}{suffix}"
    assert caught.value.response["Error"]["Message"] == f"Function not found: {arn}"


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_payload_that_is_not_json_is_refused(functions: Any, make: Maker, kind: str) -> None:
    with pytest.raises(functions.exceptions.InvalidRequestContentException):
        functions.invoke(FunctionName=make(ECHO), InvocationType=kind, Payload=b"{not json")


def test_an_event_of_over_a_megabyte_is_refused(functions: Any, make: Maker) -> None:
    payload = json.dumps("x" * 1024 * 1024).encode()
    with pytest.raises(functions.exceptions.RequestTooLargeException):
        functions.invoke(FunctionName=make(ECHO), InvocationType="Event", Payload=payload)


def test_a_payload_of_over_six_megabytes_is_refused(functions: Any, make: Maker) -> None:
    payload = json.dumps("x" * 6 * 1024 * 1024).encode()
    with pytest.raises(functions.exceptions.RequestTooLargeException):
        functions.invoke(FunctionName=make("def handler(event, context):\n    return len(event)\n"), Payload=payload)


# errors


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("get_function", {}),
        ("get_function_configuration", {}),
        ("update_function_code", {"ZipFile": package({"app.py": ECHO})}),
        ("update_function_configuration", {"Timeout": 5}),
        ("delete_function", {}),
        ("publish_version", {}),
        ("list_versions_by_function", {}),
        ("create_alias", {"Name": "live", "FunctionVersion": "$LATEST"}),
        ("get_alias", {"Name": "live"}),
        ("list_aliases", {}),
        ("update_alias", {"Name": "live"}),
        ("add_permission", {"StatementId": "a", "Action": "lambda:InvokeFunction", "Principal": "*"}),
        ("remove_permission", {"StatementId": "a"}),
        ("get_policy", {}),
    ],
)
def test_operations_on_a_function_that_is_not_there_raise_resource_not_found(
    functions: Any, operation: str, members: dict[str, Any]
) -> None:
    with pytest.raises(functions.exceptions.ResourceNotFoundException) as caught:
        getattr(functions, operation)(FunctionName="none-such", **members)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Type"] == "User"
    assert "none-such" in caught.value.response["Error"]["Message"]


def test_a_name_is_taken_once(functions: Any, make: Maker) -> None:
    name = make(ECHO)
    with pytest.raises(functions.exceptions.ResourceConflictException, match=name) as caught:
        make.create(name, zipped())
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


# at the same time


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway whose store takes its time."""
    with running(data=f"sqlite:{tmp_path_factory.mktemp('data') / 'data.db'}") as gateway:
        yield gateway


def outcomes(work: Callable[[int], Any], count: int) -> list[str]:
    """What `work` gives for each number, all at the same time: "done", or the error's code."""
    start = Barrier(count)

    def one(number: int) -> str:
        start.wait(10)
        try:
            work(number)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    with ThreadPoolExecutor(count) as threads:
        return sorted(threads.map(one, range(count)))


def test_of_many_that_create_a_function_one_does(stored: RunningGateway) -> None:
    for name in (name_of() for _ in range(3)):
        given = outcomes(lambda _, name=name: stored.function(name, ECHO), 8)  # type: ignore[misc]
        assert given == ["ResourceConflictException"] * 7 + ["done"]


def test_no_permission_is_lost_of_many_that_are_added(stored: RunningGateway) -> None:
    name, functions = name_of(), stored.client("lambda")
    stored.function(name, ECHO)

    def add(number: int) -> None:
        functions.add_permission(
            FunctionName=name, StatementId=f"s{number}", Action="lambda:InvokeFunction", Principal="*"
        )

    assert outcomes(add, 8) == ["done"] * 8
    assert len(json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]) == 8


def test_many_that_publish_the_same_get_the_same_version(stored: RunningGateway) -> None:
    name, functions = name_of(), stored.client("lambda")
    stored.function(name, ECHO)
    assert outcomes(lambda _: functions.publish_version(FunctionName=name), 8) == ["done"] * 8
    assert len(functions.list_versions_by_function(FunctionName=name)["Versions"]) == 2


def test_no_change_is_lost_of_many_that_update_a_function(stored: RunningGateway) -> None:
    name, functions = name_of(), stored.client("lambda")
    stored.function(name, ECHO)
    changes: list[dict[str, Any]] = [{"Description": "new"}, {"Timeout": 33}, {"MemorySize": 333}, {"Role": ROLE + "2"}]

    def update(number: int) -> None:
        functions.update_function_configuration(FunctionName=name, **changes[number])

    assert outcomes(update, 4) == ["done"] * 4
    known = functions.get_function_configuration(FunctionName=name)
    assert [{key: known[key] for key in change} for change in changes] == changes


# settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "AWS_REGION"),
        ({"Environment": {"Variables": {"AWS_ACCESS_KEY_ID": "x", "GOOD": "y"}}}, "AWS_ACCESS_KEY_ID"),
        ({"Environment": {"Variables": {"_HANDLER": "x"}}}, "_HANDLER"),
        ({"Environment": {"Variables": {"_ROUTEKEY_GATEWAY": "x"}}}, "_ROUTEKEY_GATEWAY"),
        ({"Runtime": "nodejs20.x"}, "nodejs20.x"),
        ({"Runtime": "java21"}, "java21"),
        ({"Timeout": 901}, "901"),
        ({"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:one:1"]}, "Layers"),
        ({"PackageType": "Image"}, "Image"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(
    functions: Any, make: Maker, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match=message) as caught:
        make.of_code(zipped(), **settings)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["Type"] == "User"


def test_a_function_needs_a_runtime_and_a_handler(functions: Any) -> None:
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match="Runtime and Handler"):
        functions.create_function(FunctionName=name_of(), Role=ROLE, Code=zipped())


@pytest.mark.parametrize("settings", [{"MemorySize": 20000}, {"Runtime": "python9"}])
def test_settings_beyond_the_model_are_refused(make: Maker, settings: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        make.of_code(zipped(), **settings)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["Error"]["Code"] in ("InvalidParameterValueException", "ValidationException")


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("list_layers", {}),
        ("create_function_url_config", {"FunctionName": "a", "AuthType": "NONE"}),
        ("list_event_source_mappings", {}),
        ("get_account_settings", {}),
    ],
)
def test_an_operation_that_is_not_available_says_so(functions: Any, operation: str, members: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="is not available") as caught:
        getattr(functions, operation)(**members)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
