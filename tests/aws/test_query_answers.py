"""The JSON that XML answers of query-protocol services become. The XML is that of AWS's own documents and captures."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from routekey.aws import services
from routekey.aws.query import action_of, as_json
from routekey.aws.xml import MAX_XML
from routekey.wire.http import HttpResponse
from tests.aws.helpers import aws
from tests.support import Backend, RunningGateway, meanwhile, mock

REQUEST = "27daac76-34dd-47df-bd01-1f6e873584a0"


def turned(service: str, action: str, xml: str, status: int = 200) -> HttpResponse:
    found = services.find(service, action)
    assert found is not None
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(xml))), ("x-amzn-RequestId", REQUEST)]
    return as_json(found, action, HttpResponse(status, headers, xml.encode()))


def metadata(xmlns: str, action: str, result: str) -> str:
    return (
        f'<?xml version="1.0"?><{action}Response xmlns="{xmlns}">{result}'
        f"<ResponseMetadata><RequestId>{REQUEST}</RequestId></ResponseMetadata></{action}Response>"
    )


SQS = "http://queue.amazonaws.com/doc/2012-11-05/"
SNS = "http://sns.amazonaws.com/doc/2010-03-31/"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"
CLOUDWATCH = "http://monitoring.amazonaws.com/doc/2010-08-01/"

MESSAGE = """<Message>
  <MessageId>5fea7756-0ea4-451a-a703-a558b933e274</MessageId>
  <ReceiptHandle>MbZj6wDWli+JvwwJaBV+3dcjk2YW2vA3+STFFljTM8tJJg6HRG6PYSasuWXPJB+Cw==</ReceiptHandle>
  <MD5OfBody>fafb00f5732ab283681e124bf8747ed1</MD5OfBody>
  <Body>a &lt;b&gt; &amp; hé</Body>
  <Attribute><Name>SenderId</Name><Value>195004372649</Value></Attribute>
  <Attribute><Name>SentTimestamp</Name><Value>1238099229000</Value></Attribute>
  <MessageAttribute>
    <Name>kind</Name>
    <Value><DataType>String</DataType><StringValue>test</StringValue></Value>
  </MessageAttribute>
