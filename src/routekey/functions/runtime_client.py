"""A runtime interface client for Python, for systems where the official one has no wheel.

Run as `python -m routekey.functions.runtime_client module.handler` in the folder of the code.
It behaves as awslambdaric does: the same events, context, errors and exits.
"""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

PREFIX = "/2018-06-01/runtime/"


@dataclass(slots=True)
class Identity:
    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(slots=True)
class ClientContext:
    custom: Any = None
    env: Any = None
    client: Any = None


@dataclass(slots=True)
class Context:
    """What handlers get as `context`."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    client_context: ClientContext | None = None
    identity: Identity = field(default_factory=Identity)
    function_name: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""))
    function_version: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""))
    memory_limit_in_mb: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""))
    log_group_name: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", ""))
    log_stream_name: str = field(default_factory=lambda: os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""))

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self.deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        print(message, flush=True)


class InitError(Exception):
    def __init__(self, kind: str, message: str, trace: list[str]) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace


def load(handler: str) -> Any:
    """The function that `module.name` stands for. InitError as Lambda words it."""
    module_name, _, name = handler.rpartition(".")
    if not module_name:
        raise InitError(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)",
            [],
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise InitError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", []) from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise InitError(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace
        ) from error
    if not hasattr(module, name):
        raise InitError("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'", [])
    return getattr(module, name)


def document(kind: str, message: str, trace: list[str], request_id: str = "") -> bytes:
    body: dict[str, Any] = {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }
    return json.dumps(body).encode()


class Client:
    def __init__(self, address: str) -> None:
        self.connection = http.client.HTTPConnection(address)

    def post(self, path: str, body: bytes, kind: str = "") -> None:
        sys.stdout.flush()  # what was printed belongs to this invocation
        sys.stderr.flush()
        headers = {"Content-Type": "application/json"}
        if kind:
            headers["Lambda-Runtime-Function-Error-Type"] = kind.encode("ascii", "replace").decode()
        self.connection.request("POST", PREFIX + path, body, headers)
        response = self.connection.getresponse()
        response.read()
        if response.status >= 300:
            raise RuntimeError(f"the Runtime API answered {response.status}")

    def next(self) -> tuple[Context, bytes]:
        self.connection.request("GET", PREFIX + "invocation/next")
        response = self.connection.getresponse()
        body = response.read()
        trace = response.getheader("Lambda-Runtime-Trace-Id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        text = response.getheader("Lambda-Runtime-Client-Context")
        custom = json.loads(text) if text else None
        return (
            Context(
                response.getheader("Lambda-Runtime-Aws-Request-Id") or "",
                response.getheader("Lambda-Runtime-Invoked-Function-Arn") or "",
                int(response.getheader("Lambda-Runtime-Deadline-Ms") or 0),
                ClientContext(custom.get("custom"), custom.get("env"), _client(custom.get("client")))
                if custom
                else None,
            ),
            body,
        )


def main() -> None:
    sys.path.insert(0, os.getcwd())
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    client = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
    handler_name = sys.argv[1] if len(sys.argv) > 1 else os.environ["_HANDLER"]
    request_id = ""

    class RequestId(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            record.aws_request_id = request_id
            return True

    output = logging.StreamHandler(sys.stdout)
    form = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    form.converter = time.gmtime
    output.setFormatter(form)
    output.addFilter(RequestId())
    logging.getLogger().addHandler(output)

    try:
        handler = load(handler_name)
    except InitError as error:
        print(
            f"[ERROR] {error.kind}: {error}\nTraceback (most recent call last):\n{''.join(error.trace)}",
            flush=True,
        )
        client.post("init/error", document(error.kind, str(error), error.trace), error.kind)
        sys.exit(1)
    except Exception as error:
        trace = traceback.format_exc()
        print(trace, flush=True)
        client.post("init/error", document(type(error).__name__, str(error), trace.splitlines()), "Unhandled")
        sys.exit(1)

    while True:
        context, event = client.next()
        request_id = context.aws_request_id
        try:
            answer = handler(json.loads(event), context)
            try:
                body = (
                    answer
                    if isinstance(answer, bytes)
                    else json.dumps(answer, ensure_ascii=False, default=_plain).encode()
                )
            except (TypeError, ValueError) as error:
                raise MarshalError(f"Unable to marshal response: {error}") from error
        except MarshalError as error:
            client.post(
                f"invocation/{request_id}/error", document("Runtime.MarshalError", str(error), [], request_id),
                "Runtime.MarshalError",
            )  # fmt: skip
        except Exception as error:
            lines = traceback.format_tb(error.__traceback__)[1:]
            print(
                f"[ERROR] {type(error).__name__}: {error}\nTraceback (most recent call last):\n{''.join(lines)}",
                flush=True,
            )
            client.post(
                f"invocation/{request_id}/error", document(type(error).__name__, str(error), lines, request_id),
                type(error).__name__,
            )  # fmt: skip
        else:
            client.post(f"invocation/{request_id}/response", body)


class MarshalError(Exception):
    """An answer that has no JSON form."""


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _client(value: object) -> object:
    return SimpleNamespace(**value) if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
