"""AWS integrations with the services that applications put behind routes, against a real moto server."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.aws.helpers import DEFAULT, FORM, Cloud, ask, aws, name_of, signature
from tests.support import Backend, RunningGateway, error, eventually

# DynamoDB

PUT_ONCE = (
    '{"TableName": "TABLE", "Item": {"id": {"S": "$context.connectionId"}, "text": {"S": "$input.path(\'$.text\')"}},'
    ' "ConditionExpression": "attribute_not_exists(id)"}'
)


def test_dynamodb_stores_and_finds_what_templates_shape(cloud: Cloud) -> None:
    table = cloud.table()
    item = '{"id": {"S": "$input.path(\'$.id\')"}, "text": {"S": "$util.escapeJavaScript($input.path(\'$.text\'))"}}'
    found = '#set($item = $input.path(\'$.Item\')){"said": "$item.text.S", "by": "$item.id.S"}'
    api = cloud.gateway.api(
        {
            "put": aws("dynamodb:action/PutItem", f'{{"TableName": "{table}", "Item": {item}}}', '{"stored": true}'),
            "get": aws(
                "dynamodb:action/GetItem",
                f'{{"TableName": "{table}", "Key": {{"id": {{"S": "$input.path(\'$.id\')"}}}}}}',
                found,
            ),
        }
    )
    with api.connect() as client:
        assert ask(client, "put", id="ann", text='"hé"') == '{"stored": true}'
        assert cloud.client("dynamodb").get_item(TableName=table, Key={"id": {"S": "ann"}})["Item"] == {
            "id": {"S": "ann"},
            "text": {"S": '"hé"'},
        }
        assert ask(client, "put", id="bob", text="hello") == '{"stored": true}'
        assert ask(client, "get", id="bob") == '{"said": "hello", "by": "bob"}'


def test_a_condition_that_fails_is_no_error_message_and_goes_to_the_default_response(cloud: Cloud) -> None:
    table = cloud.table()
    taken = "#if($input.path('$.__type').endsWith('#ConditionalCheckFailedException') == true)taken#{else}stored#end"
    responses = [
        {"IntegrationResponseKey": "/.*[Cc]ondition.*/", "ResponseTemplates": {"$default": "never"}},
        {**DEFAULT, "ResponseTemplates": {"$default": taken}},
    ]
    integration = aws("dynamodb:action/PutItem", PUT_ONCE.replace("TABLE", table), responses=responses)
    with cloud.gateway.api({"put": integration}).connect() as client:
        assert ask(client, "put", text="1") == "stored"
        assert ask(client, "put", text="2") == "taken"
    [item] = cloud.client("dynamodb").scan(TableName=table)["Items"]
    assert item["text"] == {"S": "1"}


def test_connections_are_kept_in_dynamodb_without_any_function(cloud: Cloud) -> None:
    table = cloud.table()
    key = f'{{"TableName": "{table}", "KIND": {{"id": {{"S": "$context.connectionId"}}}}}}'
    api = cloud.gateway.api(
        {
            "$connect": aws("dynamodb:action/PutItem", key.replace("KIND", "Item"), two_way=False),
            "$disconnect": aws("dynamodb:action/DeleteItem", key.replace("KIND", "Key"), two_way=False),
        }
    )

    def stored() -> list[str]:
        return [item["id"]["S"] for item in cloud.client("dynamodb").scan(TableName=table)["Items"]]

    with api.connect():
        assert stored() == api.connection_ids()
    eventually(lambda: not stored())


def test_a_handshake_has_the_status_that_the_service_answered(cloud: Cloud) -> None:
    answer = '{"why": "$input.path(\'$.message\')"}'
    api = cloud.gateway.api({"$connect": aws("dynamodb:action/PutItem", '{"TableName": "absent", "Item": {}}', answer)})
    with pytest.raises(InvalidStatus) as refused, api.connect():
        pass
    assert refused.value.response.status_code == 400
    assert "not found" in json.loads(refused.value.response.body)["why"]


def test_a_one_way_route_sends_nothing_even_when_the_service_refuses(cloud: Cloud) -> None:
    table = cloud.table()
    api = cloud.gateway.api(
        {
            "put": aws("dynamodb:action/PutItem", PUT_ONCE.replace("TABLE", table), two_way=False),
            "read": aws("dynamodb:action/Scan", f'{{"TableName": "{table}"}}', "$input.json('$.Count')"),
        }
    )
    with api.connect() as client:
        client.send('{"action": "put", "text": "1"}')
        eventually(lambda: cloud.client("dynamodb").scan(TableName=table)["Count"])
        client.send('{"action": "put", "text": "2"}')  # the condition fails
        assert ask(client, "read") == "1"


# SQS

SENT = "$input.path('$.SendMessageResponse.SendMessageResult.MD5OfMessageBody').length()"


@pytest.mark.parametrize("style", ["path", "action"])
def test_sqs_takes_a_form_from_a_template(cloud: Cloud, style: str) -> None:
    queue = cloud.queue()
    form = "MessageBody=$util.urlEncode($input.path('$.text'))"
    if style == "path":
        integration = aws(f"sqs:path/000000000000/{queue.name}", f"Action=SendMessage&{form}", SENT)
    else:
        integration = aws("sqs:action/SendMessage", f"QueueUrl=$util.urlEncode('{queue.url}')&{form}", SENT)
    with cloud.gateway.api({"send": {**integration, "RequestParameters": FORM}}).connect() as client:
        assert ask(client, "send", text="a&b = hé") == "32"
    assert queue.bodies() == ["a&b = hé"]


def test_sqs_takes_mapped_parameters_of_an_action(cloud: Cloud) -> None:
    queue = cloud.queue()
    parameters = {
        "integration.request.querystring.QueueUrl": f"'{queue.url}'",
        "integration.request.querystring.MessageBody": "route.request.body.text",
    }
    with cloud.gateway.api(
        {"send": aws("sqs:action/SendMessage", "", SENT, RequestParameters=parameters)}
    ).connect() as client:
        assert ask(client, "send", text="a&b = hé") == "32"
    assert queue.bodies() == ["a&b = hé"]


def test_sqs_takes_the_json_of_its_newer_protocol(cloud: Cloud) -> None:
    queue = cloud.queue()
    template = f'{{"QueueUrl": "{queue.url}", "MessageBody": $input.json(\'$.text\')}}'
    integration = aws("sqs:action/SendMessage", template, "$input.path('$.MD5OfMessageBody').length()")
    with cloud.gateway.api({"send": integration}).connect() as client:
        assert ask(client, "send", text="hé") == "32"
    assert queue.bodies() == ["hé"]


def test_messages_of_sqs_come_as_json(cloud: Cloud) -> None:
    queue = cloud.queue()
    cloud.client("sqs").send_message(
        QueueUrl=queue.url,
        MessageBody="<hé>",
        MessageAttributes={"kind": {"StringValue": "test", "DataType": "String"}},
    )
    uri = "sqs:action/ReceiveMessage&MaxNumberOfMessages=10&AttributeName.1=All&MessageAttributeName.1=All"
    parameters = {"integration.request.querystring.QueueUrl": f"'{queue.url}'"}
    shaped = "$input.json('$.ReceiveMessageResponse.ReceiveMessageResult')"
    api = cloud.gateway.api({"receive": aws(uri, "", shaped, RequestParameters=parameters)})
    with api.connect() as client:
        [message] = json.loads(ask(client, "receive"))["messages"]
        assert json.loads(ask(client, "receive")) == {"messages": None}  # it is in flight
    assert message["Body"] == "<hé>"
    assert {"Name": "ApproximateReceiveCount", "Value": "1"} in message["Attributes"]
    [attribute] = message["MessageAttributes"]
    assert attribute["Name"] == "kind"
    assert attribute["Value"]["StringValue"] == "test"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("QueueUrl=http%3A%2F%2F127.0.0.1%2F000000000000%2Fabsent&MessageBody=x", "$.Error.Code"),
        ('{"QueueUrl": "http://127.0.0.1/000000000000/absent", "MessageBody": "x"}', "$.__type"),
    ],
)
def test_an_error_of_sqs_comes_as_json(cloud: Cloud, template: str, path: str) -> None:
    integration = aws("sqs:action/SendMessage", template, f"$input.path('{path}')")
    with cloud.gateway.api({"send": integration}).connect() as client:
        assert ask(client, "send").endswith(("NonExistentQueue", "QueueDoesNotExist"))


# Others


def test_what_is_published_to_sns_reaches_the_queue_that_subscribed(cloud: Cloud) -> None:
    queue = cloud.queue()
    topic = cloud.client("sns").create_topic(Name=name_of("topic"))["TopicArn"]
    cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes={"RawMessageDelivery": "true"}
    )
    template = f"TopicArn=$util.urlEncode('{topic}')&Message=$util.urlEncode($input.path('$.text'))"
    answer = "$input.path('$.PublishResponse.PublishResult.MessageId').length()"
    integration = aws("sns:action/Publish", template, answer, RequestParameters=FORM)
    with cloud.gateway.api({"publish": integration}).connect() as client:
        assert ask(client, "publish", text="news & more") == "36"
    assert eventually(queue.bodies) == ["news & more"]


def test_kinesis_takes_the_message_as_a_record(cloud: Cloud) -> None:
    kinesis, stream = cloud.client("kinesis"), name_of("stream")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    template = (
        f'{{"StreamName": "{stream}", "Data": "$util.base64Encode($input.json(\'$.data\'))", '
        '"PartitionKey": "$context.connectionId"}'
    )
    with cloud.gateway.api(
        {"put": aws("kinesis:action/PutRecord", template, "$input.path('$.ShardId')")}
    ).connect() as client:
        shard = ask(client, "put", data={"temperature": 21.50})
    assert shard == "shardId-000000000000"
    found = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    [record] = kinesis.get_records(ShardIterator=found["ShardIterator"])["Records"]
    assert json.loads(record["Data"]) == {"temperature": 21.5}


def test_eventbridge_takes_events_and_its_rules_see_them(cloud: Cloud) -> None:
    queue, events, rule = cloud.queue(), cloud.client("events"), name_of("rule")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": queue.arn}])
    template = (
        f'{{"Entries": [{{"Source": "{rule}", "DetailType": "message", '
        '"Detail": "$util.escapeJavaScript($input.json(\'$.detail\'))"}]}'
    )
    answer = "$input.path('$.FailedEntryCount') failed of $input.path('$.Entries').size()"
    with cloud.gateway.api({"put": aws("events:action/PutEvents", template, answer)}).connect() as client:
        assert ask(client, "put", detail={"who": "ann"}) == "0 failed of 1"
    [body] = eventually(queue.bodies)
    event = json.loads(body)
    assert (event["detail-type"], event["detail"]) == ("message", {"who": "ann"})


def test_step_functions_start_an_execution(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    definition = {"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}}
    role = "arn:aws:iam::000000000000:role/states"
    machine = states.create_state_machine(name=name_of("machine"), definition=json.dumps(definition), roleArn=role)[
        "stateMachineArn"
    ]
    template = (
        f'{{"stateMachineArn": "{machine}", "name": "$input.path(\'$.name\')", '
        '"input": "$util.escapeJavaScript($input.json(\'$.input\'))"}'
    )
    with cloud.gateway.api(
        {"start": aws("states:action/StartExecution", template, "$input.path('$.executionArn')")}
    ).connect() as client:
        execution = ask(client, "start", name="first", input={"n": 1})
    assert execution.endswith(":first")
    assert json.loads(states.describe_execution(executionArn=execution)["input"]) == {"n": 1}


def test_a_synchronous_execution_goes_to_the_host_of_its_own_and_its_answer_comes_back(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = "arn:aws:states:us-east-1:000000000000:stateMachine:express"
    template = f'{{"stateMachineArn": "{machine}", "input": "$util.escapeJavaScript($input.json(\'$.input\'))"}}'
    answer = "$input.path('$.status'): $input.path('$.output')"
    document = {"executionArn": machine, "status": "SUCCEEDED", "output": '{"sum": 3}'}
    content_type = "application/x-amz-json-1.0"
    with Backend(lambda seen: (200, {"Content-Type": content_type}, json.dumps(document).encode())) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", backend.url)
        integration = aws("states:action/StartSyncExecution", template, answer, CredentialsArn=None)
        with gateway.api({"add": integration}).connect() as client:
            assert ask(client, "add", input={"numbers": [1, 2]}) == 'SUCCEEDED: {"sum": 3}'
    [seen] = backend.seen
    assert (seen.method, seen.target) == ("POST", "/")
    assert seen.headers["Host"] == "sync-states.us-east-1.amazonaws.com"
    assert seen.headers["X-Amz-Target"] == "AWSStepFunctions.StartSyncExecution"
    assert seen.headers["Content-Type"] == content_type
    assert json.loads(seen.body) == {"stateMachineArn": machine, "input": '{"numbers":[1,2]}'}
    signed = signature(seen, "routekey-local")
    assert (signed.service, signed.region) == ("states", "us-east-1")


@pytest.mark.parametrize("address", ["s3:path/BUCKET/{key}", "BUCKET.s3:path/{key}"])
def test_s3_stores_and_gives_objects(cloud: Cloud, address: str) -> None:
    s3, bucket = cloud.client("s3"), name_of("bucket")
    s3.create_bucket(Bucket=bucket)
    key = {"integration.request.path.key": "route.request.body.key"}
    plain = {**key, "integration.request.header.Content-Type": "'text/plain'"}
    uri = address.replace("BUCKET", bucket)
    api = cloud.gateway.api(
        {
            "put": aws(uri, "$input.path('$.text')", "stored", IntegrationMethod="PUT", RequestParameters=plain),
            "get": aws(uri, "", "got $input.body", IntegrationMethod="GET", RequestParameters=key),
        }
    )
    with api.connect() as client:
        assert ask(client, "put", key="room 1/é.txt", text="hé") == "stored"
        assert ask(client, "get", key="room 1/é.txt") == "got hé"
        assert "<Code>NoSuchKey</Code>" in ask(client, "get", key="absent")
    stored = s3.get_object(Bucket=bucket, Key="room 1/é.txt")
    assert stored["Body"].read().decode() == "hé"
    assert stored["ContentType"] == "text/plain"


def test_a_key_does_not_lead_out_of_its_bucket(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with Backend(lambda seen: (200, {}, b"stored")) as backend:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", backend.url)
        parameters = {"integration.request.path.key": "route.request.body.key"}
        integration = aws(
            "s3:path/bucket/{key}", "", IntegrationMethod="PUT", CredentialsArn=None, RequestParameters=parameters
        )
        with gateway.api({"put": integration}).connect() as client:
            for key in ("../x", "..", "a/../../x", "."):
                assert error(ask(client, "put", key=key)) == "Internal server error"
            assert ask(client, "put", key="a/..b") == "stored"
    assert [seen.target for seen in backend.seen] == ["/bucket/a/..b"]


def test_binary_objects_go_to_and_come_from_s3_as_base64(cloud: Cloud) -> None:
    s3, bucket, data = cloud.client("s3"), name_of("bucket"), bytes(range(256))
    s3.create_bucket(Bucket=bucket)
    put = aws(
        f"s3:path/{bucket}/object",
        "$input.path('$.data')",
        "stored",
        IntegrationMethod="PUT",
        ContentHandlingStrategy="CONVERT_TO_BINARY",
    )
    get = aws(
        f"s3:path/{bucket}/object",
        "",
        IntegrationMethod="GET",
        responses=[{**DEFAULT, "ContentHandlingStrategy": "CONVERT_TO_TEXT"}],
    )
    with cloud.gateway.api({"put": put, "get": get}).connect() as client:
        assert ask(client, "put", data=base64.b64encode(data).decode()) == "stored"
        assert base64.b64decode(ask(client, "get")) == data
    assert s3.get_object(Bucket=bucket, Key="object")["Body"].read() == data


JSON_SERVICES: list[Any] = [
    pytest.param(
        "ssm:action/GetParameter",
        '{"Name": "/room/topic"}',
        "$input.path('$.Parameter.Value')",
        lambda cloud: cloud.client("ssm").put_parameter(Name="/room/topic", Value="tea", Type="String"),
        "tea",
        id="ssm",
    ),
    pytest.param(
        "secretsmanager:action/GetSecretValue",
        '{"SecretId": "topic"}',
        "$input.path('$.SecretString')",
        lambda cloud: cloud.client("secretsmanager").create_secret(Name="topic", SecretString="tea"),
        "tea",
        id="secretsmanager",
    ),
    pytest.param(
        "logs:action/CreateLogGroup",
        '{"logGroupName": "of-the-gateway"}',
        "made",
        lambda cloud: None,
        "made",
        id="logs",
    ),
    pytest.param(
        "sts:action/GetCallerIdentity",
        "",
        "$input.path('$.GetCallerIdentityResponse.GetCallerIdentityResult.Account')",
        lambda cloud: None,
        "000000000000",
        id="sts",
    ),
    pytest.param(
        "monitoring:action/ListMetrics&Namespace=rooms",
        "",
        "$input.path('$.ListMetricsResponse.ListMetricsResult.Metrics').get(0).MetricName",
        lambda cloud: cloud.client("cloudwatch").put_metric_data(
            Namespace="rooms", MetricData=[{"MetricName": "members", "Value": 1.0}]
        ),
        "members",
        id="cloudwatch",
    ),
]


@pytest.mark.parametrize(("target", "template", "answer", "prepare", "frame"), JSON_SERVICES)
def test_other_services_answer_too(
    cloud: Cloud, target: str, template: str, answer: str, prepare: Any, frame: str
) -> None:
    prepare(cloud)
    with cloud.gateway.api({"call": aws(target, template, answer)}).connect() as client:
        assert ask(client, "call") == frame


STAGE_URIS: list[Any] = [
    pytest.param("dynamodb:action/${stageVariables.action}", id="action"),
    *(
        pytest.param(uri, id=part)
        for part, uri in {
            "service": "${stageVariables.service}:action/DescribeTable",
            "rest": "dynamodb:${stageVariables.rest}",
            "region": "arn:aws:apigateway:${stageVariables.region}:dynamodb:action/DescribeTable",
        }.items()
    ),
]


@pytest.mark.parametrize("uri", STAGE_URIS)
def test_parts_of_the_uri_come_from_stage_variables(cloud: Cloud, uri: str) -> None:
    table = cloud.table()
    variables = {
        "region": "us-east-1",
        "service": "dynamodb",
        "action": "DescribeTable",
        "rest": "action/DescribeTable",
    }
    integration = aws(uri, f'{{"TableName": "{table}"}}', "$input.path('$.Table.TableName')")
    with cloud.gateway.api({"call": integration}, variables=variables).connect() as client:
        assert ask(client, "call") == table


@pytest.mark.parametrize(
    "uri",
    [
        "s3:path/${stageVariables.bucket}/object",
        pytest.param("${stageVariables.bucket}.s3:path/object"),
    ],
)
def test_a_bucket_comes_from_a_stage_variable(cloud: Cloud, uri: str) -> None:
    s3, bucket = cloud.client("s3"), name_of("bucket")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="object", Body=b"found")
    integration = aws(uri, "", IntegrationMethod="GET")
    with cloud.gateway.api({"get": integration}, variables={"bucket": bucket}).connect() as client:
        assert ask(client, "get") == "found"
