"""One signed request to an AWS service and its answer, over the gateway's own transport."""

from __future__ import annotations

import asyncio

from routekey.aws.endpoints import Location
from routekey.aws.signing import Keys, canonical, load, sign
from routekey.wire.http import Headers, HttpResponse, header_lines
from routekey.wire.transport import HttpBackends, NotConnected


class AwsClient:
    def __init__(self, http: HttpBackends) -> None:
        self._http = http
        self._can_sign = False

    async def send(
        self,
        location: Location,
        service: str,
        keys: Keys | None,
        method: str,
        target: str,
        headers: Headers,
        body: bytes,
    ) -> HttpResponse:
        """Send `body` to `target`, a path and query; `service` is the name that it is signed for, by `keys`.

        TransportError when there is no answer. Cancelled, it gives the request up.
        """
        target = location.path + target
        host = next((value for name, value in headers if name.lower() == "host"), location.host)
        headers = [pair for pair in headers if pair[0].lower() != "host"]
        if keys is not None:
            if not self._can_sign:
                await asyncio.to_thread(load)
                self._can_sign = True
            target = canonical(service, target)
            headers = sign(keys, service, location.region, method, host, target, headers, body)
        else:
            headers = [("Host", host), *headers]
        head = f"{method} {target} HTTP/1.1\r\n{header_lines(headers)}Content-Length: {len(body)}\r\n\r\n"
        exchange = self._http.send(location.origin, method, head.encode("latin-1", "replace") + body)
        try:
            return await exchange.future
        except NotConnected as error:
            raise type(error)(f"{location.origin}: {error}") from None
        finally:
            if not exchange.future.done() or exchange.future.cancelled():
                exchange.abort()
