"""What botocore's models say of a service: how it is addressed, signed for and spoken to.

The files are read themselves: importing botocore costs 0.1 s, and its models some megabytes each.
"""

from __future__ import annotations

import difflib
import gzip
import importlib.util
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

_HEAD = 2048  # bytes of a model's file, packed and unpacked, that hold its metadata


class Metadata(msgspec.Struct, rename="camel", kw_only=True):
    endpoint_prefix: str
    api_version: str
    protocol: str
    protocols: list[str] = []
    service_id: str = ""
    signing_name: str = ""
    target_prefix: str = ""
    json_version: str = "1.0"
    aws_query_compatible: dict[str, Any] | None = None


class Reference(msgspec.Struct, rename="camel", kw_only=True):
    """One shape's use of another."""

    shape: str
    location_name: str = ""
    result_wrapper: str = ""
    flattened: bool = False


class Shape(msgspec.Struct, rename="camel", kw_only=True):
    type: str
    members: dict[str, Reference] = {}
    member: Reference | None = None
    key: Reference | None = None
    value: Reference | None = None
    flattened: bool = False


class HostPrefix(msgspec.Struct, rename="camel", frozen=True):
    host_prefix: str = ""


class Operation(msgspec.Struct, rename="camel", kw_only=True):
    output: Reference | None = None
    endpoint: HostPrefix = HostPrefix()


class Model(msgspec.Struct, kw_only=True):
    metadata: Metadata
    operations: dict[str, Operation]
    shapes: dict[str, Shape]


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as the URIs of integrations name it."""

    name: str  # in URIs and host names
    model: Model

    @property
    def signing_name(self) -> str:
        return self.model.metadata.signing_name or self.model.metadata.endpoint_prefix

    @property
    def variable(self) -> str:
        """The environment variable that says where it is, as the SDKs read it."""
        return "AWS_ENDPOINT_URL_" + self.model.metadata.service_id.replace(" ", "_").replace("-", "_").upper()

    @property
    def speaks_query(self) -> bool:
        """Whether it takes `Action=` in a query or a form."""
        metadata = self.model.metadata
        return (
            metadata.protocol in ("query", "ec2")
            or "query" in metadata.protocols
            or metadata.aws_query_compatible is not None
        )

    @property
    def speaks_json(self) -> bool:
        return self.model.metadata.protocol == "json" and bool(self.model.metadata.target_prefix)

    def host_prefix(self, action: str) -> str:
        """What stands before the host for this action: `sync-` for StartSyncExecution."""
        operation = self.model.operations.get(action)
        prefix = operation.endpoint.host_prefix if operation is not None else ""
        return "" if "{" in prefix else prefix


@lru_cache(maxsize=1)
def data_folder() -> Path:
    found = importlib.util.find_spec("botocore")
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError("botocore is not installed: reinstall routekey")
    return Path(found.submodule_search_locations[0], "data")


@lru_cache(maxsize=64)
def find(name: str, action: str = "") -> Service | None:
    """The service that `name`, such as `states` or `streams.dynamodb`, stands for in a URI; one that has `action`."""
    own = _metadata(name)
    named = own is not None and _reachable(own) and name in (own.get("endpointPrefix"), own.get("signingName"))
    candidates = [name] if named else _index().get(name, [])
    models = [model for model in map(_load, candidates) if model is not None]
    chosen = next((model for model in models if action in model.operations), models[0] if models else None)
    return None if chosen is None else Service(name, chosen)


def suggestion(name: str) -> str:
    """What may be meant by a name that is none in URIs: `stepfunctions` is `states`."""
    wanted = _letters(name)
    own = _metadata(name)
    if own is not None and _reachable(own):
        return f": {own['endpointPrefix']}?"
    for folders in _index().values():
        for folder in folders:
            metadata = _metadata(folder) or {}
            if wanted == _letters(str(metadata.get("serviceId", ""))):
                return f": {metadata['endpointPrefix']}?"
    found = difflib.get_close_matches(name, _index(), 1)
    return f": {found[0]}?" if found else ""


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _reachable(metadata: Mapping[str, Any]) -> bool:
    """Whether it speaks a protocol that integrations do."""
    spoken = {metadata.get("protocol"), *metadata.get("protocols", ())}
    return not spoken.isdisjoint(("json", "query", "ec2", "rest-json", "rest-xml"))


def _file(folder: str) -> Path | None:
    if not folder.replace("-", "").isalnum():
        return None
    path = data_folder() / folder
    for version in sorted(os.listdir(path), reverse=True) if path.is_dir() else ():
        for name in ("service-2.json.gz", "service-2.json"):
            if (path / version / name).exists():
                return path / version / name
    return None


@lru_cache(maxsize=64)
def _load(folder: str) -> Model | None:
    path = _file(folder)
    if path is None:
        return None
    data = path.read_bytes()
    return msgspec.json.decode(gzip.decompress(data) if path.suffix == ".gz" else data, type=Model)


def _metadata(folder: str) -> dict[str, Any] | None:
    path = _file(folder)
    if path is None:
        return None
    with path.open("rb") as file:
        data = file.read(_HEAD)
    if path.suffix == ".gz":
        data = zlib.decompressobj(31).decompress(data, _HEAD)
    text = data.decode("utf-8", "ignore")
    at = text.find('"metadata"')
    try:
        found: dict[str, Any] = json.JSONDecoder().raw_decode(text, text.index("{", at))[0]
    except ValueError:
        return None
    return found


@lru_cache(maxsize=1)
def _index() -> dict[str, list[str]]:
    """Folders of models by the names that hosts and signatures have for them; the plainest folder first."""
    found: dict[str, list[str]] = {}
    signed: list[tuple[str, str]] = []
    for folder in sorted((each.name for each in data_folder().iterdir() if each.is_dir()), key=lambda n: (len(n), n)):
        metadata = _metadata(folder)
        if metadata is not None and _reachable(metadata):
            found.setdefault(metadata.get("endpointPrefix", ""), []).append(folder)
            signed.append((metadata.get("signingName", ""), folder))
    for name, folder in signed:
        if name and folder not in found.setdefault(name, []):
            found[name].append(folder)
    return found
