"""Identifiers and ARNs in the shapes that AWS gives them (spec 1.3)."""

from __future__ import annotations

import base64
import random
import re
import secrets
import string
from dataclasses import dataclass, field

_ALPHABET = string.ascii_lowercase + string.digits
_CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{15}=")


@dataclass(slots=True)
class Ids:
    """Makes identifiers. `quick` feeds the ones that only have to differ, `secret` those to be unguessable."""

    quick: random.Random = field(default_factory=random.Random)
    secret: random.Random = field(default_factory=secrets.SystemRandom)

    def of(self, length: int) -> str:
        """A resource id: 10 characters for APIs, 7 for routes and integrations, 6 for the rest."""
        return "".join(self.secret.choices(_ALPHABET, k=length))

    def connection(self) -> str:
        """An id that can stand behind a flag on a command line: it does not begin with a dash."""
        while (text := base64.urlsafe_b64encode(self.secret.randbytes(11)).decode()).startswith("-"):
            pass
        return text

    def request(self) -> str:
        """A message or request id: the shape of a connection id."""
        return base64.urlsafe_b64encode(self.quick.randbytes(11)).decode()

    def uuid(self) -> str:
        text = self.quick.randbytes(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def trace(self, now: float) -> str:
        """An X-Amzn-Trace-Id root for a request at `now`, seconds since 1970."""
        return f"Root=1-{int(now):08x}-{self.quick.randbytes(12).hex()}"


def plausible_connection_id(text: str) -> bool:
    """Whether `text` could be a connection id at all (C-17)."""
    return _CONNECTION_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Region:
    """Where this gateway says it is: what ARNs and host names are made of."""

    name: str = "us-east-1"
    account_id: str = "000000000000"

    @property
    def partition(self) -> str:
        if self.name.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.name.startswith("us-gov-") else "aws"

    @property
    def url_suffix(self) -> str:
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    @property
    def execute_api_suffix(self) -> str:
        return f".execute-api.{self.name}.{self.url_suffix}"

    def apigateway(self, path: str) -> str:
        return f"arn:{self.partition}:apigateway:{self.name}::{path}"

    def execute_api(self, api_id: str, stage: str, route_key: str) -> str:
        return f"arn:{self.partition}:execute-api:{self.name}:{self.account_id}:{api_id}/{stage}/{route_key}"

    def function(self, name: str, qualifier: str = "") -> str:
        arn = f"arn:{self.partition}:lambda:{self.name}:{self.account_id}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn
