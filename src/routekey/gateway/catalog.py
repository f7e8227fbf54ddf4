"""What is deployed: stages compiled on first use, and compiled again when they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from routekey.errors import CompileError
from routekey.gateway.compile import compile_api
from routekey.gateway.compiled import CompiledApi
from routekey.gateway.integrations.address import Surroundings
from routekey.gateway.integrations.types import Backends
from routekey.resources.access import ClientCertificate
from routekey.resources.api import Api
from routekey.resources.base import ABSENT
from routekey.resources.deployment import Snapshot
from routekey.resources.domain import ApiMapping, DomainName
from routekey.resources.repository import Repository
from routekey.resources.stage import Stage
from routekey.resources.vpc_link import LoadBalancerLink, VpcLink
from routekey.state.store import Change, key

log = logging.getLogger("routekey.gateway")

MAX_STAGES = 4096  # compiled stages without a connection that are kept

Gone = Callable[["StageHandle", bool], None]


class StageHandle:
    """One stage as connections hold it: `current` is swapped whole, what runs on the old value finishes on it."""

    __slots__ = ("api_id", "current", "gone", "lock", "name", "users")

    def __init__(self, api_id: str, name: str) -> None:
        self.api_id = api_id
        self.name = name
        self.current: CompiledApi | None = None
        self.users = 0  # connections, those that are still held in their handshake too
        self.gone = False  # deleted, with whatever still holds it
        self.lock = asyncio.Lock()


class Catalog:
    def __init__(self, repository: Repository, backends: Backends, gone: Gone) -> None:
        self.repository = repository
        self.backends = backends
        self.gone = gone  # told of a stage that is no more, and whether its whole API went
        self._stages: dict[tuple[str, str], StageHandle] = {}
        self._loading: dict[tuple[str, str], asyncio.Task[StageHandle | None]] = {}
        self.close = repository.store.watch(Stage.collection + "/", self._stages_changed)

    async def check(self, snapshot: Snapshot) -> None:
        """CompileError when `snapshot` could not be served."""
        compile_api(snapshot, "", "", Surroundings({}, await self._links(snapshot)), self.backends)

    async def _links(self, snapshot: Snapshot) -> dict[str, list[str]]:
        """The VPC links there are, where the API uses any: by id, their names and the ARNs of their targets."""
        if all(each.connection_type != "VPC_LINK" for each in snapshot.integrations):
            return {}
        links = {link.id: [link.name, *link.target_arns] for link in await self.repository.all(LoadBalancerLink)}
        links |= {link.vpc_link_id: [link.name] for link in await self.repository.all(VpcLink)}
        return links

    async def _surroundings(self, stage: Stage, snapshot: Snapshot) -> Surroundings:
        identity = None
        if stage.client_certificate_id:
            certificate = await self.repository.find(ClientCertificate, stage.client_certificate_id)
            identity = await self.backends.identify(certificate) if certificate is not None else None
        return Surroundings(stage.stage_variables, await self._links(snapshot), identity)

    async def find(self, api_id: str, name: str) -> StageHandle | None:
        """The stage `name` of an API, ready to serve; None when there is none, or nothing is deployed to it."""
        handle = self._stages.get((api_id, name))
        if handle is None:
            task = self._loading.get((api_id, name))
            if task is None:
                task = asyncio.get_running_loop().create_task(self._load(api_id, name))
                self._loading[api_id, name] = task
                task.add_done_callback(lambda _: self._loading.pop((api_id, name), None))
            handle = await asyncio.shield(task)
        if handle is not None and handle.current is None:
            async with handle.lock:  # somebody may be reading it
                pass
        return handle if handle is not None and handle.current is not None else None

    async def why_not(self, api_id: str, name: str) -> str:
        """Why a stage cannot be connected to, for the log."""
        if not await self.knows(api_id):
            return f"there is no API {api_id:.40}"
        if not await self.has_stage(api_id, name):
            return f"API {api_id} has no stage {name:.40}"
        return f"nothing is deployed to it: aws apigatewayv2 create-deployment --api-id {api_id} --stage-name {name}"

    async def knows(self, api_id: str) -> bool:
        return await self.repository.find(Api, api_id) is not None

    async def has_stage(self, api_id: str, name: str) -> bool:
        return (api_id, name) in self._stages or await self.repository.find(Stage, api_id, name) is not None

    async def _load(self, api_id: str, name: str) -> StageHandle | None:
        handle = StageHandle(api_id, name)
        self._stages[api_id, name] = handle  # before it is read, so that a change meanwhile is not missed
        served = False
        try:
            served = await self._refresh(handle)
        finally:
            if not served:
                self._stages.pop((api_id, name), None)
        if not served:
            return None
        if len(self._stages) > MAX_STAGES:
            unused = next((at for at, each in self._stages.items() if not each.users and each is not handle), None)
            if unused is not None:
                del self._stages[unused]
        return handle

    async def _refresh(self, handle: StageHandle) -> bool:
        """Bring `handle` up to what the store says; False when the stage is gone."""
        async with handle.lock:
            return await self._read(handle)

    async def _read(self, handle: StageHandle) -> bool:
        stage = await self.repository.find(Stage, handle.api_id, handle.name)
        if stage is None:
            return False
        if stage.deployment_id is ABSENT:
            handle.current = None
            return True
        deployment_id = str(stage.deployment_id)
        snapshot = await self.repository.snapshot(handle.api_id, deployment_id)
        if snapshot is None:
            log.error(
                "a stage points to a deployment that is not there",
                extra={"data": {"api": handle.api_id, "stage": handle.name, "deployment": deployment_id}},
            )
            return True
        surroundings = await self._surroundings(stage, snapshot)
        try:
            known = handle.current.checks if handle.current and handle.current.deployment_id == deployment_id else None
            handle.current = compile_api(
                snapshot, handle.name, deployment_id, surroundings, self.backends, checks=known
            )
        except CompileError as error:
            log.error(
                "a deployment does not compile; the one before it serves on",
                extra={"data": {"api": handle.api_id, "stage": handle.name, "error": str(error)}},
            )
        return True

    async def _stages_changed(self, changes: Sequence[Change]) -> None:
        seen = {change.key: change for change in changes}
        for handle in [each for each in self._stages.values() if key(Stage.collection, each.api_id, each.name) in seen]:
            if not await self._refresh(handle):
                self._stages.pop((handle.api_id, handle.name), None)
                handle.gone = True
                self.gone(handle, not await self.knows(handle.api_id))


class Domains:
    """Custom domain names and where their mappings lead, all of them in memory: there are few."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._mappings: dict[str, dict[str, ApiMapping]] = {}
        self._lock = asyncio.Lock()
        self.changed: Callable[[], Awaitable[None]] | None = None  # told when domains came or went
        self._unwatch = [
            repository.store.watch(kind.collection + "/", self._changed) for kind in (DomainName, ApiMapping)
        ]

    def close(self) -> None:
        for unwatch in self._unwatch:
            unwatch()

    async def load(self) -> None:
        async with self._lock:
            await self._load()

    async def _load(self) -> None:
        mappings: dict[str, dict[str, ApiMapping]] = {}
        for domain in await self.repository.all(DomainName):
            found = await self.repository.all(ApiMapping, domain.domain_name)
            mappings[domain.domain_name] = {mapping.api_mapping_key or "": mapping for mapping in found}
        self._mappings = mappings

    async def _changed(self, _: Sequence[Change]) -> None:
        before = self.names
        await self.load()
        if self.changed is not None and before != self.names:
            await self.changed()

    @property
    def names(self) -> list[str]:
        return list(self._mappings)

    def mappings(self, host: str) -> dict[str, ApiMapping] | None:
        """The mappings of the domain that `host` is, by key; an exact name beats a wildcard (spec 9.5)."""
        exact = self._mappings.get(host)
        if exact is not None or not self._mappings:
            return exact
        return self._mappings.get("*." + host.partition(".")[2])
