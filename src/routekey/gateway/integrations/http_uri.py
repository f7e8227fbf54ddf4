"""The integrationUri of an HTTP integration, taken apart once (spec 4.2, 4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from routekey.expressions.stage_variables import references, substitute
from routekey.gateway.integrations.request_parameters import Parameters


class Endpoint:
    """The integrationUri, taken apart once; `fault` says what is wrong with it, which a stage variable may cause."""

    def __init__(self, uri: str, variables: Mapping[str, str]) -> None:
        unset = sorted(set(references(uri)) - set(variables))
        uri = substitute(uri, variables)
        # As logs show it: keys may stand in the query, a password before the host.
        self.shown = re.sub(r"//[^/@]*@", "//", uri.partition("?")[0])
        self.host, self.port, self.secure, self.authority, self.path, self.query = "", 0, False, "", "/", ""
        self.fault: str | None = None
        try:
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                self.fault = f"{self.shown} is no http:// or https:// URI"
                return
            self.secure = parts.scheme == "https"
            self.host = parts.hostname
            self.port = parts.port or (443 if self.secure else 80)
        except ValueError as error:
            self.fault = f"{self.shown}: {error}"
            return
        finally:
            if self.fault is not None and unset:
                self.fault += f" (stage variable {', '.join(unset)} is not set)"
        self.authority = parts.netloc.rpartition("@")[2]
        self.path = quote(parts.path or "/", safe="/%{}:@!$&'()*+,;=-._~")
        self.query = quote(parts.query, safe="/%?:@!$&'()*+,;=-._~")

    def target(self, parameters: Parameters | None, query: str = "") -> str:
        """Path and query of one request."""
        path = (parameters or Parameters()).fill(self.path)
        pairs = [part for part in (self.query, query) if part]
        if parameters is not None:
            pairs += parameters.pairs
        return f"{path}?{'&'.join(pairs)}" if pairs else path
