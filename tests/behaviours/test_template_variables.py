"""What mapping templates read in a running gateway: $input, $util, $context, $stageVariables (spec 5.2 to 5.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviours.test_connect import refused
from tests.support import Backend, ManualClock, RunningGateway, TestApi, error, eventually, mock, running

ID = "[A-Za-z0-9_-]{15}="


def http(url: str, template: str, **members: Any) -> dict[str, Any]:
    """A two-way HTTP integration with one request template, whose answer is passed on as it is."""
    return {
        "IntegrationType": "HTTP",
        "IntegrationMethod": "POST",
        "IntegrationUri": url,
        "RequestTemplates": {"$default": template},
        "responses": [{"IntegrationResponseKey": "$default"}],
        "two_way": True,
        **members,
    }


@pytest.fixture(scope="module")
def echo() -> Iterator[Backend]:
    with Backend(lambda seen: (200, {}, seen.body)) as backend:
        yield backend


def rendered(gateway: RunningGateway, echo: Backend, template: str, message: str, **options: Any) -> str:
    """What a request template makes of a message, in brackets: an empty answer would send nothing."""
    with gateway.api({"$default": http(echo.url, f"[{template}]", **options)}).connect() as client:
        client.send(message)
        frame = str(client.recv(5))
    assert frame[0] + frame[-1] == "[]", frame
    return frame[1:-1]


# $input


BODY = (
    '{"text":"a \\"b\\"","n":1,"f":2.50,"t":true,"none":null,"o":{"a":"b","c":{"d":[1,2]}},'
    '"list":[{"n":1,"m":5},{"n":2},{"n":3}],"odd key":"odd"}'
)


@pytest.mark.parametrize(
    ("template", "message", "output"),
    [
        ("$input.body", BODY, BODY),
        ("$input.body", "plain text", "plain text"),
        ("$input.body", "", "{}"),
        ("$input.body.n", BODY, ""),
        ("$input.body.length()", "four", "4"),
        ("$input.json('$')", '{"a": [1, "x"]}', '{"a":[1,"x"]}'),
        ("$input.json('$.text')", BODY, '"a \\"b\\""'),
        ("$input.json('$.n')", BODY, "1"),
        ("$input.json('$.t')", BODY, "true"),
        ("$input.json('$.o')", BODY, '{"a":"b","c":{"d":[1,2]}}'),
        ("$input.json('$.missing')", BODY, '""'),
        ("$input.json('$.o').a", BODY, ""),
        ("$input.json('$')", '{"a": ', '""'),
        ("$input.json('$.a')", "", '""'),
        ("$input.path('$.text')", BODY, 'a "b"'),
        ("$input.path('$.o')", BODY, "{a=b, c={d=[1,2]}}"),
        ("$input.path('$.o').a", BODY, "b"),
        ("$input.path('$').o.c.d[1]", BODY, "2"),
        ("$input.path('$.list')[1].n", BODY, "2"),
        ("$input.path('$.o.c.d')", BODY, "[1,2]"),
        ("$input.path('$.missing')", BODY, ""),
        ("#if($input.path('$.missing') == $null)null#end", BODY, "null"),
        ('#if($input.path("$.missing") == "")empty#end', BODY, "empty"),
        ("#if($input.path('$.t'))yes#end", BODY, "yes"),
        ("$input.path('$')", '{"a": ', ""),
        ("$input.path('$.a')", '{"a": ', ""),
        ("#foreach($each in $input.path('$.list'))$each.n#if($foreach.hasNext),#end#end", BODY, "1,2,3"),
        ("$input.params()", BODY, "{path={}, querystring={}, header={}}"),
        ("$input.params('Host')", BODY, ""),
        ("$input.params().header.Host", BODY, ""),
        ("$nothing", BODY, ""),
        ("$!nothing", BODY, ""),
        # JSONPath (5.5)
        ("$input.path('n')", BODY, "1"),
        ("$input.path(\"$['odd key']\")", BODY, "odd"),
        ("$input.path('$.list[-1].n')", BODY, "3"),
        ("$input.path('$.list.length()')", BODY, "3"),
        ("$input.json('$.list[0,2].n')", BODY, "[1,3]"),
        ("$input.json('$.list[1:].n')", BODY, "[2,3]"),
        ("$input.json('$.list[*].n')", BODY, "[1,2,3]"),
        ("$input.json('$..d')", BODY, "[[1,2]]"),
        ("$input.json('$.list[?(@.n > 1)].n')", BODY, "[2,3]"),
        ("$input.json('$.list[?(@.m)]')", BODY, '[{"n":1,"m":5}]'),
        ("$input.json('$.list[?(@.n == 9)]')", BODY, "[]"),
        ("$input.json('$.nothing[*]')", BODY, "[]"),
        ("$input.path('$.list[*].x').size()", BODY, "0"),
    ],
)
def test_a_request_template_reads_the_message(
    gateway: RunningGateway, echo: Backend, template: str, message: str, output: str
) -> None:
    assert rendered(gateway, echo, template, message) == output


@pytest.mark.parametrize(
    ("body", "template", "frame"),
    [
        (b'{"a":{"b":1}}', "$input.json('$.a')", '{"b":1}'),
        (b'{"a":{"b":1}}', "$input.path('$.a.b')", "1"),
        (b'{"a":{"b":1}}', "$input.path('$.who')$input.json('$.who')", '""'),
        (b'{"a":{"b":1}}', "$input.body", '{"a":{"b":1}}'),
        (b"", "$input.body", "{}"),
        (b"no json", "$input.body", "no json"),
        (b"no json {", "$input.json('$.a')", '""'),
        ("é".encode(), "$input.body", "é"),
        (b"x", "$context.routeKey.length() $stageVariables.env", "8 test"),
    ],
)
def test_a_response_template_reads_the_answer_and_not_the_message(
    gateway: RunningGateway, body: bytes, template: str, frame: str
) -> None:
    responses = [{"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": template}}]
    with Backend(lambda seen: (200, {}, body)) as backend:
        api = gateway.api({"$default": http(backend.url, "x", responses=responses)}, variables={"env": "test"})
        with api.connect() as client:
            client.send('{"who":"client"}')
            assert client.recv(5) == frame


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("$input.params('name')", "from the query"),
        ("$input.params('X-Name')", "from a header"),
        ("$input.params('both')", "query"),
        ("$input.params('nothing')", ""),
        ("$input.params().querystring.name", "from the query"),
        ("$input.params().header['X-Name']", "from a header"),
        ("$input.params('many')", "last"),
        ("$input.params().path", "{}"),
        ("#foreach($name in $input.params().querystring.keySet())$name #end", "name both many "),
        ("$input.body", "{}"),
    ],
)
def test_a_connect_template_reads_the_handshake(
    gateway: RunningGateway, echo: Backend, template: str, output: str
) -> None:
    responses = [{"IntegrationResponseKey": "$default"}]
    with Backend(lambda seen: (403, {}, seen.body)) as backend:
        api = gateway.api({"$connect": http(backend.url, f"[{template}]", responses=responses, two_way=False)})
        headers = {"X-Name": "from a header", "both": "header"}
        query = "?name=from%20the+query&both=query&many=first&many=last"
        assert refused(api, query, additional_headers=headers)[2] == f"[{output}]"


# $util


@pytest.mark.parametrize(
    ("template", "message", "output"),
    [
        ("$util.escapeJavaScript($input.path('$.v'))", '{"v":"a\\"b\'c\\\\d/e"}', "a\\\"b\\'c\\\\d\\/e"),
        ("$util.escapeJavaScript($input.path('$.v'))", '{"v":"a\\nb\\tc\\u0001"}', "a\\nb\\tc\\u0001"),
        ("$util.escapeJavaScript($input.path('$.v'))", '{"v":"é😀"}', "\\u00E9\\uD83D\\uDE00"),
        ("$util.escapeJavaScript($input.path('$.missing'))", "{}", ""),
        ("$util.escapeJavaScript($input.path('$.v'))", '{"v":1}', "1"),
        ("$util.escapeJavaScript($input.path('$.v'))", '{"v":true}', "true"),
        ('$util.escapeJavaScript("it\'s").replaceAll("\\\\\'", "\'")', "{}", "it's"),
        ("$util.parseJson($input.path('$.v')).a[1]", '{"v":"{\\"a\\":[1,\\"two\\"]}"}', "two"),
        ("$util.parseJson($input.body).v", '{"v":"x"}', "x"),
        ("$util.urlEncode($input.path('$.v'))", '{"v":"a b&c=é/*"}', "a+b%26c%3D%C3%A9%2F*"),
        ("$util.urlDecode($input.path('$.v'))", '{"v":"a+b%26c%3D%C3%A9"}', "a b&c=é"),
        ("$util.urlDecode($util.urlEncode($input.path('$.v')))", '{"v":"1+1 = 2 ñ"}', "1+1 = 2 ñ"),
        ("$util.base64Encode($input.path('$.v'))", '{"v":"hi é"}', "aGkgw6k="),
        ("$util.base64Decode($input.path('$.v'))", '{"v":"aGkgw6k="}', "hi é"),
        ("$util.base64Decode($util.base64Encode($input.body))", '{"v":1}', '{"v":1}'),
    ],
)
def test_the_functions_of_util_work_on_the_message(
    gateway: RunningGateway, echo: Backend, template: str, message: str, output: str
) -> None:
    assert rendered(gateway, echo, template, message) == output


@pytest.mark.parametrize(
    "template",
    ["$util.parseJson('{')", "$util.base64Decode('%')", "$util.urlDecode('%zz')", "$input.body.substring(99)"],
)
def test_a_template_that_fails_calls_nobody(gateway: RunningGateway, template: str) -> None:
    with (
        Backend(lambda seen: (200, {}, b"called")) as backend,
        gateway.api({"$default": http(backend.url, template)}).connect() as client,
    ):
        client.send("x")
        assert error(client.recv(5)) == "Internal server error"
    assert backend.seen == []


# $context


NAMES = (
    "connectionId connectedAt domainName eventType messageDirection messageId routeKey requestId extendedRequestId "
    "apiId stage domainPrefix requestTime requestTimeEpoch status authorizer.principalId authorizer.claim "
    "authorizer.integrationLatency error.message error.messageString error.responseType error.validationErrorString "
    "identity.sourceIp identity.userAgent identity.accountId identity.caller identity.user identity.userArn "
    "identity.apiKey identity.apiKeyId identity.cognitoAuthenticationProvider integrationLatency integration.status "
    "disconnectStatusCode disconnectReason requestOverride responseOverride.header nothing identity.nothing"
).split()


class Session:
    """One connection whose three events posted all of $context to a backend."""

    def __init__(self, api: TestApi, connection_id: str, posted: list[dict[str, str]]) -> None:
        self.api_id = api.id
        self.connection_id = connection_id
        self.posted = dict(zip(("CONNECT", "MESSAGE", "DISCONNECT"), posted, strict=True))


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    template = "\n".join(f"{name}=$context.{name}" for name in NAMES)
    with Backend(lambda seen: (200, {}, b"done")) as backend, running(clock=ManualClock()) as gateway:
        routes = {key: http(backend.url, template) for key in ("$connect", "go", "$disconnect")}
        api = gateway.api(routes)
        with api.connect(user_agent_header="example-client/1.0") as client:
            [connection_id] = api.connection_ids()
            gateway.advance(60)
            client.send('{"action":"go"}')
            assert client.recv(5) == "done"
            gateway.advance(60)
            client.close(4001, "bye")
        eventually(lambda: len(backend.seen) == 3)
        posted = [dict(line.split("=", 1) for line in seen.body.decode().split("\n")) for seen in backend.seen]
        yield Session(api, connection_id, posted)


EVENTS = ("CONNECT", "MESSAGE", "DISCONNECT")
SAME: dict[str, str] = {
    "connectionId": "{connection}",
    "connectedAt": "1640429128331",
    "domainName": "{api}.execute-api.us-east-1.amazonaws.com",
    "domainPrefix": "{api}",
    "messageDirection": "IN",
    "apiId": "{api}",
    "stage": "test",
    "identity.sourceIp": "127.0.0.1",
    "identity.userAgent": "example-client/1.0",
    "requestOverride": "{header={}, path={}, querystring={}}",
    "responseOverride.header": "{}",
}
VARYING: dict[str, tuple[str, str, str]] = {
    "eventType": EVENTS,
    "routeKey": ("$connect", "go", "$disconnect"),
    "requestTime": ("25/Dec/2021:10:45:28 +0000", "25/Dec/2021:10:46:28 +0000", "25/Dec/2021:10:47:28 +0000"),
    "requestTimeEpoch": ("1640429128331", "1640429188331", "1640429248331"),
    "disconnectStatusCode": ("", "", "4001"),
    "disconnectReason": ("", "", "bye"),
}
MADE = ("requestId", "extendedRequestId", "messageId")


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in MADE])
def test_a_variable_of_the_context_has_its_value_in_each_event_or_is_empty(
    session: Session, name: str, event: str
) -> None:
    value = SAME.get(name, "") if name not in VARYING else VARYING[name][EVENTS.index(event)]
    expected = value.replace("{api}", session.api_id).replace("{connection}", session.connection_id)
    assert session.posted[event][name] == expected


def test_every_event_has_a_request_id_of_its_own_and_only_a_message_has_a_message_id(session: Session) -> None:
    for event, posted in session.posted.items():
        assert re.fullmatch(ID, posted["requestId"])
        assert posted["extendedRequestId"] == posted["requestId"]
        assert bool(re.fullmatch(ID, posted["messageId"])) == (event == "MESSAGE")
        assert posted["messageId"] == "" or event == "MESSAGE"
    assert len({posted["requestId"] for posted in session.posted.values()}) == 3


def test_disconnect_has_an_empty_body(gateway: RunningGateway) -> None:
    with Backend(lambda seen: (200, {}, b"")) as backend:
        with gateway.api({"$disconnect": http(backend.url, "[$input.body$input.params()]")}).connect():
            pass
        eventually(lambda: backend.seen)
    assert backend.seen[0].body == b"[{}{path={}, querystring={}, header={}}]"


def test_a_client_that_sends_no_user_agent_has_none(gateway: RunningGateway, echo: Backend) -> None:
    template = "[$context.identity.userAgent] $context.identity.containsKey('userAgent')"
    with gateway.api({"$default": http(echo.url, template)}).connect(user_agent_header=None) as client:
        client.send("x")
        assert client.recv(5) == "[] false"


def test_the_ids_of_a_frame_are_those_that_templates_saw(gateway: RunningGateway) -> None:
    with Backend(lambda seen: (404, {}, b"")) as backend:
        integration = http(
            backend.url, "$context.requestId", responses=[{"IntegrationResponseKey": "200"}], two_way=True
        )
        with gateway.api({"$default": integration}).connect() as client:
            client.send("x")
            frame = json.loads(client.recv(5))
    assert frame["requestId"] == backend.seen[0].body.decode()


def test_the_status_is_known_when_the_response_is_mapped(gateway: RunningGateway) -> None:
    responses = [{"IntegrationResponseKey": "$default", "ResponseTemplates": {"$default": "$context.status."}}]
    with (
        Backend(lambda seen: (404, {}, b"")) as backend,
        gateway.api({"$default": http(backend.url, "x", responses=responses)}).connect() as client,
    ):
        client.send("x")
        assert client.recv(5) == "404."


# Overrides


@pytest.mark.parametrize(
    ("statement", "seen"),
    [
        ("#set($context.requestOverride.header.who = 'Ada')", "who: Ada"),
        ("#set($context.requestOverride.header['who'] = 'Ada')", "who: Ada"),
        ("#set($context.requestOverride['header']['who'] = 'Ada')", "who: Ada"),
        ("$context.requestOverride.header.put('who', 'Ada')", "who: Ada"),
        ("#set($h = $context.requestOverride.header)#set($h['who'] = 'Ada')", "who: Ada"),
        ("#set($context.requestOverride.header.who = 7)", "who: 7"),
        ("#set($context.requestOverride.header.mapped = 'template')", "mapped: template"),
        ("#set($context.requestOverride.querystring.q = 'a b')", "/fixed/in?q=a%20b"),
        ("$context.requestOverride.querystring.put('q', '1')", "/fixed/in?q=1"),
        ("#set($context.requestOverride.path.room = 'c/d')", "/c%2Fd/in"),
        ("#set($context.requestOverride.path['room'] = 'c')", "/c/in"),
    ],
)
def test_a_request_template_overrides_parts_of_the_request(gateway: RunningGateway, statement: str, seen: str) -> None:
    with Backend(lambda seen: (200, {}, b"done")) as backend:
        parameters = {
            "integration.request.header.mapped": "'mapping'",
            "integration.request.path.room": "'fixed'",
        }
        integration = http(backend.url + "/{room}/in", statement, RequestParameters=parameters)
        with gateway.api({"$default": integration}).connect() as client:
            client.send("x")
            assert client.recv(5) == "done"
    [request] = backend.seen
    lines = [request.target, *(f"{name}: {value}" for name, value in request.headers.items())]
    assert seen in lines
    assert ("mapped: mapping" in lines) != ("header.mapped" in statement)


def test_the_response_template_reads_what_the_request_template_overrode(gateway: RunningGateway, echo: Backend) -> None:
    responses = [
        {
            "IntegrationResponseKey": "$default",
            "ResponseTemplates": {"$default": "$context.requestOverride.header.who $context.requestOverride.path.p"},
        }
    ]
    template = "#set($context.requestOverride.header.who = 'Ada')#set($context.requestOverride.path.p = 'x')"
    with gateway.api({"$default": http(echo.url, template, responses=responses)}).connect() as client:
        client.send("x")
        assert client.recv(5) == "Ada x"


def test_an_override_lasts_for_one_message(gateway: RunningGateway) -> None:
    template = "#if($input.path('$.who') != '')#set($context.requestOverride.header.who = $input.path('$.who'))#end"
    with (
        Backend(lambda seen: (200, {}, b"done")) as backend,
        gateway.api({"$default": http(backend.url, template)}).connect() as client,
    ):
        for message in ('{"who":"Ada"}', "{}"):
            client.send(message)
            assert client.recv(5) == "done"
    assert [seen.headers.get("who") for seen in backend.seen] == ["Ada", None]


@pytest.mark.parametrize(
    ("statement", "code", "header"),
    [
        ("#set($context.responseOverride.status = 401)", 401, None),
        ("$context.responseOverride.put('status', 401)", 401, None),
        ("#set($context.responseOverride['status'] = 401)", 401, None),
        ("#set($context.responseOverride.status = 1000)", 403, None),
        ("#set($context.responseOverride.header.who = 'Ada')", 403, "Ada"),
        ("#set($context.responseOverride.header['who'] = 'Ada')", 403, "Ada"),
        ("$context.responseOverride.header.put('who', 'Ada')", 403, "Ada"),
    ],
)
def test_a_response_template_overrides_the_answer_to_a_handshake(
    gateway: RunningGateway, statement: str, code: int, header: str | None
) -> None:
    responses = [
        {
            "IntegrationResponseKey": "$default",
            "ResponseTemplates": {"$default": statement},
            "ResponseParameters": {"method.response.header.who": "'mapping'"} if header else {},
        }
    ]
    with Backend(lambda seen: (403, {}, b"")) as backend:
        api = gateway.api({"$connect": http(backend.url, "x", responses=responses, two_way=False)})
        got, headers, _ = refused(api)
    assert (got, headers.get("who")) == (code, header)


# $stageVariables


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("$stageVariables.env", "prod"),
        ("${stageVariables.env}", "prod"),
        ("$stageVariables['env']", "prod"),
        ('$stageVariables["env"]', "prod"),
        ("${stageVariables['env']}", "prod"),
        ("$stageVariables.get('env')", "prod"),
        ("#set($name = 'env')$stageVariables[$name]", "prod"),
        ("$stageVariables.missing", ""),
        ("${stageVariables['missing']}", ""),
        ("#if($stageVariables.env == 'prod')yes#end", "yes"),
        ("#if($stageVariables.missing == $null)none#end", "none"),
        ("$stageVariables.url", "https://example.com/?a=b&c=d"),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_stage_variables_have_their_forms_on_both_sides(
    gateway: RunningGateway, echo: Backend, template: str, output: str, side: str
) -> None:
    variables = {"env": "prod", "url": "https://example.com/?a=b&c=d"}
    integration = http(echo.url, f"[{template}]") if side == "request" else mock(f"[{template}]", two_way=True)
    with gateway.api({"$default": integration}, variables=variables).connect() as client:
        client.send("x")
        assert client.recv(5) == f"[{output}]"


def test_a_change_of_a_stage_variable_is_seen_by_the_next_message(gateway: RunningGateway) -> None:
    api = gateway.api({"$default": mock("$stageVariables.env.", two_way=True)}, variables={"env": "old"})
    with api.connect() as client:
        client.send("x")
        assert client.recv(5) == "old."
        gateway.client("apigatewayv2").update_stage(ApiId=api.id, StageName=api.stage, StageVariables={"env": "new"})
        client.send("x")
        assert client.recv(5) == "new."
