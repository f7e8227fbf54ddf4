"""What functions see and do, with the official runtime interface client and with our own."""

from __future__ import annotations

import base64
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.functions.helpers import Maker, alive, all_gone, end, invoke, numbers_in, settle
from tests.support import RunningGateway, eventually

pytestmark = pytest.mark.usefixtures("runtime_client")

PID = "import os\ndef handler(event, context):\n    return os.getpid()\n"


# environment and context


def test_a_function_has_its_variables_and_awss(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import os\ndef handler(event, context):\n    return dict(os.environ)\n",
        Environment={"Variables": {"COLOUR": "blue", "GREETING": "grüße"}},
        MemorySize=256,
    )
    seen = invoke(gateway, name).value
    expected = {
        "COLOUR": "blue",
        "GREETING": "grüße",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "_HANDLER": "app.handler",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
    }
    assert {key: seen.get(key) for key in expected} == expected
    assert Path(seen["LAMBDA_TASK_ROOT"], "app.py").is_file()
    assert seen["AWS_LAMBDA_LOG_STREAM_NAME"]


def test_the_trace_header_is_told_for_each_invocation(gateway: RunningGateway, make: Maker) -> None:
    name = make("import os\ndef handler(event, context):\n    return os.environ.get('_X_AMZN_TRACE_ID')\n")
    one, other = invoke(gateway, name).value, invoke(gateway, name).value
    assert one.startswith("Root=1-")
    assert other.startswith("Root=1-")
    assert one != other


def test_a_function_does_not_see_its_users_variables(
    gateway: RunningGateway, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUSERSOWNKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "users-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "users-token")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("GITHUB_TOKEN", "users-secret")
    seen = invoke(gateway, make("import os\ndef handler(event, context):\n    return dict(os.environ)\n")).value
    assert not {"AKIAUSERSOWNKEY", "users-secret", "users-token", "production"} & set(seen.values())
    assert seen["AWS_ACCESS_KEY_ID"]
    assert "AWS_PROFILE" not in seen
    assert seen["HOME"] != os.environ.get("HOME")


CONTEXT = """
def handler(event, context):
    return {
        "id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "left": context.get_remaining_time_in_millis(),
        "identity": context.identity.cognito_identity_id,
        "client": context.client_context,
    }
"""


def test_the_context_tells_of_the_invocation(gateway: RunningGateway, make: Maker) -> None:
    name = make(CONTEXT, Timeout=7, MemorySize=256)
    seen = invoke(gateway, name).value
    assert seen["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert (seen["name"], seen["version"], seen["memory"]) == (name, "$LATEST", "256")
    assert seen["group"] == f"/aws/lambda/{name}"
    assert seen["stream"]
    assert 5000 < seen["left"] <= 7000
    assert (seen["identity"], seen["client"]) == (None, None)
    assert seen["id"] != invoke(gateway, name).value["id"]


def test_the_context_names_the_qualifier_that_was_asked_for(
    gateway: RunningGateway, functions: Any, make: Maker
) -> None:
    name = make(CONTEXT, Publish=True)
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    by_version = invoke(gateway, name, Qualifier="1").value
    by_alias = invoke(gateway, f"{arn}:live").value
    assert (by_version["arn"], by_version["version"]) == (f"{arn}:1", "1")
    assert (by_alias["arn"], by_alias["version"]) == (f"{arn}:live", "1")


def test_the_request_id_is_the_one_that_the_caller_gets(functions: Any, make: Maker) -> None:
    name = make("def handler(event, context):\n    return context.aws_request_id\n")
    answer = functions.invoke(FunctionName=name)
    assert json.loads(answer["Payload"].read()) == answer["ResponseMetadata"]["RequestId"]


CLIENT_CONTEXT = """
def handler(event, context):
    given = context.client_context
    return [given.custom, given.env, given.client.installation_id if given.client else None]
"""


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"custom": {"colour": "blue"}, "env": {"make": "x"}}, id="plain"),
        pytest.param({"custom": {"greeting": "grüße 世界"}, "env": {}}, id="not ASCII"),
        pytest.param({"custom": None, "env": None, "client": {"installation_id": "i"}}, id="of a device"),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_client_context_arrives(
    gateway: RunningGateway, make: Maker, given: dict[str, Any], indent: int | None
) -> None:
    text = base64.b64encode(json.dumps(given, indent=indent, ensure_ascii=False).encode()).decode()
    installation = given.get("client", {}).get("installation_id")
    assert invoke(gateway, make(CLIENT_CONTEXT), ClientContext=text).value == [
        given["custom"],
        given["env"],
        installation,
    ]


