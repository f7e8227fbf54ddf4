"""What a caller or a client can see go wrong, as data: code, status, message."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ApiError(Exception):
    """An answer of an AWS API that is an error: it becomes the service's own error document."""

    def __init__(self, status: int, code: str, message: str, members: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.members = dict(members or {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequestException", message)


def conflict(message: str) -> ApiError:
    return ApiError(409, "ConflictException", message)


def not_found(message: str, resource_type: str) -> ApiError:
    return ApiError(404, "NotFoundException", message, {"resourceType": resource_type})


class ExpressionError(Exception):
    """A selection expression, path, parameter mapping or template that does not compile."""


class EvaluationError(Exception):
    """An expression that compiled, and fails on a value: Java would have thrown, or a limit is reached."""


class CompileError(Exception):
    """A deployment that cannot be served; the message names the resource and the mend."""


class ResponseType(Enum):
    """The gateway responses of spec 3.9: the client's text, the status that logs show."""

    FORBIDDEN = (403, "Forbidden")
    API_CONFIGURATION_ERROR = (500, "Internal server error")
    BAD_PROXY_RESULT = (502, "Internal server error")
    INTEGRATION_REFUSED = (500, "Internal server error")
    INTEGRATION_FAILURE = (504, "Network error communicating with endpoint")
    INTEGRATION_TIMEOUT = (504, "Endpoint request timed out")
    UNSUPPORTED_MEDIA_TYPE = (415, "Unsupported Media Type")
    BAD_REQUEST_BODY = (400, "Bad request body")
    BAD_REQUEST_PARAMETERS = (400, "Missing required request parameters")
    THROTTLED = (429, "Too Many Requests")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def text(self) -> str:
        return self.value[1]


class GatewayError(Exception):
    """One message or handshake that failed: the client gets `text`, the log gets `detail`."""

    def __init__(
        self, kind: ResponseType, detail: str, text: str | None = None, *, validation: str | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.text = kind.text if text is None else text
        self.validation = validation  # what is wrong with a body, as $context.error.validationErrorString has it