</Message>"""

ANSWERS: list[Any] = [
    pytest.param(
        "sqs",
        "SendMessage",
        metadata(
            SQS,
            "SendMessage",
            "<SendMessageResult><MD5OfMessageBody>fafb00f5732ab283681e124bf8747ed1</MD5OfMessageBody>"
            "<MessageId>5fea7756</MessageId></SendMessageResult>",
        ),
        {
            "MD5OfMessageAttributes": None,
            "MD5OfMessageBody": "fafb00f5732ab283681e124bf8747ed1",
            "MD5OfMessageSystemAttributes": None,
            "MessageId": "5fea7756",
            "SequenceNumber": None,
        },
        id="sqs-send",
    ),
    pytest.param(
        "sqs",
        "ReceiveMessage",
        metadata(SQS, "ReceiveMessage", f"<ReceiveMessageResult>{MESSAGE}</ReceiveMessageResult>"),
        {
            "messages": [
                {
                    "Attributes": [
                        {"Name": "SenderId", "Value": "195004372649"},
                        {"Name": "SentTimestamp", "Value": "1238099229000"},
                    ],
                    "Body": "a <b> & hé",
                    "MD5OfBody": "fafb00f5732ab283681e124bf8747ed1",
                    "MD5OfMessageAttributes": None,
                    "MessageAttributes": [
                        {
                            "Name": "kind",
                            "Value": {
                                "BinaryListValues": None,
                                "BinaryValue": None,
                                "DataType": "String",
                                "StringListValues": None,
                                "StringValue": "test",
                            },
                        }
                    ],
                    "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274",
                    "ReceiptHandle": "MbZj6wDWli+JvwwJaBV+3dcjk2YW2vA3+STFFljTM8tJJg6HRG6PYSasuWXPJB+Cw==",
                }
            ]
        },
        id="sqs-receive",
    ),
    pytest.param(
        "sqs",
        "ReceiveMessage",
        metadata(SQS, "ReceiveMessage", "<ReceiveMessageResult/>"),
        {"messages": None},
        id="sqs-receive-nothing",
    ),
    pytest.param(
        "sqs",
        "ListQueues",
        metadata(
            SQS,
            "ListQueues",
            "<ListQueuesResult><QueueUrl>http://sqs/1/a</QueueUrl><QueueUrl>http://sqs/1/b</QueueUrl></ListQueuesResult>",
        ),
        {"NextToken": None, "QueueUrls": ["http://sqs/1/a", "http://sqs/1/b"]},
        id="sqs-list-of-texts",
    ),
    pytest.param(
        "sns",
        "Publish",
        metadata(SNS, "Publish", "<PublishResult><MessageId>567910cd</MessageId></PublishResult>"),
        {"MessageId": "567910cd", "SequenceNumber": None},
        id="sns-publish",
    ),
    pytest.param(
        "sns",
        "ListTopics",
        metadata(
            SNS,
            "ListTopics",
            "<ListTopicsResult><Topics><member><TopicArn>arn:1</TopicArn></member>"
            "<member><TopicArn>arn:2</TopicArn></member></Topics></ListTopicsResult>",
        ),
        {"NextToken": None, "Topics": [{"TopicArn": "arn:1"}, {"TopicArn": "arn:2"}]},
        id="sns-list-of-members",
    ),
    pytest.param(
        "sns",
        "GetTopicAttributes",
        metadata(
            SNS,
            "GetTopicAttributes",
            "<GetTopicAttributesResult><Attributes><entry><key>Owner</key><value>1234</value></entry>"
            "<entry><key>Policy</key><value>{}</value></entry></Attributes></GetTopicAttributesResult>",
        ),
        {"Attributes": {"Owner": "1234", "Policy": "{}"}},
        id="sns-map",
    ),
    pytest.param(
        "sts",
        "AssumeRole",
        metadata(
            STS,
            "AssumeRole",
            "<AssumeRoleResult><SourceIdentity>Alice</SourceIdentity><AssumedRoleUser>"
            "<Arn>arn:aws:sts::123456789012:assumed-role/demo/TestAR</Arn><AssumedRoleId>ARO123:TestAR</AssumedRoleId>"
            "</AssumedRoleUser><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>"
            "<SecretAccessKey>wJalrXUtnFEMI</SecretAccessKey><SessionToken>AQoDYXdzEPT</SessionToken>"
            "<Expiration>2019-11-09T13:34:41Z</Expiration></Credentials><PackedPolicySize>6</PackedPolicySize>"
            "</AssumeRoleResult>",
        ),
        {
            "AssumedRoleUser": {
                "Arn": "arn:aws:sts::123456789012:assumed-role/demo/TestAR",
                "AssumedRoleId": "ARO123:TestAR",
            },
            "Credentials": {
                "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "Expiration": 1573306481,
                "SecretAccessKey": "wJalrXUtnFEMI",
                "SessionToken": "AQoDYXdzEPT",
            },
            "PackedPolicySize": 6,
            "SourceIdentity": "Alice",
        },
        id="sts-numbers-and-times",
    ),
    pytest.param(
        "monitoring",
        "ListMetrics",
        metadata(
            CLOUDWATCH,
            "ListMetrics",
            "<ListMetricsResult><Metrics><member><Dimensions><member><Name>InstanceId</Name><Value>i-1</Value></member>"
            "</Dimensions><MetricName>CPUUtilization</MetricName><Namespace>AWS/EC2</Namespace></member></Metrics>"
            "</ListMetricsResult>",
        ),
        {
            "Metrics": [
                {
                    "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}],
                    "MetricName": "CPUUtilization",
                    "Namespace": "AWS/EC2",
                }
            ],
            "NextToken": None,
            "OwningAccounts": None,
        },
        id="cloudwatch",
    ),
]


@pytest.mark.parametrize(("service", "action", "xml", "result"), ANSWERS)
def test_an_answer_is_the_json_of_its_model(service: str, action: str, xml: str, result: dict[str, Any]) -> None:
    answer = turned(service, action, xml)
    document = json.loads(answer.body)
    # Newer models may have more members, which are null here.
    got = document[f"{action}Response"][f"{action}Result"]
    assert {name: got[name] for name in result} == result
    assert all(value is None for name, value in got.items() if name not in result)
    assert document == {
        f"{action}Response": {f"{action}Result": got, "ResponseMetadata": {"RequestId": REQUEST}},
    }


def test_members_are_in_alphabetical_order_as_on_aws() -> None:
    xml = metadata(SNS, "Publish", "<PublishResult><MessageId>567910cd</MessageId></PublishResult>")
    assert turned("sns", "Publish", xml).body.decode() == (
        '{"PublishResponse":{"PublishResult":{"MessageId":"567910cd","SequenceNumber":null},'
        f'"ResponseMetadata":{{"RequestId":"{REQUEST}"}}}}}}'
    )


def test_an_action_without_a_result_has_its_metadata_alone() -> None:
    assert json.loads(turned("sqs", "DeleteMessage", metadata(SQS, "DeleteMessage", "")).body) == {
        "DeleteMessageResponse": {"ResponseMetadata": {"RequestId": REQUEST}}
    }


def test_the_answer_says_that_it_is_json_and_keeps_its_other_headers() -> None:
    answer = turned("sqs", "DeleteMessage", metadata(SQS, "DeleteMessage", ""), 201)
    assert answer.status == 201
    assert sorted(answer.headers) == [("Content-Type", "application/json"), ("x-amzn-RequestId", REQUEST)]


@pytest.mark.parametrize(
    "xml",
    [
        "<?xml version='1.0'?><ErrorResponse xmlns='http://queue.amazonaws.com/doc/2012-11-05/'><Error>"
        "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        f"<Message>It does not exist.</Message><Detail/></Error><RequestId>{REQUEST}</RequestId></ErrorResponse>",
        "<Response><Errors><Error><Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        f"<Message>It does not exist.</Message></Error></Errors><RequestID>{REQUEST}</RequestID></Response>",
    ],
    ids=["query", "ec2"],
)
def test_an_error_has_no_wrapper(xml: str) -> None:
    answer = turned("sqs", "SendMessage", xml, 400)
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "Error": {
            "Code": "AWS.SimpleQueueService.NonExistentQueue",
            "Message": "It does not exist.",
            "Type": "Sender",
        },
        "RequestId": REQUEST,
    }


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("SendMessage", '{"MessageId": "1"}'),
        ("SendMessage", "<not xml"),
        ("SendMessage", ""),
        ("NoSuchAction", "<NoSuchActionResponse/>"),
    ],
)
def test_what_is_no_answer_of_the_model_stays_as_it_is(action: str, body: str) -> None:
    answer = turned("sqs", action, body)
    assert answer.body == body.encode()
    assert ("Content-Type", "text/xml") in answer.headers


@pytest.mark.parametrize(
    ("query", "body", "action"),
    [
        ("Action=SendMessage&MessageBody=x", b"", "SendMessage"),
        ("", b"MessageBody=x&Action=SendMessage", "SendMessage"),
        ("Version=1&Action=Get%51ueueUrl", b"", "GetQueueUrl"),
        ("", b'{"Action": "x"}', None),
        ("MessageBody=Action%3DSendMessage", b"", None),
        ("", b"MessageBody=" + b"x" * 100_000 + b"&Action=SendMessage", None),  # too far in to be looked for
        ("", b"", None),
    ],
)
def test_the_action_stands_in_the_query_or_the_form(query: str, body: bytes, action: str | None) -> None:
    assert action_of(query, body) == action


def test_entities_that_multiply_are_not_expanded() -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE x [<!ENTITY e0 "0123456789">{entities}]><PublishResponse>&e9;</PublishResponse>'
    assert turned("sns", "Publish", body).body == body.encode()


# Answers that are not what they should be


def answers_as(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, xml: bytes, target: str, variable: str, template: str
) -> tuple[str, float]:
    """What the client gets of an answer, and how long another client waited meanwhile at most."""
    with Backend(lambda seen: (200, {"Content-Type": "text/xml"}, xml)) as backend:
        monkeypatch.setenv(variable, backend.url)
        integration = aws(target, "", template, CredentialsArn=None)
        api = gateway.api({"call": integration, "ping": mock("pong", two_way=True)})
        with api.connect() as client, api.connect() as other:
            return meanwhile(client, other, '{"action":"call"}')


def test_an_answer_of_many_children_holds_nobody_up(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    junk = b"<a/>" * 500_000
    xml = b"<R><CreateDBInstanceResult><DBInstance>%b<Engine>mine</Engine></DBInstance></CreateDBInstanceResult></R>"
    started = time.monotonic()
    template = "$input.path('$.R.CreateDBInstanceResult.DBInstance.Engine')"
    frame, longest = answers_as(
        gateway, monkeypatch, xml % junk, "rds:action/CreateDBInstance", "AWS_ENDPOINT_URL_RDS", template
    )
    assert frame == "mine"
    assert longest < 1
    assert time.monotonic() - started < 6


@pytest.mark.parametrize("size", [MAX_XML, MAX_XML + 1])
def test_an_answer_beyond_the_bound_is_left_as_it_is(size: int) -> None:
    begin, end = "<PublishResponse><PublishResult/><!--", "--></PublishResponse>"
    xml = begin + "x" * (size - len(begin) - len(end)) + end
    answer = turned("sns", "Publish", xml)
    assert (answer.body == xml.encode()) == (size > MAX_XML)
    assert (("Content-Type", "text/xml") in answer.headers) == (size > MAX_XML)


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "utf-16", "big5", "idna"])
def test_an_answer_in_an_encoding_that_cannot_be_read_is_left_as_it_is(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    xml = f'<?xml version="1.0" encoding="{encoding}"?><PublishResponse/>'
    frame, _ = answers_as(
        gateway, monkeypatch, xml.encode(), "sns:action/Publish", "AWS_ENDPOINT_URL_SNS", "[$input.body]"
    )
    assert frame == f"[{xml}]"