@pytest.mark.parametrize("text", [b"no json", b"\xff", b"[1]"])
def test_a_client_context_that_is_no_json_object_is_refused(
    gateway: RunningGateway, functions: Any, make: Maker, text: bytes
) -> None:
    name = make(PID)
    with pytest.raises(functions.exceptions.InvalidRequestContentException):
        invoke(gateway, name, ClientContext=base64.b64encode(text).decode())


# payloads


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -1.5, "", "grüße 世界 😀 \u2028 \x00", [], {}, {"ключ": ["значение", {"a": None}]}, 2**53],
)
def test_json_goes_through_unchanged(gateway: RunningGateway, make: Maker, value: Any) -> None:
    assert invoke(gateway, make("def handler(event, context):\n    return event\n"), value).value == value


def test_payloads_of_five_megabytes_go_both_ways(gateway: RunningGateway, make: Maker) -> None:
    text = "0123456789" * 500_000 + "ü"
    result = invoke(gateway, make("def handler(event, context):\n    return event[::-1]\n"), text)
    assert result.error is None
    assert result.value == text[::-1]


def test_an_answer_of_over_six_megabytes_is_an_error_and_the_next_invocation_works(
    gateway: RunningGateway, make: Maker
) -> None:
    name = make("def handler(event, context):\n    return 'x' * event\n")
    result = invoke(gateway, name, 6 * 1024 * 1024)
    assert result.error == "Unhandled"
    assert result.value["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291456" in result.value["errorMessage"]
    assert invoke(gateway, name, 3).value == "xxx"


def test_an_answer_that_is_no_json_is_a_marshal_error(gateway: RunningGateway, make: Maker) -> None:
    name = make("import os\ndef handler(event, context):\n    return os.getpid() if event else {1, 2}\n")
    pid = invoke(gateway, name, 1).value
    settle(gateway, name)
    result = invoke(gateway, name, 0)
    assert result.error == "Unhandled"
    assert result.value["errorType"] == "Runtime.MarshalError"
    assert result.value["errorMessage"].startswith("Unable to marshal response: ")
    settle(gateway, name)
    assert invoke(gateway, name, 1).value == pid


def test_an_async_handler_is_a_marshal_error(gateway: RunningGateway, make: Maker) -> None:
    result = invoke(gateway, make("async def handler(event, context):\n    return 1\n"))
    assert (result.error, result.value["errorType"]) == ("Unhandled", "Runtime.MarshalError")


def test_decimals_are_numbers_in_answers(gateway: RunningGateway, make: Maker) -> None:
    name = make("from decimal import Decimal\ndef handler(event, context):\n    return {'price': Decimal('12.50')}\n")
    assert invoke(gateway, name).value == {"price": 12.5}


def test_bytes_are_an_answer_as_they_are(functions: Any, make: Maker) -> None:
    answer = functions.invoke(FunctionName=make("def handler(event, context):\n    return b'\\x00\\xffplain'\n"))
    assert "FunctionError" not in answer
    assert answer["Payload"].read() == b"\x00\xffplain"


# processes


def test_a_process_is_used_again(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import os\ncount = 0\n"
        "def handler(event, context):\n    global count\n    count += 1\n    return [os.getpid(), count]\n"
    )
    pids = set()
    for number in (1, 2, 3):
        pid, count = invoke(gateway, name).value
        settle(gateway, name)
        pids.add(pid)
        assert count == number
    assert len(pids) == 1


def test_a_code_update_replaces_the_process(gateway: RunningGateway, make: Maker) -> None:
    name = make(PID)
    before = invoke(gateway, name).value
    make.update(name, PID + "# new\n")
    after = invoke(gateway, name).value
    assert before != after
    all_gone([before])
    assert alive(after)


def test_an_invocation_that_runs_is_finished_by_the_old_code(
    gateway: RunningGateway, functions: Any, make: Maker, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    name = make(
        "import time\n"
        "def handler(event, context):\n"
        "    open(event, 'w').close()\n"
        "    time.sleep(0.4)\n"
        "    return 'old'\n"
    )
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(invoke, gateway, name, str(begun))
        eventually(begun.exists)
        make.update(name, "def handler(event, context):\n    return 'new'\n")
        assert invoke(gateway, name, "").value == "new"
        assert running.result().value == "old"


def test_a_deleted_functions_process_ends(gateway: RunningGateway, functions: Any, make: Maker) -> None:
    name = make(PID)
    pid = invoke(gateway, name).value
    functions.delete_function(FunctionName=name)
    all_gone([pid])


def test_a_process_that_was_killed_is_replaced(gateway: RunningGateway, make: Maker) -> None:
    name = make(PID)
    pid = invoke(gateway, name).value
    os.kill(pid, 9)
    all_gone([pid])
    result = eventually(lambda: [each] if (each := invoke(gateway, name)).error is None else [])[0]
    assert result.value != pid


def test_a_process_that_is_killed_at_work_answers_with_its_signal(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import os\ndef handler(event, context):\n    os.kill(os.getpid(), 9) if event else None\n    return 'well'\n"
    )
    result = invoke(gateway, name, 1)
    assert (result.error, result.value["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert result.value["errorMessage"].endswith("Error: Runtime exited with error: signal: kill")
    assert invoke(gateway, name, 0).value == "well"


# timeouts


def test_a_function_that_takes_too_long_is_ended_with_its_children(
    gateway: RunningGateway, make: Maker, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    name = make(
        "import os, subprocess, time\n"
        "def handler(event, context):\n"
        "    if event is None:\n"
        "        return 'well'\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        "    with open(event, 'w') as file:\n"
        "        file.write(f'{os.getpid()}\\n{child.pid}\\n')\n"
        "    time.sleep(60)\n",
        Timeout=1,
    )
    begun = time.monotonic()
    result = invoke(gateway, name, str(file))
    assert 0.9 < time.monotonic() - begun < 3
    assert result.error == "Unhandled"
    assert result.value["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert result.value["errorType"] == "Sandbox.Timedout"
    pids = numbers_in(file)
    try:
        assert len(pids) == 2
        all_gone(pids)
    finally:
        end(pids)
    assert invoke(gateway, name).value == "well"


def test_a_handler_that_never_yields_is_ended_too(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "def handler(event, context):\n    while event:\n        pass\n    return 'well'\n",
        Timeout=1,
    )
    assert "timed out after 1.00 seconds" in invoke(gateway, name, 1).value["errorMessage"]
    assert invoke(gateway, name, 0).value == "well"


def test_the_cold_start_is_not_part_of_the_timeout(gateway: RunningGateway, make: Maker) -> None:
    name = make("import time\ntime.sleep(1.3)\ndef handler(event, context):\n    return 'well'\n", Timeout=1)
    assert invoke(gateway, name).value == "well"


def test_an_import_that_takes_too_long_is_ended(
    gateway: RunningGateway, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routekey.functions.environment.INIT_SECONDS", 0.2)
    name = make("import time\ntime.sleep(60)\n", Timeout=1)
    result = invoke(gateway, name)
    assert (result.error, result.value["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert "Init timed out" in result.value["errorMessage"]


# failures


def test_an_exception_is_an_error_document_and_the_process_lives_on(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import os\n"
        "class Odd(Exception):\n    pass\n"
        "def handler(event, context):\n"
        "    if event:\n        raise Odd('über')\n"
        "    return os.getpid()\n"
    )
    pid = invoke(gateway, name, 0).value
    settle(gateway, name)
    result = invoke(gateway, name, 1)
    assert (result.status, result.error) == (200, "Unhandled")
    assert (result.value["errorType"], result.value["errorMessage"]) == ("Odd", "über")
    assert result.value["requestId"]
    [line] = result.value["stackTrace"]
    assert "app.py" in line
    assert "in handler" in line
    settle(gateway, name)
    assert invoke(gateway, name, 0).value == pid


def test_an_exception_of_any_name_is_an_error_document(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import os\nclass Ошибка(Exception):\n    pass\n"
        "def handler(event, context):\n    if event:\n        raise Ошибка('so')\n    return os.getpid()\n"
    )
    pid = invoke(gateway, name, 0).value
    settle(gateway, name)
    result = invoke(gateway, name, 1)
    assert (result.value["errorType"], result.value["errorMessage"]) == ("Ошибка", "so")
    settle(gateway, name)
    assert invoke(gateway, name, 0).value == pid


@pytest.mark.parametrize("how", ["sys.exit", "os._exit"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(3, "Runtime exited with error: exit status 3"), (0, "Runtime exited without providing a reason")],
)
def test_a_handler_that_exits_is_an_exit_error(
    gateway: RunningGateway, make: Maker, how: str, status: int, reason: str
) -> None:
    name = make(
        f"import os, sys\ndef handler(event, context):\n    {how}({status}) if event else None\n    return 'well'\n"
    )
    result = invoke(gateway, name, 1)
    assert (result.error, result.value["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert result.value["errorMessage"].endswith(f"Error: {reason}")
    assert result.value["errorMessage"].startswith("RequestId: ")
    assert invoke(gateway, name, 0).value == "well"


@pytest.mark.parametrize("how", ["sys.exit", "os._exit"])
def test_a_module_that_exits_is_an_exit_error(gateway: RunningGateway, make: Maker, how: str) -> None:
    result = invoke(gateway, make(f"import os, sys\n{how}(3)\n"))
    assert (result.error, result.value["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert "exit status 3" in result.value["errorMessage"]


def test_a_function_that_exits_leaves_no_children(gateway: RunningGateway, make: Maker, tmp_path: Path) -> None:
    file = tmp_path / "pids"
    name = make(
        "import os, subprocess\n"
        "def handler(event, context):\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        "    with open(event, 'w') as file:\n"
        "        file.write(f'{child.pid}\\n')\n"
        "    os._exit(1)\n"
    )
    assert invoke(gateway, name, str(file)).value["errorType"] == "Runtime.ExitError"
    pids = numbers_in(file)
    try:
        assert len(pids) == 1
        all_gone(pids)
    finally:
        end(pids)


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("import nothing_like_it\n", "app.handler", "Runtime.ImportModuleError", "nothing_like_it"),
        ("x = 1\n", "none.handler", "Runtime.ImportModuleError", "none"),
        ("x = 1\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("x = 1\n", "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
        ("def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("1 / 0\n", "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_a_function_that_cannot_start_says_why_each_time(
    gateway: RunningGateway, make: Maker, source: str, handler: str, kind: str, message: str
) -> None:
    name = make(source, Handler=handler)
    for _ in range(2):
        result = invoke(gateway, name)
        assert (result.status, result.error) == (200, "Unhandled")
        assert result.value["errorType"] == kind
        assert message in result.value["errorMessage"]


def test_an_update_mends_a_function_that_could_not_start(gateway: RunningGateway, make: Maker) -> None:
    name = make("import nothing_like_it\n")
    assert invoke(gateway, name).error == "Unhandled"
    make.update(name, PID)
    assert invoke(gateway, name).error is None


def test_a_function_that_takes_too_much_memory_fails_and_the_next_invocation_works(
    gateway: RunningGateway, make: Maker
) -> None:
    name = make("def handler(event, context):\n    return len(bytearray(event * 1024 * 1024))\n", MemorySize=128)
    result = invoke(gateway, name, 1024)
    assert result.error == "Unhandled"
    assert result.value["errorType"] in ("MemoryError", "Runtime.ExitError", "Runtime.OutOfMemory")
    assert invoke(gateway, name, 50).value == 50 * 1024 * 1024


# logs


def test_the_log_tail_holds_what_the_invocation_printed(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "import logging, os, sys\n"
        "def handler(event, context):\n"
        "    print('to stdout', event)\n"
        "    print('to stderr', file=sys.stderr)\n"
        "    logging.getLogger().warning('logged %s', 'grüße')\n"
        "    os.system('echo from a child')\n"
        "    return context.aws_request_id\n"
    )
    first, second = (invoke(gateway, name, number, LogType="Tail") for number in ("one", "two"))
    for text in ("to stdout two", "to stderr", "[WARNING]", f"{second.value}\tlogged grüße", "from a child"):
        assert text in second.log
    assert "to stdout one" in first.log
    assert "to stdout one" not in second.log


def test_a_line_without_an_end_belongs_to_the_invocation_that_printed_it(gateway: RunningGateway, make: Maker) -> None:
    name = make("def handler(event, context):\n    print('this is', event, end='')\n")
    assert "this is one" in invoke(gateway, name, "one", LogType="Tail").log
    second = invoke(gateway, name, "two", LogType="Tail").log
    assert "this is two" in second
    assert "one" not in second


def test_the_log_tail_holds_the_error_and_at_most_four_kilobytes(gateway: RunningGateway, make: Maker) -> None:
    name = make(
        "def handler(event, context):\n"
        "    for at in range(2000):\n"
        "        print('line', at)\n"
        "    raise ValueError('the reason')\n"
    )
    log = invoke(gateway, name, LogType="Tail").log
    assert "the reason" in log
    assert "line 1999" in log
    assert "line 0\n" not in log
    assert len(log.encode()) <= 4096


def test_much_output_without_a_line_end_does_no_harm(gateway: RunningGateway, make: Maker) -> None:
    name = make("import os\ndef handler(event, context):\n    os.write(1, b'x' * 3_000_000)\n    return 'well'\n")
    assert invoke(gateway, name, LogType="Tail").value == "well"
