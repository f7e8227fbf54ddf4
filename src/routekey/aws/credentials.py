"""Who signs: the gateway's own credentials, or a role that they assume (spec 4.7)."""

from __future__ import annotations

import asyncio
import datetime
import logging
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from routekey.aws import services, xml
from routekey.aws.client import AwsClient
from routekey.aws.endpoints import REAL, Endpoints, Location, NoEndpoint
from routekey.aws.signing import Keys
from routekey.aws.xml import tag
from routekey.clock import Clock

log = logging.getLogger("routekey.aws")

# Nobody's: good where signatures are not checked.
LOCAL = Keys("ROUTEKEYLOCAL0000000", "routekey-local", "routekey-local")
RENEW_SECONDS = 300.0  # before they expire, a role's credentials are asked for anew
OWN_SECONDS = 60.0  # that the gateway's own are kept before the SDK's chain is asked again
MAX_ROLES = 1000

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")


class NoCredentials(Exception):
    """A role that cannot be assumed, or no credentials at all."""


class Credentials:
    """Credentials by role ARN; those of a role are shared by all integrations that name it."""

    def __init__(
        self, endpoints: Endpoints, client: AwsClient, variables: Mapping[str, str], region: str, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._client = client
        self._variables = variables
        self._region = region
        self._clock = clock
        self._own: tuple[Keys, float] | None = None
        self._looking: asyncio.Task[Keys] | None = None
        self._roles: dict[str, tuple[Keys, float]] = {}  # and when they are to be renewed
        self._asked: dict[str, asyncio.Task[Keys]] = {}
        self._stood_in: set[str] = set()

    async def own(self, location: Location | None = None) -> Keys:
        """The gateway's own. With `--aws real` what the SDK finds; else those in the environment, or nobody's.

        What is signed for a host of AWS's, and sent elsewhere, is never signed by the user's.
        """
        if self._endpoints.aws != REAL:
            access, secret = self._variables.get("AWS_ACCESS_KEY_ID"), self._variables.get("AWS_SECRET_ACCESS_KEY")
            if not (access and secret) or (location is not None and location.stands_in):
                return LOCAL
            return Keys(access, secret, self._variables.get("AWS_SESSION_TOKEN"))
        if self._own is None or self._own[1] <= self._clock.monotonic():
            if self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(self._look())
            return await asyncio.shield(self._looking)
        return self._own[0]

    async def _look(self) -> Keys:
        try:
            keys = await asyncio.to_thread(_from_chain)
            self._own = keys, self._clock.monotonic() + OWN_SECONDS
            return keys
        finally:
            self._looking = None

    async def of_role(self, arn: str, location: Location) -> Keys:
        """Temporary credentials of the role, to sign for `location`. NoCredentials says why there are none.

        Where nothing says where STS is, the gateway's own stand in for them.
        """
        known = self._roles.get(arn)
        if known is not None and known[1] > self._clock.time():
            return known[0]
        if not _ROLE.fullmatch(arn):
            raise NoCredentials(f"{arn:.200} is no role's ARN")
        sts = services.find("sts", "AssumeRole")
        if sts is None:
            raise NoCredentials("botocore has no model of sts")
        try:
            where = self._endpoints.locate(sts, self._region, arn.split(":")[1])
        except NoEndpoint:
            if arn not in self._stood_in and len(self._stood_in) < MAX_ROLES:
                self._stood_in.add(arn)
                log.info("no STS: the gateway's own credentials stand in for a role", extra={"data": {"role": arn}})
            return await self.own(location)
        task = self._asked.get(arn)
        if task is None:
            work = self._assume(arn, where, sts.model.metadata.api_version)
            task = self._asked[arn] = asyncio.get_running_loop().create_task(work)
            task.add_done_callback(lambda done: self._settle(arn, done))
        return await asyncio.shield(task)

    def _settle(self, arn: str, task: asyncio.Task[Keys]) -> None:
        self._asked.pop(arn, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may wait any more

    async def _assume(self, arn: str, location: Location, version: str) -> Keys:
        form = {"Action": "AssumeRole", "Version": version, "RoleArn": arn, "RoleSessionName": "routekey"}
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/xml")]
        answer = await self._client.send(
            location, "sts", await self.own(location), "POST", "/", headers, urlencode(form).encode()
        )
        document = xml.parse(answer.body)
        if document is None:
            raise NoCredentials(f"{arn} cannot be assumed: STS answered {answer.status}, and no XML")
        found = {tag(each): each.text or "" for each in document.iter()}
        try:
            keys = Keys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
            until = datetime.datetime.fromisoformat(found["Expiration"].replace("Z", "+00:00")).timestamp()
        except (KeyError, ValueError):
            why = f"{found.get('Code', answer.status)}: {found.get('Message', 'no credentials in the answer')}"
            raise NoCredentials(f"{arn} cannot be assumed: {why:.500}") from None
        if len(self._roles) >= MAX_ROLES:
            self._roles.clear()
        self._roles[arn] = keys, until - RENEW_SECONDS
        return keys


def _from_chain() -> Keys:
    """What the SDKs find: variables, profiles, SSO, the machine's role."""
    import botocore.exceptions
    import botocore.session

    try:
        found = botocore.session.get_session().get_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except botocore.exceptions.BotoCoreError as error:
        raise NoCredentials(f"the gateway's own credentials: {error}") from None
    if frozen is None or not frozen.access_key:
        raise NoCredentials("the gateway has no credentials of its own: set AWS_PROFILE or AWS_ACCESS_KEY_ID")
    return Keys(frozen.access_key, frozen.secret_key, frozen.token)
